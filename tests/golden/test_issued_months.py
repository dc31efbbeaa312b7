"""What each issue of a month owes: fees in advance, months of longer periods, who pays.

January, February and March are billed and issued one after the other, with news before each.
What is issued with a month is worked out by hand for every customer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dagster_project import cli
from dagster_project.lib.documents import render_period
from dagster_project.lib.invoice_summary import EarlierPeriod, earlier_periods
from dagster_project.lib.settings import Settings
from tests.harness import REPOSITORY, Installation, Scenario, build

ISSUED = """
    select
        customer_id, issue_period, billing_period, line_type,
        round(lines.net_amount, 2)::varchar as net_amount, document_type,
        lines.period_from::date as first_day, lines.period_to::date as end_day,
        invoices.currency_code
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices using (invoice_id)
    where invoice_status = ?
    order by issue_period, billing_period, currency_code, line_number
"""
# Parent in January, and from the next snapshot on.
PARENTS = {
    "moved": ("moved-p1", "moved-p2"),
    "orphan": ("orphan-p1", ""),
    "adopted": ("", "adopted-p2"),
    "middle": ("middle-p1", "middle-p2"),
    "granddaughter": ("middle", "middle"),
    "siblings": ("siblings-p1", "siblings-p2"),
    "favoured": ("favoured-p1", "favoured-p2"),
    "dealt": ("dealt-p1", "dealt-p2"),
}
# Its customer's currency changes, and that of its plan.
OTHER_CURRENCY = ("abroad", "rebased")


def fees(world: Scenario) -> None:
    """Fees in advance of all intervals."""
    for name, interval, fee, term in (
        (
            "year",
            "year",
            "1200",
            {"started_at": "2026-01-15", "billing_anchor": "anniversary"},
        ),
        ("quarter", "quarter", "300", {}),
        ("part", "quarter", "300", {"started_at": "2026-02-10"}),
        ("later", "year", "1200", {"started_at": "2026-03-05"}),
        ("changed", "year", "365", {}),
        ("trial", "year", "365", {"trial_ends_at": "2026-01-11"}),
    ):
        prorated = "false" if name == "quarter" else "true"
        world.plan(name, interval=interval)
        terms = {"unit_price": fee, "billed": "advance", "prorated": prorated}
        world.price(name, "flat", charge="fee", **terms)
        world.customer(name)
        world.subscription(name, **{"ended_at": ""} | term)
    world.plan("dearer", interval="year")
    terms = {"unit_price": "730", "billed": "advance", "prorated": "true"}
    world.price("dearer", "flat", charge="fee", **terms)
    world.plan("mixed")
    yearly = {"unit_price": "120", "billed": "advance", "billing_interval": "year"}
    world.price("mixed", "flat", charge="a", **yearly)
    world.price("mixed", "flat", charge="b", unit_price="10", billed="advance")
    world.customer("mixed")
    world.subscription("mixed", ended_at="")


def long_periods(world: Scenario) -> None:
    """What is used in a quarter or a year; all of it lands before January is issued."""
    metered = {"meter_code": "used"}
    for name, interval, model, columns in (
        ("tiers", "year", "tiered", {"tiers": [("1000", "1"), ("", "0.5")]}),
        ("zone", "year", "per_unit", {"unit_price": "1"}),
        ("idle", "year", "per_unit", {"unit_price": "1"}),
        ("least", "quarter", "per_unit", {"unit_price": "1", "minimum_amount": "90"}),
        ("committed", "quarter", "per_unit", {"unit_price": "1"}),
        ("standing", "quarter", "tiered", {"tiers": [("", "1", "30")]}),
        ("leaver", "year", "per_unit", {"unit_price": "1", "minimum_amount": "365"}),
    ):
        world.plan(name, interval=interval)
        world.price(name, model, **metered, **columns)
        world.customer(name, timezone="America/New_York" if name == "zone" else "UTC")
        world.subscription(name, ended_at="")
    world.commitment("deal", "100", plan_code="committed")
    world.plan("arrears", interval="quarter")
    world.price("arrears", "flat", charge="fee", unit_price="90")
    world.customer("arrears")
    world.subscription("arrears", ended_at="")
    for name, quantity, at in (
        ("tiers", "800", "2026-01-15T00:00:00Z"),
        ("tiers", "800", "2026-02-15T00:00:00Z"),
        ("tiers", "400", "2026-03-31T23:59:59Z"),
        ("zone", "5", "2026-02-01T04:59:59Z"),
        ("zone", "7", "2026-02-01T05:00:00Z"),
        ("idle", "3", "2026-02-10T00:00:00Z"),
        ("least", "10", "2026-01-10T00:00:00Z"),
        ("least", "20", "2026-03-10T00:00:00Z"),
        ("committed", "10", "2026-01-10T00:00:00Z"),
        ("leaver", "10", "2026-01-10T00:00:00Z"),
    ):
        world.event(name, quantity, at=at)


def families(world: Scenario) -> None:
    """Ten units of January for each; the parents are to change."""
    for name in sorted(
        {parent for pair in PARENTS.values() for parent in pair} - {"", "middle"}
    ):
        world.customer(name)
    world.discount("tenth", "percentage", "10", customer_id="favoured-p1")
    for name, (parent, _) in PARENTS.items():
        world.customer(name, parent_customer_id=parent)
        if name == "middle":
            continue
        world.plan(name)
        world.price(name, "per_unit", meter_code="used", unit_price="1")
        for subscription in [name, f"{name}-b"] if name == "siblings" else [name]:
            world.subscription(subscription, customer_id=name, plan_code=name, ended_at="")
        world.event(name, "10")
    world.commitment("due", "30", plan_code="dealt")
    for name in OTHER_CURRENCY:
        world.plan(name)
        world.price(name, "per_unit", meter_code="used", unit_price="1")
        world.customer(name)
        world.subscription(name, ended_at="")
        world.event(name, "10")
    dollars = {"unit_price": "2", "currency_code": "USD"}
    world.price("abroad", "per_unit", meter_code="used", **dollars)
    world.subscriber("handed", ended_at="")
    world.event("handed", "10")
    world.customer("heir")


def january() -> Scenario:
    """All that is known when January is issued."""
    world = Scenario()
    world.meter("used", "use")
    fees(world)
    long_periods(world)
    families(world)
    world.subscriber("ended")
    world.event("ended", "10", event_id="ended-1")
    world.event("ended", "4", event_id="ended-2")
    return world


def news(world: Scenario, customers: list[Any], subscriptions: list[Any]) -> Scenario:
    """What else lands, beside new snapshots."""
    return Scenario(
        customers=customers, subscriptions=subscriptions, discounts=world.discounts
    )


def february(world: Scenario) -> Scenario:
    """Parents have changed, usage of January lands late, and somebody is new."""
    late = Scenario()
    late.customer("newcomer")
    late.subscription("newcomer", plan_code="ended", ended_at="")
    for row in world.customers:
        parents = PARENTS.get(row["customer_id"], ("", ""))
        moves = {"currency_code": "USD"} if row["customer_id"] == "abroad" else {}
        late.customers.append({**row, "parent_customer_id": parents[1]} | moves)
    for row in world.subscriptions:
        if row["subscription_id"] == "handed":
            late.subscriptions.append({**row, "customer_id": "heir"})
        elif row["subscription_id"] != "leaver":
            late.subscriptions.append(row)
    for name in (
        "moved",
        "orphan",
        "adopted",
        "granddaughter",
        "siblings-b",
        "handed",
        *OTHER_CURRENCY,
    ):
        late.event(name, "5", at="2026-01-21T00:00:00Z", event_id=f"late-{name}")
    late.event("dealt", "25", at="2026-01-21T00:00:00Z", event_id="late-dealt")
    late.event("newcomer", "4", at="2026-01-21T00:00:00Z", event_id="newcomer-1")
    for name, quantity in (
        *(("moved", "2"), ("handed", "3"), ("newcomer", "6")),
        *(("abroad", "3"), ("rebased", "3")),
    ):
        late.event(name, quantity, at="2026-02-21T00:00:00Z", event_id=f"february-{name}")
    late.void("ended-2")
    return late


def march(late: Scenario) -> Scenario:
    """A yearly plan is left for a dearer one on the first."""
    last = Scenario(customers=late.customers)
    for row in late.subscriptions:
        ends = {"ended_at": "2026-03-01"} if row["subscription_id"] == "changed" else {}
        last.subscriptions.append({**row, **ends})
    last.subscription("changed", plan_code="dearer", started_at="2026-03-01", ended_at="")
    return last


@dataclass(frozen=True)
class History:
    """Issued lines and drafts after all of it, and how many documents each issue made."""

    installation: Installation
    counts: list[int]
    issued: dict[str, list[tuple[Any, ...]]]
    drafts: dict[str, list[tuple[Any, ...]]]


def lines(installation: Installation, status: str) -> dict[str, list[tuple[Any, ...]]]:
    """Lines by customer: month of issue, billing period, type, amount, document and days."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for row in installation.rows(ISSUED, [status]):
        found.setdefault(row.pop("customer_id"), []).append(tuple(row.values()))
    return found


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> History:
    world = january()
    folder = tmp_path_factory.mktemp("issued")
    installation = build(folder, world, dbt_folder=dbt_folder, period="2026-01", tested=False)
    counts = [installation.issue("2026-01")]
    late = february(world)
    installation.land(late, "2")
    for row in world.plans:
        if row["plan_code"] == "rebased":
            row["currency_code"] = "USD"  # type: ignore[index]
    installation.write_price_book(world)
    installation.bill("2026-02")
    counts.append(installation.issue("2026-02"))
    installation.land(march(late), "3")
    installation.bill("2026-03", tested=False)
    counts.append(installation.issue("2026-03"))
    # An older month, as it is issued once more.
    installation.bill("2026-01", tested=False)
    counts.append(installation.issue("2026-01"))
    installation.bill("2026-04")
    return History(
        installation, counts, lines(installation, "issued"), lines(installation, "draft")
    )


