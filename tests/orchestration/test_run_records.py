"""What Dagster keeps of runs: what died is not running, what is old is not kept."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import instance_for_test

from dagster_project.lib.dagster_home import prepare_dagster_home
from dagster_project.lib.event_storage import KeptEventLogStorage
from dagster_project.lib.living_runs import end_dead_runs, has_died, keep_alive
from dagster_project.lib.run_history import delete_old_runs
from dagster_project.lib.settings import Settings


@dg.op
def nothing() -> None:
    """A step."""


@dg.job
def work() -> None:
    """A job."""
    nothing()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with instance_for_test(temp_dir=str(tmp_path)) as instance:
        yield instance


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(300):
        if is_so():
            return
        time.sleep(0.1)
    raise AssertionError


def unfinished(instance: dg.DagsterInstance) -> dg.RunRecord:
    """A run that says that it has started, without a process that works on it."""
    run = instance.create_run_for_job(work)
    instance.report_dagster_event(
        dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, job_name="work"), run.run_id
    )
    return instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))[0]


def test_a_run_lives_as_long_as_its_process_or_until_it_should_have_begun(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that works would be marked as failed; one that died would hold up all others.

    Without a lock there is none that died of a release before this one, or one that loads its
    code.
    """
    lives, died, begins = records = [unfinished(instance) for _ in range(3)]
    home = Path(instance.root_directory)
    keep_alive(home, lives.dagster_run.run_id)
    (home / "living" / died.dagster_run.run_id).touch()
    assert [has_died(instance, record) for record in records] == [False, True, False]
    late = begins.start_time + 181
    monkeypatch.setattr("dagster_project.lib.living_runs.time.time", lambda: late)
    assert [has_died(instance, record) for record in records] == [False, True, True]
    assert len(end_dead_runs(instance, {"a": "b"})) == 2
    found = [instance.get_run_by_id(record.dagster_run.run_id) for record in records]
    assert [(run.status.value, run.tags.get("a")) for run in found] == [
        ("STARTED", None),
        ("FAILURE", "b"),
        ("FAILURE", "b"),
    ]


def test_a_run_that_died_while_it_was_canceled_holds_nothing_up_either(
    instance: dg.DagsterInstance,
) -> None:
    """Whoever stops a run and then pulls the plug would wait for it for ever."""
    run = unfinished(instance).dagster_run
    instance.report_run_canceling(run)
    mark = Path(instance.root_directory) / "living" / run.run_id
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    assert [dead.run_id for dead in end_dead_runs(instance, {})] == [run.run_id]
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    assert found.status == dg.DagsterRunStatus.FAILURE


def test_old_runs_go_with_their_events_and_logs_but_for_the_last_of_a_month(
    instance: dg.DagsterInstance,
) -> None:
    """Some 2 MB of each run stay for ever otherwise; without the last one of a month, nobody
    could say which checks stand before its issue.
    """
    month = {"dagster/partition": "2026-01"}
    runs = [
        work.execute_in_process(instance=instance, tags=tags).run_id
        for tags in (month, {}, {}, month)
    ]
    goes_on = unfinished(instance).dagster_run.run_id

    def files() -> set[str]:
        return {
            run
            for run in runs
            if any(run in str(path) for path in Path(instance.root_directory).rglob("*"))
        }

    assert files() == set(runs)
    assert delete_old_runs(instance, days=1, at_most=9) == 0
    assert delete_old_runs(instance, days=0, at_most=2) == 2
    assert files() == {runs[2], runs[3]}
    assert delete_old_runs(instance, days=0, at_most=2) == 1
    assert files() == {runs[3]}
    assert {run.run_id for run in instance.get_runs()} == {runs[3], goes_on}
    assert instance.get_records_for_run(runs[3]).records


KILLED = """
import os, signal, sys
import dagster as dg
from tests.orchestration.test_run_records import materialized
with dg.DagsterInstance.from_config(sys.argv[1]) as instance:
    run = materialized.execute_in_process(instance=instance)
    print(run.run_id, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@dg.asset
def table() -> dg.MaterializeResult:
    """An asset with a row."""
    return dg.MaterializeResult(metadata={"rows": 1})


materialized = dg.Definitions(
    assets=[table], jobs=[dg.define_asset_job("materialized")]
).resolve_job_def("materialized")


def test_events_are_there_for_whoever_reads_beside_and_after_a_kill(tmp_path: Path) -> None:
    """Each file is open once in a process; a UI reads it in another one, as Dagster's own
    storage does, which is told of everything that is new.
    """
    home = prepare_dagster_home(
        Settings.from_environment({"METERHOUSE_DATA_DIR": str(tmp_path)})
    )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert isinstance(instance.event_log_storage, KeptEventLogStorage)
        first = materialized.execute_in_process(instance=instance).run_id
        seen: list[str] = []
        instance.watch_event_logs(
            first, None, lambda entry, _cursor: seen.append(entry.message)
        )
        instance.report_engine_event("something new", run_id=first, job_name="materialized")
        killed = subprocess.run(
            [sys.executable, "-c", KILLED, str(home)],
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        second = killed.stdout.strip()
        # What is open here sees what the other process has written.
        storage = instance.event_log_storage
        latest = instance.get_latest_materialization_event(dg.AssetKey("table"))
        assert latest is not None
        assert latest.run_id == second
        logs = [storage.get_logs_for_run(run) for run in (first, second)]
        assert "something new" in [entry.message for entry in logs[0]]
        kinds = [entry.dagster_event_type for entry in logs[1]]
        assert dg.DagsterEventType.RUN_SUCCESS in kinds
        wait_until(lambda: "something new" in seen)
        # A file that another process has deleted is made anew instead of written to unseen.
        Path(storage.path_for_shard(first)).unlink()
        assert storage.get_logs_for_run(first) == []
    text = (home / "dagster.yaml").read_text("utf-8")
    assert json.dumps(str(home / "history" / "runs")) in text
