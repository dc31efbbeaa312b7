"""Bills worked out by hand for what happens to a subscription in the course of its life.

Written like test_price_models.py, with several periods to a bill: drafts up to March 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.golden.test_golden_bills import Case
from tests.harness import Installation, Scenario, build

Arrangement = Callable[[Case], None]
ARRANGEMENTS: list[Arrangement] = []
OPEN = {"ended_at": ""}


def golden(arrangement: Arrangement) -> Arrangement:
    """Put a case into the world."""
    ARRANGEMENTS.append(arrangement)
    return arrangement


def owes(case: Case, period: str, net: str, *, starts: str = "", **columns: Any) -> None:
    """Expect a line of a period; ``starts`` is the first day that it is for."""
    line = {"billing_period": period, "net_amount": Decimal(net)} | columns
    if starts:
        line["period_from"] = datetime.fromisoformat(starts)
    case.expected.append(line)


@golden
def fee_in_advance(case: Case) -> None:
    """A start on 10 January: 22 of 31 days of 31 on the first invoice, with February whole.

    March is on the invoice of February, April on that of March.
    """
    case.term = {"started_at": "2026-01-10"} | OPEN
    case.price("flat", unit_price="31", billed="advance", prorated="true")
    owes(case, "2026-01", "22.00", starts="2026-01-10")
    owes(case, "2026-01", "31.00", starts="2026-02-01")
    owes(case, "2026-02", "31.00", starts="2026-03-01")
    owes(case, "2026-03", "31.00", starts="2026-04-01")


@golden
def fee_in_advance_until_the_end(case: Case) -> None:
    """The end on 15 March is known: 14 of 31 days of 31, and nothing for April."""
    case.term = {"started_at": "2026-02-01", "ended_at": "2026-03-15"}
    case.price("flat", unit_price="31", billed="advance", prorated="true")
    owes(case, "2026-02", "31.00", starts="2026-02-01")
    owes(case, "2026-02", "14.00", starts="2026-03-01")


@golden
def yearly_fee_with_monthly_usage(case: Case) -> None:
    """The year once, on the invoice of the start; usage by the month: 2 x 1, 3 x 1."""
    case.term = OPEN
    case.price("flat", charge="a", unit_price="120", billed="advance", billing_interval="year")
    case.price("per_unit", charge="b", unit_price="1")
    case.use("2", at="2026-01-10T00:00:00Z")
    case.use("3", at="2026-03-10T00:00:00Z")
    owes(case, "2026-01", "120.00", starts="2026-01-01", charge_code="a")
    owes(case, "2026-01", "2.00", charge_code="b")
    owes(case, "2026-03", "3.00", charge_code="b")


@golden
def quarterly_fee_in_arrears(case: Case) -> None:
    """The first quarter ends with March, and is on its invoice; prorated 59 of 90 days."""
    case.term = {"started_at": "2026-02-01"} | OPEN
    case.price("flat", unit_price="90", billing_interval="quarter", prorated="true")
    owes(case, "2026-03", "59.00", starts="2026-02-01")


@golden
def quarterly_plan(case: Case) -> None:
    """One period of three months: 100 free in all of it, 80 + 50 used: 30 x 1."""
    case.term = OPEN
    case.price("per_unit", unit_price="1", included_quantity="100")
    case.use("80", at="2026-01-10T00:00:00Z")
    case.use("50", at="2026-03-10T00:00:00Z")
    owes(case, "2026-01", "30.00", starts="2026-01-01", quantity=Decimal(130))


@golden
def monthly_usage_of_a_yearly_plan(case: Case) -> None:
    """Usage by the month: 80 are within January's 100, 150 leave 50 in March."""
    case.term = OPEN
    case.price("per_unit", unit_price="1", included_quantity="100", billing_interval="month")
    case.use("80", at="2026-01-10T00:00:00Z")
    case.use("150", at="2026-03-10T00:00:00Z")
    owes(case, "2026-03", "50.00", starts="2026-03-01")


@golden
def yearly_usage_of_a_monthly_plan(case: Case) -> None:
    """3 of 2025 are on the invoice of December; 5 of 2026 wait for the end of that year."""
    case.term = {"started_at": "2025-11-01"} | OPEN
    case.price("per_unit", unit_price="1", billing_interval="year")
    case.use("3", at="2025-11-10T00:00:00Z")
    case.use("5", at="2026-02-10T00:00:00Z")
    owes(case, "2025-12", "3.00", starts="2025-11-01")


