"""The example of docs/glossary.md is billed; tables and queries of the pages are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import REPOSITORY, Installation, Scenario, build

SWITCH = "2026-01-16T12:00:00Z"
# The tables of the example, in the order of the page.
QUERIES = (
    """
    select event_date, usage_date, slice_from_at, quantity_sum
    from metering.met_usage_slices order by first_event_at
    """,
    """
    select event_month, segment_from_at, quantity_sum
    from metering.met_usage_segments order by segment_from_at
    """,
    """
    select billing_period, price_id, line_from_at, line_to_at, quantity, exact_amount
    from rating.rat_usage_charges order by line_from_at
    """,
)


def world() -> Scenario:
    """A customer in Berlin whose price changes at noon of a day with usage."""
    world = Scenario()
    world.meter("used", "use")
    world.plan("plan")
    for price_id, unit_price, bound in (
        ("price-1", "1", "valid_to"),
        ("price-2", "2", "valid_from"),
    ):
        columns: dict[str, Any] = {
            "price_id": price_id,
            "unit_price": unit_price,
            bound: SWITCH,
        }
        world.price("plan", "per_unit", meter_code="used", **columns)
    world.customer("one", timezone="Europe/Berlin")
    world.subscription("one", plan_code="plan", started_at="2026-01-10", ended_at="")
    for at, quantity in (
        ("2026-01-12T10:00:00Z", "3"),
        ("2026-01-16T09:00:00Z", "4"),
        ("2026-01-16T15:00:00Z", "5"),
        ("2026-01-31T22:30:00Z", "6"),
        ("2026-01-31T23:30:00Z", "8"),
    ):
        world.event("one", quantity, at=at)
    return world


def as_printed(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


def page(name: str) -> str:
    return (REPOSITORY / "docs" / name).read_text(encoding="utf-8")


def printed_tables() -> list[list[dict[str, str]]]:
    """The tables of the example as the page has them."""
    example = page("glossary.md").partition("## One example on a time line")[2]
    tables = []
    for text in re.findall(r"(?:^\|.*\n)+", example, re.MULTILINE):
        head, _, *rows = [
            [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()
        ]
        tables.append([dict(zip(head, row, strict=True)) for row in rows])
    return tables


def printed_queries() -> list[tuple[str, list[str]]]:
    """The queries of the architecture, each with the rows that the page shows."""
    blocks = re.findall(
        r"```sql\n(.*?)```\n\n```text\n(.*?)```", page("architecture.md"), re.DOTALL
    )
    return [(query, rows.splitlines()) for query, rows in blocks]


@dataclass(frozen=True)
class Life:
    """The example to its end, and what was seen on the way."""

    installation: Installation
    tables: list[list[dict[str, str]]]
    issued: list[dict[str, Any]]
    settled: list[list[dict[str, Any]]]
    adjusted: list[list[dict[str, Any]]]


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Life:
    """February is billed, January issued, and a unit of January lands late."""
    folder = tmp_path_factory.mktemp("docs")
    installation = build(
        folder, world(), dbt_folder=dbt_folder, period="2026-02", tested=False
    )
    tables = [
        [{name: as_printed(value) for name, value in row.items()} for row in rows]
        for rows in map(installation.rows, QUERIES)
    ]
    assert installation.issue("2026-01") == 1
    issued = installation.rows("select billing_period, net_amount from ledger.issued_invoices")
    settled, adjusted = [], []

    def look() -> None:
        settled.append(
            installation.rows("select billing_period from invoicing.inv_settled_periods")
        )
        adjusted.append(
            installation.rows(
                "select adjusted_billing_period, net_amount from marts.fct_invoice_lines"
                " where line_type = 'adjustment'"
            )
        )

    installation.dbt_build("2026-02", tested=False)
    look()
    late = Scenario()
    late.event("one", "1", at="2026-01-20T10:00:00Z", file="late")
    lines = "".join(f"{line}\n" for line in late.events["late"])
    (installation.landing / "usage" / "late.ndjson").write_text(lines, encoding="utf-8")
    installation.bill("2026-02")
    look()
    return Life(installation, tables, issued, settled, adjusted)


def test_the_tables_of_the_example_are_those_of_the_models(life: Life) -> None:
    """Words that mean something else than the models would mislead who reads both."""
    assert len(QUERIES) == 3
    assert printed_tables() == life.tables


def test_january_is_closed_then_settled_then_adjusted(life: Life) -> None:
    """The page tells it so."""
    january = {"billing_period": "2026-01"}
    assert life.issued == [january | {"net_amount": Decimal(29)}]
    assert life.settled == [[january], []]
    correction = {"adjusted_billing_period": "2026-01", "net_amount": Decimal(2)}
    assert life.adjusted == [[], [correction]]


def test_the_queries_of_the_architecture_say_what_it_shows(life: Life) -> None:
    """Whoever asks the same of a bill of their own would get no answer."""
    queries = printed_queries()
    assert len(queries) == 3
    for query, shown in queries:
        rows = life.installation.rows(query)
        assert [" ".join(map(as_printed, row.values())) for row in rows] == shown, query


def test_a_date_is_printed_as_it_is() -> None:
    assert as_printed(date(2026, 1, 1)) == "2026-01-01"