def owed(history: History, customer: str) -> list[tuple[str, ...]]:
    """Month of issue, billing period, type and amount of what a customer was issued."""
    return [line[:4] for line in history.issued.get(customer, [])]


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        # One year, not two: the next is issued with January 2027.
        ("year", [("2026-01", "2026-01", "charge", "1200.00")]),
        ("quarter", [("2026-01", "2026-01", "charge", "300.00")]),
        # From 10 February 50 of the 90 days of the quarter.
        ("part", [("2026-02", "2026-02", "charge", "166.67")]),
        # From 5 March 302 of 365 days.
        ("later", [("2026-03", "2026-03", "charge", "992.88")]),
        # A trial of ten days.
        ("trial", [("2026-01", "2026-01", "charge", "355.00")]),
        # 59 days used of 365, 306 given back; the other plan costs 2 a day.
        (
            "changed",
            [
                ("2026-01", "2026-01", "charge", "365.00"),
                ("2026-03", "2026-03", "charge", "612.00"),
                ("2026-03", "2026-03", "adjustment", "-306.00"),
            ],
        ),
        # The year once, months one ahead.
        (
            "mixed",
            [
                ("2026-01", "2026-01", "charge", "120.00"),
                ("2026-01", "2026-01", "charge", "10.00"),
                ("2026-01", "2026-01", "charge", "10.00"),
                ("2026-02", "2026-02", "charge", "10.00"),
                ("2026-03", "2026-03", "charge", "10.00"),
            ],
        ),
    ],
)
def test_only_a_month_is_paid_for_before_it_begins(
    history: History, customer: str, expected: list[tuple[str, ...]]
) -> None:
    """A customer would pay for two years at once."""
    assert owed(history, customer) == expected