@golden
def trial(case: Case) -> None:
    """Free until the 11th: 21 of 31 days of 31; 7 of the 12 used are before it, 5 x 1."""
    case.term = {"trial_ends_at": "2026-01-11"}
    case.price("flat", charge="a", unit_price="31", prorated="true")
    case.price("tiered", charge="b", tiers=[("", "1", "0.50")])
    case.use("7", at="2026-01-10T23:59:59Z")
    case.use("5", at="2026-01-11T00:00:00Z")
    owes(case, "2026-01", "21.00", charge_code="a", starts="2026-01-11")
    owes(case, "2026-01", "5.50", charge_code="b", starts="2026-01-11")


@golden
def allowance_after_a_trial(case: Case) -> None:
    """8 used in the trial touch nothing of the 10 that are free: of 12 after it 2 are owed."""
    case.term = {"trial_ends_at": "2026-01-11"}
    case.price("per_unit", unit_price="1", included_quantity="10")
    case.use("8", at="2026-01-10T23:59:59Z")
    case.use("12", at="2026-01-11T00:00:00Z")
    owes(case, "2026-01", "2.00", starts="2026-01-11")


@golden
def whole_fee_after_a_trial(case: Case) -> None:
    """A fee that is not prorated is owed whole once the trial is over, in February."""
    case.term = {"trial_ends_at": "2026-02-11", "ended_at": "2026-03-01"}
    case.price("flat", unit_price="10")
    owes(case, "2026-02", "10.00", starts="2026-02-11")


@golden
def pause(case: Case) -> None:
    """Paused from the 10th to the 20th: 21 of 31 days of 31, usage before and after, 1 + 4.

    Usage in the pause belongs to nobody; February is paused whole and owes no flat amount.
    """
    case.term = {"ended_at": "2026-03-01"}
    case.price("flat", charge="a", unit_price="31", prorated="true")
    case.price("tiered", charge="b", tiers=[("", "1", "0.50")])
    for quantity, day in [("1", "09"), ("2", "10"), ("4", "20")]:
        case.use(quantity, at=f"2026-01-{day}T00:00:00Z")
    for start, end in [("2026-01-10", "2026-01-20"), ("2026-02-01", "")]:
        pause = {"subscription_id": case.name, "paused_from": start, "paused_to": end}
        case.world.pauses.append(pause)
    owes(case, "2026-01", "21.00", charge_code="a")
    owes(case, "2026-01", "5.50", charge_code="b", quantity=Decimal(5))


@golden
def minimum_and_maximum_after_a_trial(case: Case) -> None:
    """Free until the 11th: 21 of 31 days of at least 31 and, of 40 used, at most 31.

    A minimum of 31 a month owes nothing in the trial, which is all of December.
    """
    case.term = {"started_at": "2025-12-01", "trial_ends_at": "2026-01-11"}
    case.price("per_unit", charge="a", unit_price="1", minimum_amount="31")
    case.price("per_unit", charge="b", unit_price="2", maximum_amount="31")
    case.use("100", at="2026-01-10T23:59:59Z")
    case.use("20", at="2026-01-11T00:00:00Z")
    owes(case, "2026-01", "20.00", charge_code="a", starts="2026-01-11")
    owes(case, "2026-01", "40.00", charge_code="b", starts="2026-01-11")
    owes(case, "2026-01", "1.00", line_type="minimum", starts="2026-01-11")
    owes(case, "2026-01", "-19.00", line_type="maximum", starts="2026-01-11")


@golden
def minimum_and_a_pause(case: Case) -> None:
    """Paused from the 10th to the 20th: 21 of 31 days of at least 31."""
    case.term = {"ended_at": "2026-03-01"}
    case.price("per_unit", unit_price="1", minimum_amount="31")
    for start, end in [("2026-01-10", "2026-01-20"), ("2026-02-01", "")]:
        pause = {"subscription_id": case.name, "paused_from": start, "paused_to": end}
        case.world.pauses.append(pause)
    owes(case, "2026-01", "21.00", line_type="minimum")


