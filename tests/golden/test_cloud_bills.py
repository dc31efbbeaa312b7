"""Real cloud bills; every line carries quantity, unit price and the charge that was made.

The bills lie outside the repository (shared/data/cloud-bills); without them nothing is tested.
Each row lands as it is written, as an event with its quantity and the code of its price; its
charge has to be what the provider charged, to the last digit that the provider published.
Most are far below a cent, and a line of nothing is not printed: they are read before that.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import REPOSITORY, Installation, Scenario, write_csv

BILLS = REPOSITORY.parent / "shared" / "data" / "cloud-bills"
# docs/input_format.md: a number of more places is rejected, never rounded.
HELD_PLACES = 12
RATED = """
    select customer_id, json_extract_string(dimension_values, 'row') as row, exact_amount
    from rating.rat_usage_charges where event_count > 0
"""
PRINTED = """
    select customer_id, json_extract_string(dimension_values, 'row') as row, exact_amount
    from marts.fct_invoice_lines inner join marts.fct_invoices using (invoice_id)
"""
EVENT_COLUMNS = ["id", "source", "type", "subject", "time", "quantity", "price", "row"]


@dataclass(frozen=True)
class BillRow:
    """One line of a bill; texts as published. ``cost_places`` is how the provider rounds."""

    bill: str
    number: str
    time: str
    quantity: str
    unit_price: str
    cost: str
    cost_places: int

    @property
    def price_code(self) -> str:
        """The price as a plain number: what tells prices apart."""
        return format(Decimal(self.unit_price).normalize(), "f")

    @property
    def can_be_held(self) -> bool:
        """Whether the quantity has no more digits than are kept."""
        exponent = Decimal(self.quantity).normalize().as_tuple().exponent
        return isinstance(exponent, int) and -exponent <= HELD_PLACES


def _focus(row: Mapping[str, str]) -> BillRow:
    """Microsoft multiplies what was consumed, since it divides the priced quantity twice."""
    is_microsoft = row["ProviderName"] == "Microsoft"
    return BillRow(
        "focus",
        row["Id"],
        row["ChargePeriodStart"],
        row["ConsumedQuantity" if is_microsoft else "PricingQuantity"],
        row["ListUnitPrice"],
        row["ListCost"],
        10 if row["ProviderName"] == "AWS" else 11,
    )


def _aws(row: Mapping[str, str]) -> BillRow:
    return BillRow(
        "aws",
        row["identity/LineItemId"] + row["identity/TimeInterval"],
        row["lineItem/UsageStartDate"],
        row["lineItem/UsageAmount"],
        row["pricing/publicOnDemandRate"],
        row["pricing/publicOnDemandCost"],
        10,
    )


def _oci(row: Mapping[str, str]) -> BillRow:
    """Its times have no seconds."""
    return BillRow(
        "oci",
        row["lineItem/referenceNo"],
        row["lineItem/intervalUsageStart"].replace("Z", ":00Z"),
        row["usage/billedQuantity"],
        row["cost/unitPrice"],
        row["cost/myCost"],
        18,
    )


FILES: dict[str, tuple[str, Callable[[Mapping[str, str]], BillRow]]] = {
    "focus": ("focus_sample.csv", _focus),
    "aws": ("aws_cur_2023-11.csv", _aws),
    "oci": ("oci_cost_2023-11-13.csv", _oci),
}
# Rows that have a price, by the README of the bills: the others are a credit and taxes.
PRICED = {"focus": 999, "aws": 1269, "oci": 506}
TERMS = {"focus": ("2024-09-01", "2024-10-01")}


def _read() -> Iterator[BillRow]:
    for file, parse in FILES.values():
        with (BILLS / file).open(encoding="utf-8-sig", newline="") as handle:
            rows = [parse(row) for row in csv.DictReader(handle)]
        yield from (row for row in rows if row.unit_price not in ("", "NULL"))


def _price_book(rows: list[BillRow]) -> Scenario:
    """A plan for each bill, whose one charge has a price for each unit price."""
    world = Scenario()
    world.meter("rows", "row", dimensions="price|row")
    for bill in FILES:
        world.plan(bill, "USD")
        world.customer(bill, currency_code="USD")
        started_at, ended_at = TERMS.get(bill, ("2023-11-01", "2023-12-01"))
        world.subscription(bill, started_at=started_at, ended_at=ended_at)
    for bill, code in sorted({(row.bill, row.price_code) for row in rows}):
        price = {"unit_price": code, "dimension_filter": f"price={code}"}
        world.price(bill, "per_unit", meter_code="rows", **price)
    return world


@pytest.fixture(scope="module")
def billed(
    tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path
) -> tuple[list[BillRow], Installation]:
    if not BILLS.exists():
        pytest.skip("shared/data/cloud-bills is not here")
    rows = list(_read())
    installation = Installation(tmp_path_factory.mktemp("cloud"), dbt_folder)
    world = _price_book(rows)
    installation.write_price_book(world)
    installation.land(world)
    events: list[dict[str, Any]] = [
        {
            "id": row.number,
            "source": row.bill,
            "type": "row",
            "subject": row.bill,
            "time": row.time,
            "quantity": row.quantity,
            "price": row.price_code,
            "row": row.number,
        }
        for row in rows
    ]
    write_csv(installation.landing / "usage" / "bills.csv", EVENT_COLUMNS, events)
    installation.ingest()
    installation.dbt_build("2024-09")
    return rows, installation


def test_every_row_costs_what_the_provider_charged(
    billed: tuple[list[BillRow], Installation], capsys: pytest.CaptureFixture[str]
) -> None:
    """A digit that is lost on a row is money that is lost on a million of them."""
    rows, installation = billed
    charges = {
        (charge["customer_id"], charge["row"]): charge["exact_amount"]
        for charge in installation.rows(RATED)
    }
    printed = installation.rows(PRINTED)
    held = [row for row in rows if row.can_be_held]
    differing = []
    for row in held:
        exact = charges[row.bill, row.number]
        owed = exact.quantize(Decimal(1).scaleb(-row.cost_places), ROUND_HALF_UP)
        if owed != Decimal(row.cost):
            differing.append(f"{row.bill} {row.number}: {row.cost}, billed {exact}")
    with capsys.disabled():
        for bill, priced in PRICED.items():
            exact_rows = sum(row.bill == bill for row in held)
            print(f"\n{bill}: {exact_rows} of {priced} priced rows to the last digit", end="")
        print()
    assert {bill: sum(row.bill == bill for row in rows) for bill in FILES} == PRICED
    assert differing == []
    assert len(printed) > 300
    assert [
        line
        for line in printed
        if charges[line["customer_id"], line["row"]] != line["exact_amount"]
    ] == []


def test_what_cannot_be_held_is_rejected_by_name(
    billed: tuple[list[BillRow], Installation],
) -> None:
    """A quantity that is cut to 12 places would be billed wrong without a word.

    These are Microsoft rows whose ConsumedQuantity has 15 places, and no others.
    """
    rows, installation = billed
    refused = installation.rows(
        "select event_id, fate, reason from marts.fct_event_exceptions order by event_id"
    )
    assert refused == [
        {"event_id": number, "fate": "rejected", "reason": "out_of_range"}
        for number in sorted(row.number for row in rows if not row.can_be_held)
    ]
    assert len(refused) == 7
