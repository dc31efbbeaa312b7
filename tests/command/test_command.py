"""The `meterhouse` command through its real entry point: what it prints, writes and refuses.

Few tests, since every start takes seconds.
"""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.command.command import Outcome, finish, kill_at, prepare, run, start
from tests.harness import Installation, Scenario
from tests.orchestration.webhook import receiver


def tiny() -> Scenario:
    """Two customers with 3 and 4 units at 1.50 in January, one with a Japanese name."""
    world = Scenario()
    world.meter("used", "use")
    world.plan("plan")
    world.price("plan", "per_unit", meter_code="used", unit_price="1.50")
    for name, quantity, title in (("a", "3", "株式会社エー"), ("b", "4", "Bé Ω Ђ")):
        world.customer(name, customer_name=title)
        world.subscription(name, plan_code="plan", trial_end="", crm_id="7")
        world.event(name, quantity)
        world.event(name, quantity, event_id=f"{name}-repeated")
        world.event(name, quantity, event_id=f"{name}-repeated")
    return world


def test_a_broken_warehouse_is_not_an_empty_one(tmp_path: Path) -> None:
    """Nothing billed yet would be the wrong thing to say."""
    installation = prepare(tmp_path, tiny())
    installation.warehouse.write_bytes(b"no database" * 1000)
    shown = run(installation, "status")
    assert shown.code == 1, shown
    assert "Nothing has been billed" not in shown.output
    assert "not a valid DuckDB database file" in shown.error


