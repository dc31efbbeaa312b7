"""Bills worked out by hand for prices that depend on what is used, when, or how much at once.

Written like test_golden_bills.py: one customer per case, one build for all of them, and the
docstring of a case is its arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.golden.test_golden_bills import Case
from tests.harness import Installation, Scenario, build

Arrangement = Callable[[Case], None]
ARRANGEMENTS: list[Arrangement] = []


def golden(arrangement: Arrangement) -> Arrangement:
    """Put a case into the world."""
    ARRANGEMENTS.append(arrangement)
    return arrangement


def call(case: Case, to: str, seconds: str, **columns: Any) -> None:
    """Send a call of so many seconds to a number or place."""
    case.world.event(case.name, seconds, event_type="call", data={"to": to}, **columns)


@golden
def longest_prefix(case: Case) -> None:
    """5511 is longer than 55, a whole number longer still: 60 x 0.02, 61 x 0.01, 60 x 0."""
    for price, prefix in [("0.02", "to=55*"), ("0.01", "to=5511*"), ("0", "to=5511190")]:
        case.price("per_unit", meter_code="calls", unit_price=price, dimension_filter=prefix)
    call(case, "5521", "10")
    call(case, "5511777", "60.2")
    call(case, "5511190", "10")
    case.owes("61", "0.61", "0.61", dimension_values='{"to": "5511777"}')
    case.owes("60", "1.2", "1.20", dimension_values='{"to": "5521"}')


@golden
def rest_and_unpriced(case: Case) -> None:
    """eu|us pay 1, the rest of the charge pays 3; the other charge has no price for mars."""
    case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter="to=eu|us")
    case.price("per_unit", meter_code="calls", unit_price="3")
    for to in ("eu", "us", "mars"):
        call(case, to, "60")
    case.owes("60", "60", "60.00", dimension_values='{"to": "eu"}')
    case.owes("60", "180", "180.00", dimension_values='{"to": "mars"}')
    case.owes("60", "60", "60.00", dimension_values='{"to": "us"}')


@golden
def nothing_for_the_rest(case: Case) -> None:
    """Only eu has a price: 60 x 1. The call to mars is unpriced, and owes nothing."""
    case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter="to=eu")
    call(case, "eu", "60")
    call(case, "mars", "60")
    case.owes("60", "60", "60.00", dimension_values='{"to": "eu"}')


@golden
def flat_amount_per_price(case: Case) -> None:
    """Tiers of each price: eu used 60 x 1 + 2; us unused owes its first flat amount, 5."""
    tiers = {"eu": [("", "1", "2")], "us": [("", "1", "5")]}
    for to, rows in tiers.items():
        case.price("tiered", meter_code="calls", dimension_filter=f"to={to}", tiers=rows)
    call(case, "eu", "60")
    case.owes("60", "62", "62.00", dimension_values='{"to": "eu"}')
    case.owes("0", "5", "5.00", dimension_values="{}")


@golden
def versions_of_one_filter(case: Case) -> None:
    """In eu it costs 1 until the 10th, 2 from then on; us 1 throughout, in one line."""
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="1",
        dimension_filter="to=eu",
        valid_to="2026-01-10",
    )
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="2",
        dimension_filter="to=eu",
        valid_from="2026-01-10",
    )
    case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter="to=us")
    for at in ("2026-01-09T23:59:59Z", "2026-01-10T00:00:00Z"):
        call(case, "eu", "60", at=at)
        call(case, "us", "60", at=at)
    case.owes("60", "60", "60.00", dimension_values='{"to": "eu"}')
    case.owes("120", "120", "120.00", dimension_values='{"to": "us"}')
    case.owes("60", "120", "120.00", dimension_values='{"to": "eu"}')


@golden
def negotiated_for_one_value(case: Case) -> None:
    """The deal for eu is 0.5; us keeps the plan's 1. Without filter a deal would take both."""
    for to in ("eu", "us"):
        case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter=f"to={to}")
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="0.5",
        dimension_filter="to=eu",
        subscription_id=case.name,
    )
    call(case, "eu", "60")
    call(case, "us", "60")
    case.owes("60", "30", "30.00", dimension_values='{"to": "eu"}')
    case.owes("60", "60", "60.00", dimension_values='{"to": "us"}')


