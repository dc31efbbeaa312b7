"""The `meterhouse` command through its real entry point: what it prints, writes and refuses.

Few tests, since every start takes seconds.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from tests.command.command import Outcome, finish, kill_at, prepare, run, start
from tests.harness import Installation, Scenario


def tiny() -> Scenario:
    """Two customers with 3 and 4 units at 1.50 in January."""
    world = Scenario()
    world.meter("used", "use")
    world.plan("plan")
    world.price("plan", "per_unit", meter_code="used", unit_price="1.50")
    for name, quantity in (("a", "3"), ("b", "4")):
        world.customer(name)
        world.subscription(name, plan_code="plan")
        world.event(name, quantity)
        world.event(name, quantity, event_id=f"{name}-repeated")
        world.event(name, quantity, event_id=f"{name}-repeated")
    return world


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
    assert (installation.folder / "published/marts.duckdb").exists()


@dataclass(frozen=True)
class HappyPath:
    """One installation, and every command in the order of its use."""

    installation: Installation
    outcomes: dict[str, Outcome]
    first_files: dict[str, str]
    second_files: dict[str, str]


@pytest.fixture(scope="module")
def happy_path(tmp_path_factory: pytest.TempPathFactory) -> HappyPath:
    installation = prepare(tmp_path_factory.mktemp("happy"), tiny())
    period = ("--period", "2026-01")
    outcomes = {"ingest": run(installation, "ingest")}
    outcomes["bill"] = run(installation, "bill", *period)
    outcomes["issue"] = run(installation, "issue", *period)
    outputs = [installation.folder / name for name in ("documents", "published")]
    first_files = fingerprints(*outputs)
    outcomes["again"] = run(installation, "issue", *period)
    outcomes["status"] = run(installation, "status")
    return HappyPath(installation, outcomes, first_files, fingerprints(*outputs))


def test_every_command_succeeds_and_ends_with_its_table(happy_path: HappyPath) -> None:
    """A script cannot tell success from failure without the exit code."""
    for name, outcome in happy_path.outcomes.items():
        assert outcome.code == 0, (name, outcome)
        assert outcome.error == "", name
    words = {
        "ingest": ["Loaded", "usage", "6"],
        "bill": ["Billing periods", "2026-01", "21.00 EUR", "Events by fate", "4 rated"],
        "issue": ["Billing periods", "2026-01", "21.00 EUR"],
        "status": ["Drafts", "Issued", "Blocked checks", "Money", "21.00 EUR", "2 duplicate"],
    }
    for name, expected in words.items():
        output = happy_path.outcomes[name].output
        assert [word for word in expected if word not in output] == [], output


def test_issuing_again_changes_nothing(happy_path: HappyPath) -> None:
    """A second click would otherwise send a second invoice."""
    assert_all_is_there_once(happy_path.installation)
    assert happy_path.second_files == happy_path.first_files


def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path) -> None:
    """A traceback tells finance nothing."""
    installation = prepare(tmp_path, tiny())
    period = ("--period", "2026-01")
    refused = {
        "METERHOUSE_DATA_DRI is not a setting": run(
            installation, "status", METERHOUSE_DATA_DRI="x"
        ),
        "2999-01 has not begun": run(installation, "bill", "--period", "2999-01"),
    }
    prices = installation.pricing / "prices.csv"
    prices.write_text(prices.read_text().replace(",per_unit,1.50,", ",per_unit,much,"))
    refused["prices.csv, row 2, column unit_price: 'much'"] = run(
        installation, "issue", *period
    )
    for words, outcome in refused.items():
        assert outcome.code == 1, outcome
        assert words in outcome.error
        assert outcome.error.startswith("Error: ")
        assert len(outcome.error.strip().splitlines()) == 1, outcome.error
    assert not (installation.folder / "documents").exists()


def test_killed_runs_and_two_writers_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    """Power fails at any moment, also between the ledger and the documents.

    Then a person issues while the schedule does.
    """
    installation = prepare(tmp_path, tiny())
    kill_at(start(installation, "ingest"), "landed files")
    # The first leaves a half-made warehouse, the others an issue without documents or copy.
    for step in ("dbt build", "invoice documents", "published marts"):
        kill_at(start(installation, "issue", "--period", "2026-01"), step)
    both = [start(installation, "issue", "--period", "2026-01") for _ in range(2)]
    for process in both:
        outcome = finish(process)
        assert outcome.code == 0, outcome
    assert_all_is_there_once(installation)


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