def test_a_quarter_is_due_when_it_begins(history: History) -> None:
    """The second quarter is on the draft of April, whole for both."""
    for customer in ("quarter", "part"):
        (line,) = history.drafts[customer]
        assert line[:4] == ("2026-04", "2026-04", "charge", "300.00")


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        # 800; 1600 cost 1300; 2000 cost 1500.
        (
            "tiers",
            [
                ("2026-01", "2026-01", "charge", "800.00"),
                ("2026-02", "2026-02", "adjustment", "500.00"),
                ("2026-03", "2026-03", "adjustment", "200.00"),
            ],
        ),
        # 04:59:59Z on 1 February is still January in New York.
        (
            "zone",
            [
                ("2026-01", "2026-01", "charge", "5.00"),
                ("2026-02", "2026-02", "adjustment", "7.00"),
            ],
        ),
        # The first invoice of the year, issued with February.
        ("idle", [("2026-02", "2026-01", "charge", "3.00")]),
        # 30 used of at least 90, once the quarter is over.
        (
            "least",
            [
                ("2026-01", "2026-01", "charge", "10.00"),
                ("2026-03", "2026-03", "adjustment", "80.00"),
            ],
        ),
        (
            "committed",
            [
                ("2026-01", "2026-01", "charge", "10.00"),
                ("2026-03", "2026-03", "adjustment", "90.00"),
            ],
        ),
        ("standing", [("2026-03", "2026-01", "charge", "30.00")]),
        ("arrears", [("2026-03", "2026-01", "charge", "90.00")]),
        # Gone in February: neither the minimum of the year nor a part of it.
        ("leaver", [("2026-01", "2026-01", "charge", "10.00")]),
    ],
)
def test_a_longer_period_is_billed_month_by_month(
    history: History, customer: str, expected: list[tuple[str, ...]]
) -> None:
    """Usage of months that have not ended, or a minimum of a year, would be due at once."""
    assert owed(history, customer) == expected


