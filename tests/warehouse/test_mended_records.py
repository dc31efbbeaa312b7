"""Records that were rejected, sent again whole under their ids, months later and back again.

One installation lives through it: an issue, the mended file, and a price book that comes to
accept what it rejected. In the end the marts are those of a full refresh.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.harness import Installation, Scenario

MARTS = ("fct_event_fates", "fct_event_exceptions", "fct_usage_daily", "fct_invoice_lines")
HEADER = "id,source,type,subject,time,quantity,amount\n"
Fates = dict[tuple[str, str, str], int]


def readings(quantity: str, *, whole: bool) -> str:
    """A file of 31 readings at 10:00 in New York; without `whole` nine are unusable."""
    lines = [
        f"r{day},meter,use,reader,2026-01-{day:02}T15:00:00Z,{quantity},\n"
        if whole or day > 9
        else f"r{day},meter,use,reader,2026-01-{day:02}T15:00:00Z,n/a,\n"
        for day in range(1, 32)
    ]
    return HEADER + "".join(lines)


def fates(installation: Installation) -> Fates:
    rows = installation.rows(
        "select source_file, fate, reason, event_count from marts.fct_event_fates"
    )
    return {
        (row["source_file"].removeprefix("usage/"), row["fate"], row["reason"]): row[
            "event_count"
        ]
        for row in rows
    }


def marts(installation: Installation) -> dict[str, list[object]]:
    return {
        mart: [
            tuple(row.values()) for row in installation.rows(f"from marts.{mart} order by all")
        ]
        for mart in MARTS
    }


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> list[Fates]:
    """The fates after each step."""
    world = Scenario()
    world.meter("used", "use")
    world.meter("other", "other_use")
    world.plan("reader")
    world.price("reader", "per_unit", meter_code="used", unit_price="1")
    world.price("reader", "per_unit", charge="other", meter_code="other", unit_price="1")
    world.customer("reader", timezone="America/New_York")
    world.subscription("reader", ended_at="")
    # First of a type and day, then of other ones.
    world.event("reader", '"n/a"', event_id="moves", data={"amount": "2"}, file="a")
    world.event(
        "reader",
        "3",
        event_id="moves",
        event_type="other_use",
        at="2026-02-12T12:00:00Z",
        file="b",
    )
    installation = Installation(tmp_path_factory.mktemp("mended"), dbt_folder)
    installation.write_price_book(world)
    installation.land(world)
    usage = installation.landing / "usage"
    (usage / "c.csv").write_text(readings(" 2 ", whole=False))
    late = "early,meter,use,reader,2026-07-01T00:00:00Z,4,\n"
    (usage / "d.csv").write_text(HEADER + late)
    found = []

    def step(period: str = "2026-02") -> None:
        installation.bill(period, tested=False)
        found.append(fates(installation))

    step("2026-01")
    assert installation.issue("2026-01") == 1
    (usage / "e.csv").write_text(readings(" 2.0 ", whole=True))
    (usage / "f.csv").write_text(HEADER + late.replace("2026-07-01", "2026-01-20"))
    step()
    lines = installation.rows(
        "select line_type, charge_code, lines.net_amount from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices using (invoice_id) where invoice_status = 'draft'"
        " order by all"
    )
    assert [tuple(row.values()) for row in lines] == [
        # Nine readings of 2, and 4 that came too early.
        ("adjustment", "usage", Decimal(22)),
        ("charge", "other", Decimal(3)),
    ]
    for value_property in ("amount", "quantity"):
        world.meters[0] = {**world.meters[0], "value_property": value_property}
        installation.write_price_book(world)
        step()
    world.void("moves")
    installation.land(Scenario(**vars(world) | {"events": {}}), batch="2")
    step()
    grown = marts(installation)
    installation.dbt_build("2026-02", "--full-refresh")
    assert marts(installation) == grown
    return found


BEFORE: Fates = {
    ("1-a.ndjson", "rejected", "invalid_quantity"): 1,
    ("1-b.ndjson", "rated", ""): 1,
    ("c.csv", "rejected", "invalid_quantity"): 9,
    ("c.csv", "rated", ""): 22,
    ("d.csv", "rejected", "future_time"): 1,
}
MENDED: Fates = BEFORE | {
    ("e.csv", "rated", ""): 9,
    ("e.csv", "duplicate", ""): 22,
    ("f.csv", "rated", ""): 1,
}


def test_what_was_rejected_is_billed_when_it_comes_whole(steps: list[Fates]) -> None:
    """24,157 records of a mended file were set aside as conflicting duplicates."""
    assert steps[:2] == [BEFORE, MENDED]


def test_who_has_an_id_is_judged_by_the_meters_of_today(steps: list[Fates]) -> None:
    """A price book mended later would bill one id twice, or not at all."""
    assert steps[2] == {
        # Has an amount, and takes the id back from an event of another type and day.
        ("1-a.ndjson", "rated", ""): 1,
        ("1-b.ndjson", "conflicting_duplicate", ""): 1,
        # No reading has one, however often it was sent.
        ("c.csv", "rejected", "invalid_quantity"): 31,
        ("d.csv", "rejected", "future_time"): 1,
        ("e.csv", "rejected", "invalid_quantity"): 9,
        ("e.csv", "duplicate", ""): 22,
        ("f.csv", "rejected", "invalid_quantity"): 1,
    }
    assert steps[3] == MENDED


def test_a_void_withdraws_what_has_the_id(steps: list[Fates]) -> None:
    """The correction would withdraw what is not billed, and leave what is."""
    voided = {name: count for name, count in MENDED.items() if name[0] != "1-b.ndjson"}
    assert steps[4] == voided | {("1-b.ndjson", "voided", ""): 1}