@golden
def negotiated_for_all_values(case: Case) -> None:
    """A deal without filter replaces the charge: 120 in two lines at 0.25."""
    case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter="to=eu")
    case.price("per_unit", meter_code="calls", unit_price="9")
    case.price("per_unit", meter_code="calls", unit_price="0.25", subscription_id=case.name)
    call(case, "eu", "60")
    call(case, "us", "60")
    case.owes("60", "15", "15.00", dimension_values='{"to": "eu"}')
    case.owes("60", "15", "15.00", dimension_values='{"to": "us"}')


@golden
def allowance_per_value(case: Case) -> None:
    """100 of each value are free: eu 120 - 100 = 20 x 1, us none of its 60."""
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="1",
        included_quantity="100",
        dimension_filter="to=eu|us",
    )
    call(case, "eu", "60")
    call(case, "eu", "60")
    call(case, "us", "60")
    case.owes("120", "20", "20.00", dimension_values='{"to": "eu"}')


@golden
def different_users_by_value(case: Case) -> None:
    """Two different users in eu at 10, one in us at 20."""
    for price, region in [("10", "eu"), ("20", "us")]:
        case.price(
            "per_unit",
            meter_code="users",
            unit_price=price,
            dimension_filter=f"region={region}",
        )
    for user, region in [("a", "eu"), ("b", "eu"), ("a", "eu"), ("a", "us")]:
        case.world.event(case.name, event_type="login", data={"user": user, "region": region})
    case.owes("2", "20", "20.00", dimension_values='{"region": "eu"}')
    case.owes("1", "20", "20.00", dimension_values='{"region": "us"}')


def shared_world() -> tuple[Scenario, dict[str, Case]]:
    """Meters and every case."""
    world = Scenario()
    world.meter("used", "use")
    world.meter(
        "calls", "call", rounding_increment="1", minimum_quantity="60", dimensions="to"
    )
    world.meter("users", "login", "unique_count", value_property="user", dimensions="region")
    cases: dict[str, Case] = {}
    for arrange in ARRANGEMENTS:
        case = Case(arrange.__name__, world)
        arrange(case)
        world.plan(case.name, case.currency)
        world.customer(case.name, currency_code=case.currency, **case.customer)
        world.subscription(case.name, **case.term)
        cases[case.name] = case
    return world, cases


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path
) -> tuple[Installation, dict[str, Case]]:
    world, cases = shared_world()
    return build(tmp_path_factory.mktemp("models"), world, dbt_folder=dbt_folder), cases


@pytest.mark.parametrize("name", [arrange.__name__ for arrange in ARRANGEMENTS])
def test_the_bill_is_the_one_worked_out_by_hand(
    built: tuple[Installation, dict[str, Case]], name: str
) -> None:
    installation, cases = built
    lines = installation.rows(
        "select lines.*, invoices.customer_id, invoices.billing_period"
        " from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
        " where invoices.customer_id = ?"
        " order by invoices.billing_period, lines.line_number",
        [name],
    )
    expected = cases[name].expected
    shown = [
        {column: line[column] for column in wanted}
        for line, wanted in zip(lines, expected, strict=False)
    ]
    assert shown == expected
    assert len(lines) == len(expected), lines


def test_usage_that_no_price_takes_is_unpriced(
    built: tuple[Installation, dict[str, Case]],
) -> None:
    """Usage that is neither billed nor reported would be lost revenue."""
    exceptions = built[0].rows(
        "select subject, count(*) as record_count from marts.fct_event_exceptions"
        " where fate = 'unpriced' group by subject"
    )
    assert exceptions == [{"subject": "nothing_for_the_rest", "record_count": 1}]
