"""The unit tests of the dbt project, which hold the edges of each pricing rule."""

from __future__ import annotations

from pathlib import Path

from tests.harness import Scenario, build


def test_the_unit_tests_of_the_dbt_project_pass(tmp_path: Path, dbt_folder: Path) -> None:
    """Builds leave them out, as they say nothing about data: without this nobody runs them."""
    world = Scenario()
    world.meter("used", "use")
    world.subscriber("a")
    world.event("a", "1")
    installation = build(tmp_path, world, dbt_folder=dbt_folder, tested=False)
    installation.dbt(["test", "--select", "test_type:unit"])
