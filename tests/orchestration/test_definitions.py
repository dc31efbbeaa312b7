"""What Dagster loads: jobs, pools, groups, owners, and checks that stand before an issue."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dagster_project.lib.dagster_home import prepare_dagster_home
from dagster_project.lib.first_period import note_period
from dagster_project.lib.settings import Settings

if TYPE_CHECKING:
    import dagster as dg


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[dg.Definitions]":
    """The definitions over an empty installation; loading them makes no warehouse."""
    with pytest.MonkeyPatch.context() as patch:
        data_dir = tmp_path_factory.mktemp("installation")
        patch.setenv("METERHOUSE_DATA_DIR", str(data_dir))
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        for name in [name for name in sys.modules if name.startswith("dagster_project.def")]:
            patch.delitem(sys.modules, name)
        note_period(Settings.from_environment(), "2025-12")
        from dagster_project.definitions import defs

        yield defs()
        assert not (data_dir / "warehouse.duckdb").exists()


def test_the_three_jobs_are_there(definitions: "dg.Definitions") -> None:
    """The command and the UI start the same jobs."""
    for name in ("ingest", "bill", "issue"):
        assert definitions.resolve_job_def(name).name == name


def test_months_begin_with_the_first_usage_and_are_made_in_one_run(
    definitions: "dg.Definitions",
) -> None:
    """Years without any usage would stand before it; a run for each month takes a day."""
    import dagster as dg

    graph = definitions.resolve_asset_graph()
    nodes = [graph.get(key) for key in graph.materializable_asset_keys]
    partitioned = [node for node in nodes if node.is_partitioned]
    assert {"issued_invoices", "fct_invoices", "prices"} <= {
        node.key.to_user_string() for node in partitioned
    }
    for node in partitioned:
        assert node.partitions_def.get_first_partition_key() == "2025-12", node.key
        assert node.backfill_policy == dg.BackfillPolicy.single_run(), node.key


def test_nothing_of_a_backfill_runs_before_the_load(definitions: "dg.Definitions") -> None:
    """A model that waits for nothing would be a run of its own, and what rests on it too."""
    graph = definitions.resolve_asset_graph()
    roots = {
        key.to_user_string()
        for key in graph.materializable_asset_keys
        if not graph.get(key).parent_keys & graph.materializable_asset_keys
    }
    assert {name for name in roots if not name.startswith("raw/")} == {"price_book"}


def test_billing_a_month_never_issues_it(definitions: "dg.Definitions") -> None:
    """A draft run that issued would send unreviewed invoices."""
    steps = {node.name for node in definitions.resolve_job_def("bill").nodes}
    assert "issued_invoices" not in steps
    assert {"invoice_documents", "published_marts"} <= steps


def test_a_failed_load_is_tried_again_and_an_issue_is_not(
    definitions: "dg.Definitions",
) -> None:
    """The sensor asks once for the same files; who issues has to look first."""
    retries = {
        name: definitions.resolve_job_def(name).tags.get("dagster/max_retries")
        for name in ("ingest", "bill", "issue")
    }
    assert retries == {"ingest": "2", "bill": None, "issue": None}


def test_every_writer_is_in_the_pool(definitions: "dg.Definitions") -> None:
    """Two writers at once make DuckDB refuse one of them."""
    import dagster as dg

    for asset in definitions.assets or ():
        if isinstance(asset, dg.AssetsDefinition):
            assert asset.op.pool == "warehouse", asset.op.name


def test_every_asset_has_group_owner_kind_and_description(
    definitions: "dg.Definitions",
) -> None:
    """Somebody has to know whom to ask when a number looks wrong."""
    graph = definitions.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        node = graph.get(key)
        assert node.group_name not in (None, "default"), key
        assert node.owners == ["team:billing"], key
        assert node.kinds, key
        assert node.description, key


def test_reconciliation_and_outages_block_an_issue(definitions: "dg.Definitions") -> None:
    """Without these in the way, wrong data becomes a numbered invoice."""
    graph = definitions.resolve_asset_graph()
    blocking = {
        key.name for key in graph.asset_check_keys if graph.get_check_spec(key).blocking
    }
    assert {
        "usage_has_no_outage",
        "documents_equal_marts",
        "every_landed_file_was_loaded",
        "landed_records_equal_fates",
        "metered_usage_equals_rated_usage",
        "lines_equal_invoice_net_amounts",
    } <= blocking


THIS_MONTH = f"{datetime.now(UTC):%Y-%m}"


@pytest.mark.parametrize(
    ("job", "period", "reason"),
    [
        ("__ASSET_JOB", "2026-01", "by a whole run of the job issue"),
        ("issue", "2026-01", "by a whole run of the job issue"),
        ("issue", THIS_MONTH, "has not ended"),
    ],
)
def test_invoices_are_issued_by_a_whole_run_over_a_month_that_ended(
    definitions: "dg.Definitions", job: str, period: str, reason: str
) -> None:
    """Materialized by itself, no check of any other asset would stand in its way.

    What is used in the rest of a month that runs would be on no invoice of it.
    """
    import dagster as dg

    result = (
        definitions.get_repository_def()
        .get_job(job)
        .execute_in_process(
            asset_selection=[dg.AssetKey("issued_invoices")],
            partition_key=period,
            raise_on_error=False,
        )
    )
    assert not result.success
    (failure,) = result.filter_events(lambda event: event.is_step_failure)
    assert reason in str(failure.step_failure_data.user_failure_data)


@pytest.mark.usefixtures("definitions")
def test_the_command_refuses_a_month_that_runs_before_it_bills_it() -> None:
    """The job would refuse it as well, minutes later."""
    from dagster_project.runner import RunFailedError, run_job

    with pytest.raises(RunFailedError, match="has not ended"):
        run_job("issue", THIS_MONTH, lambda _text: None)


def test_the_schedule_drafts_the_month_that_ended(definitions: "dg.Definitions") -> None:
    """Billing the month that has just begun would draft empty invoices."""
    import dagster as dg

    schedule = definitions.resolve_schedule_def("drafts_after_month_end")
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 3, 2, 6, tzinfo=UTC),
        repository_def=definitions.get_repository_def(),
    )
    requests = schedule.evaluate_tick(context).run_requests
    assert requests is not None
    assert [request.partition_key for request in requests] == ["2026-02"]


def test_dagster_validates_the_code_location_without_a_warning(tmp_path: Path) -> None:
    """A warning in the log today is an upgrade that fails tomorrow."""
    variables = {"METERHOUSE_DATA_DIR": str(tmp_path / "data")}
    home = prepare_dagster_home(Settings.from_environment(variables))
    root = Path(__file__).resolve().parents[2]
    run = subprocess.run(
        [str(Path(sys.executable).with_name("dagster")), "definitions", "validate"],
        cwd=root,
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "DAGSTER_HOME": str(home),
            "METERHOUSE_DATA_DIR": str(tmp_path / "data"),
            # The command announces its own successor on every call, whatever it validates.
            "PYTHONWARNINGS": "ignore:Function `definitions_validate_command`",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    output = run.stdout + run.stderr
    assert run.returncode == 0, output
    warnings = [
        line
        for line in output.splitlines()
        if "warning" in line.lower() and "definitions_validate_command" not in line
    ]
    assert not warnings, output


def test_an_interrupt_that_dbt_catches_stops_the_run(
    definitions: "dg.Definitions",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A run that was stopped while dbt loaded its adapter went on and issued."""
    from dagster._core.errors import DagsterExecutionInterruptedError

    from dagster_project.defs import resources

    def caught(*_arguments: object) -> list[object]:
        with contextlib.suppress(BaseException):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        return []

    monkeypatch.setattr(resources, "run_dbt", caught)
    warehouse = definitions.resources["warehouse"]
    with pytest.raises(DagsterExecutionInterruptedError):
        warehouse.run_dbt(["build"], "2026-01")


def test_the_manifest_is_made_anew_for_other_files(definitions: "dg.Definitions") -> None:
    """An installed release may be older than the manifest that the one before has made."""
    from dagster_project.defs.warehouse import assets

    manifest = assets.manifest_path()
    made = manifest.stat().st_mtime_ns
    assert assets.manifest_path().stat().st_mtime_ns == made
    (manifest.parent / "manifest.key").write_text("of the release before")
    assert assets.manifest_path().stat().st_mtime_ns > made