@golden
def seats_and_a_pause(case: Case) -> None:
    """10 seats, paused from the 10th to the 20th: 210 / 31 seats at 31, 5,040 hours at 0.01.

    The level of an event in the pause is not taken; that from before it holds on.
    """
    case.term = {"ended_at": "2026-02-01"}
    case.price("per_unit", charge="a", meter_code="seats", unit_price="31", prorated="true")
    case.price("per_unit", charge="b", meter_code="seats", unit_price="0.01")
    case.use("10", event_type="seats", at="2026-01-01T00:00:00Z")
    case.use("99", event_type="seats", at="2026-01-12T00:00:00Z")
    pause = {"paused_from": "2026-01-10", "paused_to": "2026-01-20"}
    case.world.pauses.append({"subscription_id": case.name} | pause)
    owes(case, "2026-01", "210.00", charge_code="a", quantity=Decimal("6.774193548387"))
    owes(case, "2026-01", "50.40", charge_code="b", quantity=Decimal(5040))


@golden
def whole_fee_whose_price_changes_in_a_pause(case: Case) -> None:
    """Paused until the 20th, 99 from the 15th on: 10, the price with which January starts."""
    case.price("flat", unit_price="10", valid_to="2026-01-15")
    case.price("flat", unit_price="99", valid_from="2026-01-15")
    pause = {"paused_from": "2026-01-01", "paused_to": "2026-01-20"}
    case.world.pauses.append({"subscription_id": case.name} | pause)
    owes(case, "2026-01", "10.00", period_to=datetime.fromisoformat("2026-02-01"))


@golden
def maximum_of_a_fee_in_advance(case: Case) -> None:
    """40 for January and for February on one invoice, each held down to 31 by itself."""
    case.term = {"ended_at": "2026-03-01"}
    terms = {"billed": "advance", "maximum_amount": "31"}
    case.price("flat", unit_price="40", **terms)
    for month in ("01", "02"):
        owes(case, "2026-01", "40.00", starts=f"2026-{month}-01", line_type="charge")
    for month in ("01", "02"):
        owes(case, "2026-01", "-9.00", starts=f"2026-{month}-01", line_type="maximum")


@golden
def ramp(case: Case) -> None:
    """Two months at 10 from the start on 15 January, then 20, shared by days.

    January 17 of 31 days of 10, February 10, March 14 days of 10 and 17 of 20, of 31: 15.4838,
    rounded to 15.48, of which 4.516 get 4.51 and 10.9677, the larger remainder, 10.97.
    """
    case.term = {"started_at": "2026-01-15", "ended_at": "2026-04-01"}
    case.price("flat", unit_price="10", prorated="true", phase_to_month="2")
    case.price("flat", unit_price="20", prorated="true", phase_from_month="2")
    owes(case, "2026-01", "5.48", starts="2026-01-15")
    owes(case, "2026-02", "10.00", starts="2026-02-01")
    owes(case, "2026-03", "4.51", starts="2026-03-01")
    owes(case, "2026-03", "10.97", starts="2026-03-15")


@golden
def announced_price(case: Case) -> None:
    """A price announced for March changes nothing before: 10, 10, 12."""
    case.term = {"ended_at": "2026-04-01"}
    case.price("flat", unit_price="10", valid_to="2026-03-01")
    case.price("flat", unit_price="12", valid_from="2026-03-01")
    owes(case, "2026-01", "10.00")
    owes(case, "2026-02", "10.00")
    owes(case, "2026-03", "12.00")


@golden
def upgrade(case: Case) -> None:
    """On the 11th: 10 of 31 days of 31, 21 of 31 days of 62; usage 1 x 1, 2 x 2."""
    case.price("flat", charge="a", unit_price="31", prorated="true")
    case.price("per_unit", charge="b", unit_price="1")
    pro = f"{case.name}_pro"
    case.world.plan(pro)
    case.world.price(pro, "flat", charge="a", unit_price="62", prorated="true")
    case.world.price(pro, "per_unit", charge="b", unit_price="2", meter_code="used")
    case.term = {"ended_at": "2026-01-11"}
    case.world.subscription(
        case.name, plan_code=pro, started_at="2026-01-11", ended_at="2026-02-01"
    )
    case.use("1", at="2026-01-10T23:59:59Z")
    case.use("2", at="2026-01-11T00:00:00Z")
    owes(case, "2026-01", "10.00", starts="2026-01-01", charge_code="a")
    owes(case, "2026-01", "42.00", starts="2026-01-11", charge_code="a")
    owes(case, "2026-01", "1.00", charge_code="b")
    owes(case, "2026-01", "4.00", charge_code="b")


INTERVALS = {"quarterly_plan": "quarter", "monthly_usage_of_a_yearly_plan": "year"}