def test_a_line_ends_with_what_is_billed(history: History) -> None:
    """A line of a year would claim to hold all of it, and be taxed as of its end."""
    first, second, _ = history.issued["tiers"]
    assert first[5:7] == (date(2026, 1, 1), date(2026, 2, 1))
    assert second[5:7] == (date(2026, 1, 1), date(2026, 3, 1))


@pytest.mark.parametrize(
    ("customer", "expected"),
    [
        ("moved-p1", ["10.00", "5.00"]),
        # Two units of February alone.
        ("moved-p2", ["2.00"]),
        ("orphan-p1", ["10.00", "5.00"]),
        ("orphan", []),
        ("adopted", ["10.00", "5.00"]),
        ("adopted-p2", []),
        ("middle-p1", ["10.00", "5.00"]),
        ("middle-p2", []),
        # The other subscription had nothing on the invoice; its customer had.
        ("siblings-p1", ["10.00", "5.00"]),
        ("siblings-p2", []),
        # 10 less the discount of who was invoiced, and nothing since.
        ("favoured-p1", ["10.00", "-1.00"]),
        ("favoured-p2", []),
        # 10 and a true-up of 20; now 35 and none. February is for the new parent.
        ("dealt-p1", ["10.00", "20.00", "-20.00", "25.00"]),
        ("dealt-p2", ["30.00", "30.00"]),
        ("handed", ["10.00", "5.00"]),
        ("heir", ["3.00"]),
        # 10 and 5 in euro; 3 of February in dollars, at 2 and at 1.
        ("abroad", ["10.00", "5.00 EUR", "6.00 USD"]),
        ("rebased", ["10.00", "5.00 EUR", "3.00 USD"]),
    ],
)
def test_who_was_invoiced_stays_who_owes(
    history: History, customer: str, expected: list[str]
) -> None:
    """A child that moves would be refunded to one parent and charged to the other."""
    amounts = [line[3] for line in owed(history, customer)]
    assert amounts == [amount.split()[0] for amount in expected]
    currencies = [line[-1] for line in history.issued.get(customer, [])]
    assert currencies == [amount.partition(" ")[2] or "EUR" for amount in expected]


def test_what_turns_up_for_an_issued_month_is_issued_with_the_next(history: History) -> None:
    """It would stay a draft of January for ever."""
    assert owed(history, "newcomer") == [
        ("2026-02", "2026-01", "charge", "4.00"),
        ("2026-02", "2026-02", "charge", "6.00"),
    ]
    assert [line[:5] for line in history.issued["ended"]] == [
        ("2026-01", "2026-01", "charge", "14.00", "invoice"),
        ("2026-02", "2026-02", "adjustment", "-4.00", "credit_note"),
    ]


def test_nothing_of_an_issued_month_is_left_as_a_draft(history: History) -> None:
    """Nor does an older month, issued once more, issue anything."""
    assert history.counts[3] == 0
    assert {line[0] for found in history.drafts.values() for line in found} == {"2026-04"}


def test_the_month_says_what_it_issues_of_earlier_periods(
    history: History, tmp_path: Path
) -> None:
    """Finance would look for it in the folders and the tables of January."""
    with history.installation.read() as connection:
        (row,) = earlier_periods(connection, "2026-02")
        documents = render_period(
            connection, "2026-02", tmp_path, REPOSITORY / "invoice_templates"
        )
    # 13 lines on 12 documents, and the first invoices of idle and the newcomer:
    # 500 + 7 + 8 x 5 + 25 - 20 - 4 + 3 + 4 = 555.
    assert row == EarlierPeriod("2026-01", "issued", 13, 14, 1, "555.00", "EUR")
    settings = Settings.from_environment(
        {"METERHOUSE_DATA_DIR": str(history.installation.folder)}
    )
    with cli.console.capture() as printed:
        cli._print_earlier_periods(settings, "2026-02")
    assert "555.00 EUR" in printed.get()
    shown = {
        (form["customer_id"], form["billing_period"]): Decimal(form["total_amount"])
        for form in (json.loads(document.json_path.read_text()) for document in documents)
    }
    assert shown["newcomer", "2026-01"] == 4
    assert shown["newcomer", "2026-02"] == 6
    assert shown["ended", "2026-02"] == -4
