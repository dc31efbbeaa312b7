"""`meterhouse ui` as a person has it running: what it starts, frees, says and ends.

One long story, since every start of it takes its time.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from dagster_project.lib.warehouse import writer_lock
from tests.command.command import kill_at, prepare, start
from tests.harness import Installation, Scenario
from tests.orchestration.webhook import receiver

PATIENCE_SECONDS = 400
MONTHS = ("2026-01", "2026-02")
LAUNCH = """
mutation ($parameters: ExecutionParams!) {
  launchPipelineExecution(executionParams: $parameters) {
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""
ASSETS = """{ assetNodes {
  assetKey { path } isMaterializable
  repository { name location { name } }
} }"""


def two_months() -> Scenario:
    """A customer with 2 units at 1.00 in January and 3 in February."""
    world = Scenario()
    world.meter("used", "use")
    world.subscriber("a", ended_at="2026-03-01")
    world.event("a", "2")
    world.event("a", "3", at="2026-02-10T12:00:00Z")
    return world


def wait_for(condition: Callable[[], Any], words: str) -> Any:
    """Poll until something is the case, and return it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, words
        time.sleep(0.5)
    return found


def ask(port: int, query: str, **variables: Any) -> dict[str, Any]:
    """Ask the server as its pages do."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["data"]


def assets_of(port: int) -> list[dict[str, Any]]:
    """What can be materialized; nothing while the server or the code is not there yet."""
    try:
        return [node for node in ask(port, ASSETS)["assetNodes"] if node["isMaterializable"]]
    except (OSError, TypeError):
        return []


def processes_of(installation: Installation) -> list[str]:
    """Every process that was started for an installation."""
    sign = f"METERHOUSE_DATA_DIR={installation.folder}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if sign in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@dataclass(frozen=True)
class Story:
    """What came to pass while the UI ran, and after it was killed."""

    installation: Installation
    assets: list[dict[str, Any]]
    statuses: dict[str, str]
    said: list[dict[str, Any]]
    not_issued: str
    processes_before: list[str]
    processes_after: list[str]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A command is killed, a file mended, a run killed, all made; at last the UI is killed."""
    installation = prepare(tmp_path_factory.mktemp("ui"), two_months())
    mended = installation.landing / "usage" / "mended.parquet"
    mended.write_bytes(b"not yet")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = installation.folder / "dagster"
    statuses: dict[str, str] = {}
    with (
        receiver() as hook,
        (installation.folder / "ui.log").open("w") as log,
    ):

        def runs(status: str, job: str) -> list[str]:
            wanted = dg.RunsFilter(job_name=job, statuses=[dg.DagsterRunStatus(status)])
            return [run.run_id for run in instance.get_runs(wanted)]

        def materialize(*names: str) -> str:
            where = assets[0]["repository"]
            chosen = {
                "repositoryName": where["name"],
                "repositoryLocationName": where["location"]["name"],
                "pipelineName": "__ASSET_JOB",
                "assetSelection": [
                    {"path": node["assetKey"]["path"]}
                    for node in assets
                    if not names or node["assetKey"]["path"][-1] in names
                ],
            }
            tags = {
                "dagster/asset_partition_range_start": MONTHS[0],
                "dagster/asset_partition_range_end": MONTHS[-1],
            }
            tags = {} if names else tags
            parameters = {
                "selector": chosen,
                "mode": "default",
                "executionMetadata": {
                    "tags": [{"key": key, "value": text} for key, text in tags.items()]
                },
            }
            answer = ask(port, LAUNCH, parameters=parameters)
            return answer["launchPipelineExecution"]["run"]["runId"]

        ui = start(
            installation,
            *("ui", "--port", str(port)),
            output=log,
            METERHOUSE_FAILURE_WEBHOOK=hook.address,
        )
        try:
            assets = wait_for(lambda: assets_of(port), "the UI never answered")
            instance = dg.DagsterInstance.from_config(str(home))
            wait_for(lambda: runs("FAILURE", "ingest"), "the sensor started no run")
            kill_at(start(installation, "bill", "--period", "2026-01"), "landed files")
            wait_for(lambda: runs("FAILURE", "bill"), "the dead bill was never seen")
            wait_for(lambda: len(hook.received) == 2, "the failures were not told")

            new = mended.with_name(".mended.tmp")
            duckdb.sql(
                "copy (select 'm' as id, 's' as source, 'use' as type, 'a' as subject,"
                " '2026-02-11T00:00:00Z' as time, 4 as quantity)"
                f" to '{new}' (format parquet)"
            )
            new.rename(mended)
            wait_for(lambda: runs("SUCCESS", "ingest"), "the mended file was never loaded")

            # While somebody else writes, it waits.
            with writer_lock(
                installation.warehouse.with_name(".warehouse.duckdb.writer.lock")
            ):
                killed = materialize("price_book")
                mark = home / "living" / killed
                process = wait_for(lambda: mark.exists() and mark.read_text(), "no run began")
                os.kill(int(process), signal.SIGKILL)
            made = materialize()
            wait_for(
                lambda: (
                    made in runs("SUCCESS", "__ASSET_JOB") + runs("FAILURE", "__ASSET_JOB")
                ),
                "the run behind the killed one never ended",
            )
            for name, run_id in (("killed", killed), ("made", made)):
                statuses[name] = instance.get_run_by_id(run_id).status.value
            event = instance.get_latest_materialization_event(dg.AssetKey("issued_invoices"))
            metadata = event.asset_materialization.metadata if event else {}
            before = processes_of(installation)
            instance.dispose()
        finally:
            os.kill(ui.pid, signal.SIGKILL)
            ui.wait()
        wait_for(lambda: not processes_of(installation) or None, "something lives on")
    return Story(
        installation=installation,
        assets=assets,
        statuses=statuses,
        said=hook.received,
        not_issued=str(metadata["not_issued"].value) if "not_issued" in metadata else "",
        processes_before=before,
        processes_after=processes_of(installation),
    )


def test_a_run_that_died_holds_nothing_up(story: Story) -> None:
    """The sensor's run, and every one after it, would be queued for ever."""
    assert story.statuses == {"killed": "FAILURE", "made": "SUCCESS"}


def test_failures_are_sent_to_the_webhook(story: Story) -> None:
    """Nobody would look before the end of the month."""
    bill, load = sorted(story.said[:2], key=lambda failure: failure["job"])
    assert (bill["job"], bill["period"]) == ("bill", "2026-01")
    assert bill["error"].startswith("The process of this run is gone")
    assert (load["job"], load["period"]) == ("ingest", None)
    assert "usage/mended.parquet" in load["error"]
    assert "every_landed_file_was_loaded" in load["failed_checks"][0]


def test_a_file_that_was_replaced_under_its_name_is_billed(story: Story) -> None:
    """The usage in it would be given away: 2 in January, 3 + 4 in February."""
    rows = story.installation.rows(
        "select billing_period, invoice_status, total_amount"
        " from marts.fct_invoices order by billing_period"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("2026-01", "draft", Decimal(2)),
        ("2026-02", "draft", Decimal(7)),
    ]


def test_materialize_all_makes_the_drafts_of_a_range_and_stops_before_the_issue(
    story: Story,
) -> None:
    """The button fails, or sends invoices that no check of the job has looked at."""
    for month in MONTHS:
        names = {
            path.name for path in (story.installation.folder / "documents" / month).iterdir()
        }
        assert "draft-a-EUR.pdf" in names
    assert story.installation.rows("select * from ledger.issued_invoices") == []
    assert story.not_issued.startswith("Invoices are issued by a whole run of the job issue")
    assert (story.installation.folder / "published" / "meterhouse.duckdb").exists()


def test_months_begin_with_the_first_usage(story: Story) -> None:
    """Seventy empty months would stand before the first that means anything."""
    noted = story.installation.folder / "dagster" / "first_period"
    assert noted.read_text() == "2026-01\n"


def test_nothing_lives_on_when_the_ui_is_killed(story: Story) -> None:
    """Two daemons would start every run twice; the port would stay taken."""
    assert any("dagster_webserver" in command for command in story.processes_before)
    assert any("dagster._daemon" in command for command in story.processes_before)
    assert story.processes_after == []