def fingerprints(*folders: Path) -> dict[str, str]:
    """Every file below the folders, links included, with a hash of its bytes."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_all_is_there_once(installation: Installation) -> None:
    """Two invoices of 9 and 12 with the first two numbers; six records with one fate each."""
    issued = installation.rows(
        "select invoice_number, customer_id, total_amount from ledger.issued_invoices"
        " order by invoice_number"
    )
    assert [tuple(row.values()) for row in issued] == [
        ("INV-000001", "a", Decimal(9)),
        ("INV-000002", "b", Decimal(12)),
    ]
    fates = installation.rows(
        "select fate, sum(event_count)::int as count from marts.fct_event_fates"
        " group by fate order by fate"
    )
    assert [tuple(row.values()) for row in fates] == [("duplicate", 2), ("rated", 4)]
    documents = {path.name for path in (installation.folder / "documents/2026-01").iterdir()}
    assert documents == {"index.html"} | {
        f"INV-00000{number}.{suffix}"
        for number in (1, 2)
        for suffix in ("html", "pdf", "json")
    }
    assert (installation.folder / "published/meterhouse.duckdb").exists()


@dataclass(frozen=True)
class Life:
    """One installation through every command and many a mishap, in the order of their use.

    `outcomes` are of the commands that were let run to their end, `first_files` those that the
    first of two issues at once left, `last_files` those of the second.
    """

    installation: Installation
    outcomes: dict[str, Outcome]
    first_files: dict[str, str]
    last_files: dict[str, str]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    """Power fails at every step; then a person issues while the schedule does."""
    installation = prepare(tmp_path_factory.mktemp("life"), tiny())
    (installation.pricing / "notes.csv").write_text("said,by\n")

    def begin(command: str) -> subprocess.Popen[str]:
        return start(installation, command, "--period", "2026-01")

    kill_at(start(installation, "ingest"), "landed files")
    outcomes = {"ingest": run(installation, "ingest")}
    # The first leaves a half-made warehouse, the others an issue without documents or copy.
    kill_at(begin("bill"), "dbt build")
    outcomes["bill"] = finish(begin("bill"))
    outcomes["bill again"] = finish(begin("bill"))
    for step in ("invoice documents", "published marts"):
        kill_at(begin("issue"), step)
    both = [begin("issue"), begin("issue")]
    while all(process.poll() is None for process in both):
        time.sleep(0.1)
    outputs = [installation.folder / name for name in ("documents", "published")]
    # The second has its build still before it.
    first_files = fingerprints(*outputs)
    first, second = sorted(both, key=lambda process: process.poll() is None)
    outcomes |= {"issue": finish(first), "again": finish(second)}
    outcomes["status"] = run(installation, "status")
    return Life(installation, outcomes, first_files, fingerprints(*outputs))


def test_every_command_succeeds_and_ends_with_its_table(life: Life) -> None:
    """A script cannot tell success from failure without the exit code."""
    for name, outcome in life.outcomes.items():
        assert outcome.code == 0, (name, outcome)
        assert outcome.error == "", name
    words = {
        "ingest": ["Loaded", "usage", "6"],
        "bill": ["Billing periods", "2026-01", "21.00 EUR", "Events by fate", "4 rated"],
        "bill again": ["Nothing has changed since the last build", "21.00 EUR", "4 rated"],
        "issue": ["Billing periods", "2026-01", "21.00 EUR"],
        "status": ["Drafts", "Issued", "Blocked checks", "Money", "21.00 EUR", "2 duplicate"],
    }
    for name, expected in words.items():
        output = life.outcomes[name].output
        assert [word for word in expected if word not in output] == [], output


def test_names_that_nobody_reads_are_said(life: Life) -> None:
    """A column that is misspelt does nothing, and nobody would know."""
    file, meant = "accounts/subscriptions-1.csv", "trial_end is read by nobody; trial_ends_at"
    ingest, bill = life.outcomes["ingest"].output, life.outcomes["bill"].output
    assert f"Warning: {file}, column trial_end: {meant} was probably meant." in ingest
    assert f"Note: {file} has columns that nobody reads: crm_id" in ingest
    assert f"{file}, row 1, column trial_end: {meant} was probably meant" in bill
    assert "crm_id" not in bill
    assert "price_book_reads_as_meant on price_book: notes.csv, row 1: nobody reads" in bill


def test_killed_runs_and_two_writers_at_once_lose_and_double_nothing(life: Life) -> None:
    """An invoice would be missing, or sent twice."""
    assert_all_is_there_once(life.installation)


def test_killed_runs_are_marked_as_failed_by_the_next_command(life: Life) -> None:
    """Dagster would count them as running, and let nothing else write, for ever."""
    import dagster as dg

    home = life.installation.folder / "dagster"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        runs = [(run.job_name, run.status.value) for run in instance.get_runs()]
    assert sorted(runs) == [
        *[("bill", "FAILURE"), ("bill", "SUCCESS"), ("bill", "SUCCESS")],
        *[("ingest", "FAILURE"), ("ingest", "SUCCESS")],
        *[("issue", "FAILURE"), ("issue", "FAILURE"), ("issue", "SUCCESS")],
        ("issue", "SUCCESS"),
    ]


def test_files_that_are_not_as_they_should_be_are_named(tmp_path: Path) -> None:
    """What is in them is billed to nobody, and a run that ended well would hide it."""
    installation = prepare(tmp_path, tiny())
    usage = installation.landing / "usage"
    unread, loaded = usage / "b.ndjson.gz", usage / "1-a.ndjson"
    unread.write_bytes(b"no gzip")
    with receiver() as hook:
        hook.answers += [503, 503]
        failed = run(installation, "ingest", METERHOUSE_FAILURE_WEBHOOK=hook.address)
    assert failed.code == 1, failed
    assert "Loaded" in failed.output
    assert failed.error.startswith("Error: Could not be opened, will be tried again: usage/b.")
    assert len(failed.error.strip().splitlines()) == 1, failed.error
    first, second, told = hook.received
    assert first == second == told
    assert (told["job"], told["period"]) == ("ingest", None)
    assert "usage/b.ndjson.gz" in told["error"]

    line = loaded.read_text().splitlines()[0]
    unread.write_bytes(gzip.compress(line.replace('"a-1"', '"new"').encode()))
    with loaded.open("a") as file:
        file.write(line.replace('"a-1"', '"late"'))
    mended = run(installation, "ingest")
    assert mended.code == 0, mended
    assert mended.error == ""
    assert "Warning: loaded_files_are_unchanged on raw/load_files: usage/1-a.ndjson: had" in (
        mended.output
    )
    (stored,) = installation.rows("select count(*)::int as count from raw.usage_events")
    assert stored["count"] == 7

    # Nobody listens there any more.
    unread.with_name("c.parquet").write_bytes(b"no parquet")
    untold = run(installation, "ingest", METERHOUSE_FAILURE_WEBHOOK=hook.address)
    assert untold.code == 1
    warning, error = untold.error.strip().splitlines()
    assert warning.startswith("Warning: The failure could not be sent")
    assert "secret" not in warning
    assert "usage/c.parquet" in error


def test_letters_that_the_pdf_lacks_are_named(life: Life) -> None:
    """The customer would get an invoice over empty boxes, and finance would not know."""
    warning = (
        "letters_have_a_font on invoice_documents: draft-a-EUR: no font for エー会式株社;"
    )
    assert warning in life.outcomes["bill"].output


def test_issuing_again_changes_nothing(life: Life) -> None:
    """A second click would otherwise send a second invoice."""
    assert life.last_files == life.first_files


def test_what_is_wrong_is_said_in_one_sentence(life: Life) -> None:
    """A traceback tells finance nothing."""
    installation = life.installation
    refused = {
        "METERHOUSE_DATA_DRI is not a setting": run(
            installation, "status", METERHOUSE_DATA_DRI="x"
        ),
        "2999-01 has not begun": run(installation, "bill", "--period", "2999-01"),
    }
    prices = installation.pricing / "prices.csv"
    prices.write_text(prices.read_text().replace(",per_unit,1.50,", ",per_unit,much,"))
    refused["prices.csv, row 2, column unit_price: 'much'"] = run(
        installation, "issue", "--period", "2026-02"
    )
    for words, outcome in refused.items():
        assert outcome.code == 1, outcome
        assert words in outcome.error
        assert outcome.error.startswith("Error: ")
        assert len(outcome.error.strip().splitlines()) == 1, outcome.error
    assert not (installation.folder / "documents/2026-02").exists()

    # What is not sound reaches no price, not even by hand.
    by_hand = run(installation, "seed", "--full-refresh", program="meterhouse-dbt")
    assert by_hand.code == 0, by_hand
    (price,) = installation.rows("select unit_price from pricing.prices")
    assert price["unit_price"] == Decimal("1.50")


def test_what_cannot_be_billed_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    """Whoever mistypes a month would wait for Dagster, or for a load of hours."""
    installation = prepare(tmp_path, tiny())
    now = f"{datetime.now(UTC):%Y-%m}"
    refused = {
        ("bill", "2019-12"): "2019-12 lies before the first billing period 2020-01",
        ("issue", "2019-12"): "2019-12 lies before the first billing period 2020-01",
        ("bill", "2999-01"): f"2999-01 has not begun; the last billing period is {now}.",
        ("issue", now): f"{now} has not ended; it can be billed, and issued later.",
        ("bill", "2026-13"): "'2026-13' is not a billing period; write it as YYYY-MM.",
    }
    outcomes = {
        words: run(installation, command, "--period", period)
        for (command, period), words in refused.items()
    }
    prices = installation.pricing / "prices.csv"
    sound = prices.read_text()
    prices.write_text(sound.replace(",prorated,", ",prorate,"))
    words = (
        "The price book is not sound: prices.csv, row 1, column prorate: the column 'prorate'"
    )
    for command in ("bill", "issue", "diff-engines"):
        outcomes[words] = run(installation, command, "--period", "2026-01")
        assert outcomes[words].code == 1
    for words, outcome in outcomes.items():
        assert words in outcome.error
        assert outcome.output == ""
        assert outcome.code
    folders = {path.name for path in installation.folder.iterdir()}
    assert folders == {"landing", "pricing"}
    # What has landed can be loaded whatever the prices are.
    assert run(installation, "ingest").code == 0


OPENING = """
import os, sys
import dagster
from dagster_project.runner import open_instance
print("ready", flush=True)
for home in sys.stdin:
    os.environ["DAGSTER_HOME"] = home.strip()
    with open_instance() as instance:
        print(instance.get_runs_count(), flush=True)
