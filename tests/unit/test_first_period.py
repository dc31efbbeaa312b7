"""Where the list of billing months begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.lib.first_period import first_period, note_period
from dagster_project.lib.settings import Settings


@pytest.mark.parametrize(
    ("noted", "setting", "begins"),
    [
        ([], "", "2020-01"),
        ([None], "", "2020-01"),
        (["2026-02", "2025-11", None, "2026-01"], "", "2025-11"),
        # A device without a clock
        (["1970-01"], "", "2020-01"),
        (["2026-01"], "2025-07", "2025-07"),
        (["2026-01"], "2026-04", "2026-04"),
    ],
)
def test_months_begin_with_the_earliest_that_anything_named(
    tmp_path: Path, noted: list[str | None], setting: str, begins: str
) -> None:
    """A month that has drafts could not be picked, or years without any stand before it."""
    settings = Settings.from_environment(
        {"METERHOUSE_DATA_DIR": str(tmp_path), "METERHOUSE_FIRST_PERIOD": setting}
    )
    for period in noted:
        note_period(settings, period)
    assert first_period(settings) == begins


def test_usage_of_a_clock_that_runs_ahead_leaves_months_to_bill(tmp_path: Path) -> None:
    """The list would be empty, and every month would count as ended."""
    settings = Settings.from_environment({"METERHOUSE_DATA_DIR": str(tmp_path)})
    note_period(settings, "2999-01")
    assert "2026-01" < first_period(settings) < "2999-01"
