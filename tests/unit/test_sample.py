"""The sample is the same everywhere, and is what its truth says it is."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from dagster_project.lib.sample import (
    REJECTION_REASONS,
    SampleTruth,
    write_late_files,
    write_sample,
)
from dagster_project.lib.sample_bills import example_events

EVENTS = 5000


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small sample."""
    folder = tmp_path_factory.mktemp("sample") / "landing"
    write_sample(folder, EVENTS)
    return folder


def test_the_same_call_writes_the_same_bytes(landing: Path, tmp_path: Path) -> None:
    """An invoice of the demo could not be compared with the one in the documentation."""
    write_sample(tmp_path, EVENTS)
    assert contents(tmp_path) == contents(landing)


def test_a_second_call_rewrites_nothing(landing: Path) -> None:
    """A landed file that changes would no longer be what was billed."""
    before = {path: path.stat().st_mtime_ns for path in landing.rglob("*") if path.is_file()}
    truth = write_sample(landing, EVENTS)
    after = {path: path.stat().st_mtime_ns for path in landing.rglob("*") if path.is_file()}
    assert after == before
    assert truth.landed == EVENTS + len(list(example_events()))


def test_every_fate_appears_and_the_fates_add_up(tmp_path: Path) -> None:
    """A fate that the sample lacks is a fate that the demo never shows."""
    truth = write_sample(tmp_path, 200)
    names = {name for name, _ in truth.fates}
    assert len(names) == 10
    assert {reason for name, reason in truth.fates if name == "rejected"} == set(
        REJECTION_REASONS
    )
    examples = len(list(example_events()))
    assert sum(truth.fates.values()) == truth.landed == 200 + examples


def test_the_voids_are_as_many_as_said(landing: Path) -> None:
    """A void without an event would leave a wrong amount on an invoice."""
    with (landing / "corrections" / "voids_2026-03.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len({(row["source"], row["event_id"]) for row in rows}) == 2
    assert {row["action"] for row in rows} == {"void"}


def test_no_unfinished_file_is_left(landing: Path) -> None:
    """A half-written file would be billed as if it were whole."""
    names = [path.name for path in landing.rglob("*") if path.is_file()]
    assert not [name for name in names if name.startswith(".") or name.endswith(".tmp")]


def test_every_format_is_there(landing: Path) -> None:
    """A format missing from the sample is a reader that the demo never runs."""
    names = {path.name.split(".", 1)[1] for path in (landing / "usage").rglob("*.*")}
    assert names >= {"parquet", "ndjson", "ndjson.gz", "jsonl", "json", "csv", "csv.zst"}


def test_too_few_events_are_refused(tmp_path: Path) -> None:
    """A sample too small would silently lack fates."""
    with pytest.raises(ValueError, match="at least 200"):
        write_sample(tmp_path, 199)


def test_late_files_only_add(landing: Path) -> None:
    """Late usage that changed landed files would rewrite an issued month."""
    before = contents(landing)
    truth = write_late_files(landing)
    after = contents(landing)
    assert {path: after[path] for path in before} == before
    assert truth == SampleTruth(rated=47, duplicate=2, voided=1)
    late = landing / "usage/energy/2026-01/late_1.ndjson"
    assert len(late.read_text(encoding="utf-8").splitlines()) == truth.landed == 50