"""


def test_processes_may_be_the_first_of_an_installation_at_once(tmp_path: Path) -> None:
    """Each would make Dagster's tables, and none could use them after that."""
    command = [sys.executable, "-c", OPENING]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(3)]
    said = [[process.stdout.readline().strip()] for process in processes]
    for number in range(10):
        home = tmp_path / str(number)
        home.mkdir()
        for process in processes:
            process.stdin.write(f"{home}\n")
            process.stdin.flush()
        for process, lines in zip(processes, said, strict=True):
            lines.append(process.stdout.readline().strip())
    for process in processes:
        process.communicate()
    assert said == [["ready", *10 * "0"]] * 3


def test_a_load_goes_by_the_sources_of_the_price_book(tmp_path: Path) -> None:
    """Half past midnight in Berlin on 1 February is usage of January in UTC.

    A wrong zone stops a load, as nothing could take it back.
    """
    world = tiny()
    world.event("a", "2", at="2026-02-01 00:30", source="berlin")
    installation = prepare(tmp_path, world)
    sources = installation.pricing / "sources.csv"
    sources.write_text("source,timezone\nberlin,Europe/Berln\n")
    refused = run(installation, "ingest")
    assert refused.code == 1, refused
    assert "sources.csv, row 2, column timezone: 'Europe/Berln'" in refused.error
    sources.write_text("source,timezone\nberlin,Europe/Berlin\n")
    billed = run(installation, "bill", "--period", "2026-01")
    assert billed.code == 0, billed
    (invoice,) = installation.rows(
        "select net_amount from marts.fct_invoices where customer_id = 'a'"
    )
    # 3 under two ids, and 2.
    assert invoice["net_amount"] == Decimal("12.00")
