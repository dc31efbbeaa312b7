"""What was made of the same is not made again: the build, the quality pages, the drafts."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pandas as pd
import pytest

from dagster_project.defs.quality import suites
from dagster_project.lib.documents import render_period
from dagster_project.lib.documents.render import _Renderer
from dagster_project.lib.kept_build import NodeResult, keep_build, kept_build, made_from
from dagster_project.lib.settings import TEMPLATES_DIR, Settings
from dagster_project.lib.usage_frames import UsageFrames
from tests.harness import Installation, Scenario, build, one_unit


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """A customer with a unit at 1.50."""
    return build(
        tmp_path_factory.mktemp("kept"), one_unit(), dbt_folder=dbt_folder, period="2026-01"
    )


RESULT = NodeResult("test.a", "a", "test", "warn", 0.5, None, None, 3, "3 rows")


def test_a_build_stands_until_anything_changes(
    world: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bill that builds nothing although something has changed drafts old amounts."""
    variables = {"METERHOUSE_DATA_DIR": str(world.folder)}
    settings = Settings.from_environment(variables)
    project, file = world.dbt_folder / "project", tmp_path / "kept.json"

    def key(period: str = "2026-01", settings: Settings = settings) -> str:
        return made_from(settings, project, period)

    def kept() -> list[NodeResult] | None:
        with world.read() as connection:
            found = kept_build(file, key(), connection)
        return found.results if found else None

    def keep() -> None:
        with world.read() as connection:
            keep_build(file, key(), "run", [RESULT], connection)

    assert kept() is None
    keep()
    assert kept() == [RESULT]
    first = key()
    assert key("2026-02") != first
    later = Settings.from_environment(variables | {"METERHOUSE_FIRST_PERIOD": "2026-01"})
    assert key(settings=later) != first

    # A price is another one.
    prices = world.dbt_folder / "pricing_seeds" / "prices.csv"
    text = prices.read_text("utf-8")
    prices.write_text(text.replace("1.50", "1.60"), "utf-8")
    assert kept() is None
    prices.write_text(text, "utf-8")
    assert kept() == [RESULT]

    # A model is another one.
    models = tmp_path / "dbt"
    models.mkdir()
    monkeypatch.setattr("dagster_project.lib.kept_build.DBT_PROJECT_DIR", models)
    assert kept() is None
    monkeypatch.undo()
    assert kept() == [RESULT]

    # The code that runs it is another one.
    monkeypatch.setattr("dagster_project.lib.kept_build.PROJECT_ROOT", tmp_path)
    assert kept() is None
    monkeypatch.undo()
    assert kept() == [RESULT]

    # Something has landed, is built, and is then what stands.
    scenario = Scenario()
    scenario.event("a", "2", event_id="late")
    (lines,) = scenario.events.values()
    late = world.landing / "usage" / "late.ndjson"
    late.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    world.ingest()
    assert kept() is None
    world.dbt_build("2026-01", tested=False)
    keep()
    assert kept() == [RESULT]

    # Whatever was run since may have made other tables of the same.
    world.dbt(["run", "--threads", "1", "--select", "dim_dates"], "2026-01")
    assert kept() is None
    keep()
    assert world.issue("2026-01") == 1
    assert kept() is None
    file.write_text("half a recor", "utf-8")
    assert kept() is None


def test_drafts_made_of_the_same_are_not_printed_again(
    world: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A PDF takes most of the time of its document."""
    printed: list[int] = []
    pdf = _Renderer._pdf

    def counted(renderer: _Renderer, *arguments: object) -> bytes:
        printed.append(1)
        return pdf(renderer, *arguments)

    monkeypatch.setattr(_Renderer, "_pdf", counted)
    templates = tmp_path / "templates"
    templates.symlink_to(TEMPLATES_DIR)
    folder = tmp_path / "documents"

    def render() -> tuple[int, bytes]:
        printed.clear()
        with world.read() as connection:
            render_period(connection, "2026-01", folder, templates)
        (draft,) = (folder / "2026-01").glob("draft-*.pdf")
        return len(printed), draft.read_bytes()

    count, first = render()
    assert count == 1
    assert render() == (0, first)
    (draft,) = (folder / "2026-01").glob("draft-*.pdf")
    draft.write_bytes(b"scribbled over")
    assert render() == (1, first)
    draft.unlink()
    assert render() == (1, first)
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in TEMPLATES_DIR.iterdir():
        (changed / path.name).symlink_to(path)
    (changed / "note.typ").write_text("// what the template might include", "utf-8")
    templates.unlink()
    templates.symlink_to(changed)
    assert render()[0] == 1


def test_the_same_usage_is_not_judged_again(tmp_path: Path) -> None:
    """Great Expectations takes three seconds to load."""
    empty = pd.DataFrame({"event_count": []})
    frames = UsageFrames(
        watched_days=pd.DataFrame({"usage_day": ["2026-01-09"], "event_count": [0]}),
        watched_hours=empty,
        acknowledged=[],
        volumes=empty,
        days=empty,
        meter_days=empty,
        last_days=pd.DataFrame({"silent_days": [0]}),
    )
    site = tmp_path / "2026-01"
    first = suites.run_suites(frames, "2026-01", site)
    assert [name for name, result in first.items() if result.failures] == ["completeness"]
    pages = {path: path.stat().st_mtime_ns for path in site.rglob("*.html")}
    time.sleep(0.02)
    assert suites.run_suites(frames, "2026-01", site) == first
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*.html")} == pages
    mended = dataclasses.replace(
        frames, watched_days=frames.watched_days.assign(event_count=[5])
    )
    again = suites.run_suites(mended, "2026-01", site)
    assert not [name for name, result in again.items() if result.failures]
