"""A quote is what the same usage would be invoiced at, step by step; nothing stays behind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dagster_project.lib.quote import QuoteError, QuoteRequest, quote
from dagster_project.lib.settings import Settings
from tests.harness import Installation, Scenario

# 100 calls are free; 600 more are 500 x 0.10 + 100 x 0.05 + 1 = 56.00. Of the 20 GiB by day, a
# maximum held, 20 x 1.5 = 30 are owed, 40 at least. 10 % are off all of it: 5.60 and 4.00; tax
# is 19 % of 86.40 = 16.416.
PLAN = "p"


def price_book(installation: Installation) -> Settings:
    world = Scenario()
    world.meter("calls", "call", "count", filter="status=ok")
    # What is stated has been rounded, and turned into hours, already.
    world.meter(
        "stored",
        "sample",
        "max",
        dimensions="tariff",
        rounding_increment="7",
        unit_quantity="3600",
    )
    world.plan(PLAN)
    world.tax_rates.append(
        {"tax_category": "standard", "country_code": "DE", "tax_code": "DE-19", "rate": "19"}
    )
    terms = {"tax_category": "standard"}
    tiers = [("5E2", "0.10", ""), ("", "0.05", "1")]
    world.price(
        PLAN,
        "tiered",
        charge="talk",
        meter_code="calls",
        included_quantity="100",
        tiers=tiers,
        **terms,
    )
    world.price(
        PLAN,
        "per_unit",
        charge="storage",
        meter_code="stored",
        unit_price="15e-1",
        price_quantity="1",
        minimum_amount="40",
        dimension_filter="tariff=day",
        **terms,
    )
    # Stated usage is not looked at for its time, which is midnight.
    for start, end, band in (("00:00", "06:00", "night"), ("06:00", "24:00", "day")):
        hours = {"from_time": start, "to_time": end, "band": band}
        days = "mon|tue|wed|thu|fri|sat|sun"
        world.tables.setdefault("time_bands", []).append(
            {"dimension": "tariff", "days": days} | hours
        )
    world.discount("launch", "percentage", "10", plan_code=PLAN)
    installation.write_price_book(world)
    return replace(
        Settings.from_environment({"METERHOUSE_DATA_DIR": str(installation.folder / "data")}),
        pricing_dir=installation.pricing,
    )


def test_each_step_of_the_arithmetic_is_shown(tmp_path: Path, dbt_folder: Path) -> None:
    """An offer that is not what the invoice will say is a promise that is broken later."""
    settings = price_book(Installation(tmp_path, dbt_folder))
    before = sorted(path.read_bytes() for path in tmp_path.rglob("*.csv"))
    usage = {"talk": "7e2", "stored": "20"}
    tables = quote(QuoteRequest(PLAN, "2026-01", "DE", "", usage, {"tariff": "day"}), settings)
    shown = [
        [" | ".join(row).replace("\u00a0", " ").replace("\n", ", ") for row in table.rows]
        for table in tables
    ]
    owed = "EUR 30.00"
    assert shown == [
        [
            f"1 | storage, tariff: day | 20 unit | per_unit, EUR 1.50 per 1 | {owed} | {owed}",
            "2 | talk | 700 unit, 100 free | tiered | EUR 56.00 | EUR 56.00",
            "3 | storage: minimum, (minimum) |  |  | EUR 10.00 | EUR 10.00",
            "4 | launch: storage, (discount) |  |  | EUR \u22124.00 | EUR \u22124.00",
            "5 | launch: talk, (discount) |  |  | EUR \u22125.60 | EUR \u22125.60",
        ],
        [
            "2 | above 0 to 500 | 500 | EUR 0.10 |  | EUR 50.00",
            "2 | above 500 | 100 | EUR 0.05 | EUR 1.00 | EUR 6.00",
        ],
        ["DE-19 | 19% | EUR 86.40 | EUR 16.42"],
        ["Net | EUR 86.40", "Tax | EUR 16.42", "Total | EUR 102.82"],
    ]
    assert sorted(path.read_bytes() for path in tmp_path.rglob("*.csv")) == before
    assert not settings.data_dir.exists()


def test_a_price_book_without_meters_is_quoted(tmp_path: Path, dbt_folder: Path) -> None:
    """A fee alone: 10.00. The table of meters is its header then."""
    installation = Installation(tmp_path, dbt_folder)
    world = Scenario()
    world.plan(PLAN)
    world.price(PLAN, "flat", unit_price="10")
    installation.write_price_book(world)
    settings = replace(
        Settings.from_environment({"METERHOUSE_DATA_DIR": str(tmp_path / "data")}),
        pricing_dir=installation.pricing,
    )
    totals = quote(QuoteRequest(PLAN, "2026-01", "DE"), settings)[-1]
    assert [row[-1].replace("\u00a0", " ") for row in totals.rows] == [
        "EUR 10.00",
        "EUR 0.00",
        "EUR 10.00",
    ]


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        ({"nothing": "1"}, "'nothing' is neither a charge of p nor a meter of one"),
        ({"talk": "many"}, "The quantity 'many' of talk is not a number"),
    ],
)
def test_what_cannot_be_quoted_is_said(
    tmp_path: Path, dbt_folder: Path, usage: dict[str, str], words: str
) -> None:
    """A misspelt charge that is left out would make the offer too cheap."""
    settings = price_book(Installation(tmp_path, dbt_folder))
    with pytest.raises(QuoteError, match=words):
        quote(QuoteRequest(PLAN, "2026-01", "DE", usage=usage), settings)
