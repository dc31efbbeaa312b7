"""Usage and periods that change hands, end early or are taken back, worked out by hand.

Goods are taxed 10 % until the end of January 2026 and 20 % from February on; an euro is one
dollar until then and two from then on. Everybody lives in UTC unless said otherwise.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Installation, Scenario, build

BEYOND = "99999999999999999999999999"


def landed() -> Scenario:
    """What is known when January is issued."""
    world = Scenario()
    world.meter("used", "use")
    world.meter("sent", "send", dimensions="region")
    world.meter("called", "ring", rounding_increment="60", minimum_quantity="60")
    for code, rate, span in (
        ("G10", "10", {"valid_to": "2026-02-01"}),
        ("G20", "20", {"valid_from": "2026-02-01"}),
    ):
        world.tax_rates.append(
            {"tax_category": "goods", "country_code": "DE", "tax_code": code, "rate": rate}
            | {"valid_from": "", "valid_to": ""}
            | span
        )
    world.seller = {"reporting_currency_code": "USD"}
    for day, rate in (("2025-01-01", "1"), ("2026-02-01", "2")):
        world.exchange_rates.append(
            {"from_currency": "EUR", "to_currency": "USD", "rate_date": day, "rate": rate}
        )

    world.subscriber("overlap")
    for span in (("2026-01-01", "2026-01-20"), ("2026-01-10", "")):
        world.subjects.append(
            {
                "subject": "phone",
                "subscription_id": "overlap",
                "valid_from": span[0],
                "valid_to": span[1],
            }
        )
    world.event("phone", "5", at="2026-01-15T12:00:00Z")

    world.subscriber("undone", ended_at="")
    world.plan("dearer")
    world.price("dearer", "per_unit", meter_code="used", unit_price="100")
    never_was = {"started_at": "2026-01-15", "ended_at": "2026-01-15"}
    world.subscription("undone", plan_code="dearer", **never_was)
    world.event("undone", "7", at="2026-01-20T12:00:00Z")

    for name, rest_first in (("passed-on", False), ("passed-over", True)):
        world.plan(name)
        filtered = {"dimension_filter": "region=eu", "valid_to": "2026-01-16"}
        prices = [("10", filtered), ("1", {})]
        for unit_price, columns in reversed(prices) if rest_first else prices:
            included = {"unit_price": unit_price, "included_quantity": "100"}
            world.price(name, "per_unit", meter_code="sent", **included, **columns)
        world.customer(name)
        world.subscription(name)
        for day, quantity in (("05", "80"), ("20", "50")):
            at = f"2026-01-{day}T00:00:00Z"
            region = {"region": "eu"}
            world.event(name, quantity, at=at, event_type="send", data=region)

    def sold(name: str, interval: str = "month", **term: Any) -> None:
        world.plan(name, interval=interval)
        goods = {"meter_code": "used", "unit_price": "1", "tax_category": "goods"}
        world.price(name, "per_unit", **goods)
        if name != "daughter":
            world.customer(name)
        world.subscription(name, **term)

    world.customer("top")
    world.customer("daughter", timezone="America/Los_Angeles", parent_customer_id="top")
    sold("daughter")
    world.event("daughter", "100")
    sold("quarter", "quarter", ended_at="2026-04-01")
    world.event("quarter", "100", at="2026-03-10T12:00:00Z")
    anniversary = {"started_at": "2026-01-15", "billing_anchor": "anniversary"}
    sold("anniversary", ended_at="2026-02-15", **anniversary)
    world.event("anniversary", "100", at="2026-02-10T12:00:00Z")
    for name, columns in (
        ("advance", {"unit_price": "28", "prorated": "true", "tax_category": "goods"}),
        ("gone", {"unit_price": "10"}),
    ):
        world.plan(name)
        world.price(name, "flat", charge="fee", billed="advance", **columns)
        world.customer(name)
        world.subscription(name, ended_at="")
    minimum = {"meter_code": "used", "unit_price": "1", "minimum_amount": "100"}
    world.price("gone", "per_unit", **minimum)

    handed_plug(world)
    world.plan("rounded")
    world.price("rounded", "per_unit", meter_code="called", unit_price="0.01")
    world.customer("rounded")
    world.subscription("rounded")
    world.event("rounded", BEYOND, event_type="ring")
    world.event("rounded", "61", event_type="ring")
    return world


def handed_plug(world: Scenario) -> None:
    """A plug and a subscription go from Berlin to New York; energy is dearer by day."""
    world.meter("drawn", "draw", dimensions="hour")
    names = ("dimension", "days", "from_time", "to_time", "band")
    week = "mon|tue|wed|thu|fri|sat|sun"
    world.tables.setdefault("time_bands", []).extend(
        dict(zip(names, ("hour", week, *band), strict=True))
        for band in (
            ("00:00", "06:00", "night"),
            ("06:00", "22:00", "day"),
            ("22:00", "24:00", "night"),
        )
    )
    world.plan("power")
    for band, unit_price in (("day", "3"), ("night", "1")):
        columns = {"unit_price": unit_price, "dimension_filter": f"hour={band}"}
        world.price("power", "per_unit", meter_code="drawn", charge=band, **columns)
    for name, timezone, span in (
        ("berlin", "Europe/Berlin", ("", "2026-01-16")),
        ("york", "America/New_York", ("2026-01-16", "")),
    ):
        world.customer(name, timezone=timezone)
        world.subscription(name, plan_code="power")
        bounds = dict(zip(("valid_from", "valid_to"), span, strict=True))
        world.subjects.append({"subject": "plug", "subscription_id": name} | bounds)
    for at in ("2026-01-10T05:30:00Z", "2026-01-10T23:30:00Z", "2026-01-20T05:30:00Z"):
        world.event("plug", "10", at=at, event_type="draw")
    for customer, term in (
        ("berlin", {"ended_at": "2026-01-16"}),
        ("york", {"started_at": "2026-01-16"}),
    ):
        world.subscription("wall", customer_id=customer, plan_code="power", **term)
    for at in ("2026-01-10T05:30:00Z", "2026-01-20T05:30:00Z"):
        world.event("wall", "7", at=at, event_type="draw")


def arrives(before: Scenario) -> Scenario:
    """Usage of January, an early end, one subscription less, another day of handover."""
    news = Scenario(customers=before.customers)
    for row in before.subjects:
        later = {name: "2026-01-21" for name, bound in row.items() if bound == "2026-01-16"}
        news.subjects.append({**row, **later})
    for row in before.subscriptions:
        if row["subscription_id"] != "gone":
            ends = {"ended_at": "2026-02-15"} if row["subscription_id"] == "advance" else {}
            news.subscriptions.append({**row, **ends})
    for subject, quantity, day in (
        ("quarter", "50", "2026-03-11"),
        ("anniversary", "50", "2026-02-11"),
        ("daughter", "50", "2026-01-11"),
        ("gone", "3", "2026-02-03"),
    ):
        news.event(subject, quantity, at=f"{day}T12:00:00Z", file="late")
    return news


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """January issued, then the news."""
    scenario = landed()
    folder = tmp_path_factory.mktemp("handovers")
    installation = build(folder, scenario, dbt_folder=dbt_folder)
    installation.issue("2026-01")
    installation.land(arrives(scenario), "2")
    installation.bill("2026-03")
    return installation


def lines(world: Installation, customer: str, status: str) -> list[tuple[Any, ...]]:
    """Type, net amount, tax rate, first and last day of the lines of a customer."""
    rows = world.rows(
        "select line_type, lines.net_amount, tax_rate, lines.period_from::date as first_day,"
        " (lines.period_to - interval 1 second)::date as last_day"
        " from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices using (invoice_id)"
        " where customer_id = ? and invoice_status = ? order by billing_period, line_number",
        [customer, status],
    )
    return [
        (*list(row.values())[:3], str(row["first_day"]), str(row["last_day"])) for row in rows
    ]


def net(world: Installation, customer: str, status: str = "issued") -> list[Decimal]:
    """Net amounts of the lines of a customer."""
    return [line[1] for line in lines(world, customer, status)]


def test_two_aliases_of_one_subscription_are_not_two_to_bill(world: Installation) -> None:
    """5 x 1 = 5 on the fifteenth, which both rows cover."""
    assert net(world, "overlap") == [Decimal(5)]


def test_what_is_handed_over_is_counted_by_the_clock_of_whoever_has_it(
    world: Installation,
) -> None:
    """05:30 UTC is day in Berlin, at 3, and night in New York, at 1; 23:30 is the next day.

    The alias used 10 each time, the subscription 7.
    """
    assert net(world, "berlin") == [Decimal(30), Decimal(10), Decimal(21)]
    assert net(world, "york") == [Decimal(7), Decimal(10)]
    # Handed over five days later, as is learnt after the issue.
    assert net(world, "berlin", "draft") == [Decimal("30.00")]
    assert net(world, "york", "draft") == [Decimal("-10.00")]
    days = world.rows(
        "select customer_id, usage_date::varchar as day, quantity::int as quantity"
        " from marts.fct_usage_daily where meter_code = 'drawn' order by all"
    )
    assert [tuple(row.values()) for row in days] == [
        ("berlin", "2026-01-10", 7),
        ("berlin", "2026-01-10", 10),
        ("berlin", "2026-01-11", 10),
        ("berlin", "2026-01-20", 10),
        ("york", "2026-01-20", 7),
    ]


def test_a_term_that_never_was_ends_no_other(world: Installation) -> None:
    """The change to the dearer plan is taken back: 7 x 1 = 7, and the plan goes on."""
    assert net(world, "undone") == [Decimal(7)]
    assert world.rows(
        "select plan_code, ended_at from marts.dim_subscriptions"
        " where subscription_id = 'undone'"
    ) == [{"plan_code": "undone", "ended_at": None}]


@pytest.mark.parametrize("customer", ["passed-on", "passed-over"])
def test_free_units_are_counted_in_the_order_of_usage(
    world: Installation, customer: str
) -> None:
    """80 of 100 free are used at the first price; of 50 at the second 20 are: 30 x 1 = 30."""
    assert net(world, customer) == [Decimal(30)]


def test_a_daughter_is_taxed_and_exchanged_on_the_last_day_of_her_month(
    world: Installation,
) -> None:
    """January ends in Los Angeles on 1 February at 8:00 UTC: 10 %, and a rate of 1."""
    assert lines(world, "top", "issued")[0][1:3] == (Decimal(100), Decimal(10))
    assert lines(world, "top", "draft")[0][:3] == ("adjustment", Decimal(50), Decimal(10))
    assert world.rows(
        "select exchange_rate, tax_amount from marts.fct_invoices"
        " where customer_id = 'top' and invoice_status = 'issued'"
    ) == [{"exchange_rate": Decimal(1), "tax_amount": Decimal(10)}]


@pytest.mark.parametrize(
    ("customer", "amount", "first_day", "last_day"),
    [
        ("quarter", 50, "2026-01-01", "2026-03-31"),
        ("anniversary", 50, "2026-01-15", "2026-02-14"),
        # Of 28 for February 14 are owed: -14, taxed as February was.
        ("advance", -14, "2026-01-01", "2026-02-28"),
    ],
)
def test_an_adjustment_is_taxed_as_of_what_it_adjusts(
    world: Installation, customer: str, amount: int, first_day: str, last_day: str
) -> None:
    """20 %: what was issued for January ends in February or March."""
    expected = ("adjustment", Decimal(amount), Decimal(20), first_day, last_day)
    assert lines(world, customer, "draft") == [expected]


def test_who_has_left_is_charged_nothing_new(world: Installation) -> None:
    """January's fee, its minimum and February's fee in advance stay; nothing comes after."""
    assert net(world, "gone") == [Decimal(10), Decimal(10), Decimal(100)]
    assert net(world, "gone", "draft") == []
    assert world.rows(
        "select fate from marts.fct_event_exceptions where subject = 'gone'"
    ) == [{"fate": "no_active_subscription"}]


def test_a_value_too_large_to_round_up_is_rejected_alone(world: Installation) -> None:
    """61 seconds are 120: 1.20. The other event would have 27 digits."""
    assert net(world, "rounded") == [Decimal("1.20")]
    assert world.rows(
        "select fate, reason from marts.fct_event_exceptions where subject = 'rounded'"
    ) == [{"fate": "rejected", "reason": "out_of_range"}]


def test_numbers_go_on_after_a_million(tmp_path: Path, dbt_folder: Path) -> None:
    """Six digits are how short numbers are written, not how many there are."""
    scenario = Scenario()
    for name in ("one", "two", "three"):
        scenario.plan(name)
        scenario.price(name, "flat", unit_price="1")
        scenario.customer(name)
        scenario.subscription(name, ended_at="2026-02-01" if name == "one" else "")
    places = {"dbt_folder": dbt_folder, "period": "2026-02", "tested": False}
    installation = build(tmp_path, scenario, **places)
    installation.issue("2026-01")
    numbers = "select invoice_number from ledger.issued_invoices order by all"
    with installation.store.connect() as connection:
        connection.execute(
            "update ledger.issued_invoices set invoice_number = 'INV-999999'"
            " where invoice_number = 'INV-000003'"
        )
    installation.issue("2026-02")
    assert [row["invoice_number"] for row in installation.rows(numbers)] == [
        "INV-000001",
        "INV-000002",
        "INV-1000000",
        "INV-1000001",
        "INV-999999",
    ]


def test_what_is_issued_stays_owed_whatever_is_billed(
    tmp_path: Path, dbt_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """February has a fee of 31 and no usage. Billing January again gives nothing back.

    Nor does a later first period.
    """
    scenario = Scenario()
    scenario.meter("used", "use")
    scenario.subscriber("user", ended_at="")
    scenario.event("user", "5")
    scenario.plan("fee")
    scenario.price("fee", "flat", unit_price="31")
    scenario.customer("fee")
    scenario.subscription("fee", ended_at="")
    places = {"dbt_folder": dbt_folder, "period": "2026-02", "tested": False}
    installation = build(tmp_path, scenario, **places)
    assert installation.issue("2026-01") + installation.issue("2026-02") == 3
    documents = "select invoice_status, billing_period, net_amount from marts.fct_invoices"
    issued = [("2026-01", 5), ("2026-01", 31), ("2026-02", 31)]
    expected = [("issued", period, Decimal(amount)) for period, amount in issued]
    installation.dbt_build("2026-01", tested=False)
    assert [(*row.values(),) for row in installation.rows(f"{documents} order by all")] == (
        expected
    )
    monkeypatch.setitem(os.environ, "METERHOUSE_FIRST_PERIOD", "2026-02")
    installation.dbt_build("2026-02", tested=False)
    assert [(*row.values(),) for row in installation.rows(f"{documents} order by all")] == (
        expected
    )