def shared_world() -> tuple[Scenario, dict[str, Case]]:
    """Every case."""
    world = Scenario()
    world.meter("used", "use")
    world.meter("seats", "seats", "time_weighted")
    cases: dict[str, Case] = {}
    for arrange in ARRANGEMENTS:
        case = Case(arrange.__name__, world)
        arrange(case)
        world.plan(case.name, interval=INTERVALS.get(case.name, "month"))
        world.customer(case.name)
        world.subscription(case.name, **case.term)
        cases[case.name] = case
    return world, cases


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path
) -> tuple[Installation, dict[str, Case]]:
    world, cases = shared_world()
    return build(tmp_path_factory.mktemp("life"), world, dbt_folder=dbt_folder), cases


@pytest.mark.parametrize("name", [arrange.__name__ for arrange in ARRANGEMENTS])
def test_the_bill_is_the_one_worked_out_by_hand(
    built: tuple[Installation, dict[str, Case]], name: str
) -> None:
    installation, cases = built
    cases[name].assert_billed(installation)


def test_usage_in_a_pause_is_shown_and_usage_in_a_trial_is_rated(
    built: tuple[Installation, dict[str, Case]],
) -> None:
    """Nobody would look at usage of a paused subscription; a trial is no exception."""
    exceptions = built[0].rows(
        "select subject, fate, count(*) as record_count from marts.fct_event_exceptions"
        " group by subject, fate order by subject"
    )
    paused = {"fate": "no_active_subscription", "record_count": 1}
    assert exceptions == [
        {"subject": name} | paused for name in ("pause", "seats_and_a_pause")
    ]


def test_the_days_of_a_pause_have_no_level(
    built: tuple[Installation, dict[str, Case]],
) -> None:
    """Else the usage of the days would not add up to the invoice."""
    (held,) = built[0].rows(
        "select count(*) as day_count, sum(quantity) as hours from marts.fct_usage_daily"
        " where subscription_id = 'seats_and_a_pause'"
    )
    assert held == {"day_count": 21, "hours": Decimal(5040)}


def test_a_plan_change_gives_the_rest_of_a_prorated_fee_in_advance_back(
    tmp_path: Path, dbt_folder: Path
) -> None:
    """February was paid in January; a change on the 15th gives 14 of 28 days of 28 back.

    Of a fee that is not prorated nothing is given back, and the other plan's is owed whole.
    """
    world = Scenario()
    for customer, prorated in [("days", "true"), ("whole", "false")]:
        for plan, price in [("basic", "28"), ("pro", "56")]:
            world.plan(f"{customer}-{plan}")
            terms = {"charge": "fee", "billed": "advance", "prorated": prorated}
            world.price(f"{customer}-{plan}", "flat", unit_price=price, **terms)
        world.customer(customer)
        world.subscription(customer, plan_code=f"{customer}-basic", ended_at="")
    installation = Installation(tmp_path / "data", dbt_folder)
    installation.folder.mkdir()
    installation.write_price_book(world)
    installation.land(world)
    installation.bill("2026-01", tested=False)
    assert installation.issue("2026-01") == 2
    world.subscriptions.clear()
    for customer in ("days", "whole"):
        world.subscription(customer, plan_code=f"{customer}-basic", ended_at="2026-02-15")
        later = {"plan_code": f"{customer}-pro", "started_at": "2026-02-15"}
        world.subscription(customer, **later, ended_at="")
    installation.land(world, "2")
    installation.bill("2026-02")
    lines = installation.rows(
        "select customer_id, invoices.billing_period, line_type, lines.net_amount"
        " from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
        " order by customer_id, invoices.billing_period, line_number"
    )
    assert [tuple(row.values()) for row in lines] == [
        ("days", "2026-01", "charge", Decimal(28)),
        ("days", "2026-01", "charge", Decimal(28)),
        ("days", "2026-02", "charge", Decimal(28)),
        ("days", "2026-02", "charge", Decimal(56)),
        ("days", "2026-02", "adjustment", Decimal(-14)),
        ("whole", "2026-01", "charge", Decimal(28)),
        ("whole", "2026-01", "charge", Decimal(28)),
        ("whole", "2026-02", "charge", Decimal(56)),
        ("whole", "2026-02", "charge", Decimal(56)),
    ]
    # What an invoice says it is for reaches from its first line to its last.
    (first,) = installation.rows(
        "select period_from, period_to from marts.fct_invoices"
        " where customer_id = 'days' and billing_period = '2026-01'"
    )
    assert [str(at) for at in first.values()] == ["2026-01-01 00:00:00", "2026-03-01 00:00:00"]
