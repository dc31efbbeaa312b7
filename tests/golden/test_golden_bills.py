"""Small bills worked out by hand.

Every case is one customer with a plan of its own; all of them are billed by one build. The
docstring of a case is its arithmetic. Unless a case says otherwise, the customer lives in UTC
and pays in euro, the subscription runs through January 2026, one meter adds up `quantity`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dagster_project.lib.documents import render_period
from tests.harness import REPOSITORY, Installation, Scenario, build

TEMPLATES = REPOSITORY / "invoice_templates"


LINES = (
    "select lines.*, invoices.customer_id, invoices.billing_period"
    " from marts.fct_invoice_lines as lines"
    " inner join marts.fct_invoices as invoices using (invoice_id)"
)
IN_ORDER = "order by invoices.billing_period, lines.line_number"


@dataclass
class Case:
    """One customer, what it uses, and what it has to be billed."""

    name: str
    world: Scenario
    customer: dict[str, Any] = field(default_factory=dict)
    term: dict[str, Any] = field(default_factory=dict)
    currency: str = "EUR"
    expected: list[dict[str, Any]] = field(default_factory=list)
    totals: list[dict[str, Any]] = field(default_factory=list)

    def price(self, pricing_model: str, **columns: Any) -> str:
        """Add a price to the plan of the case, on the plain meter unless it is a fee."""
        meter = {} if pricing_model == "flat" else {"meter_code": "used"}
        return self.world.price(self.name, pricing_model, **(meter | columns))

    def use(self, *quantities: str, **columns: Any) -> None:
        """Send an event of each quantity."""
        for quantity in quantities:
            self.world.event(self.name, quantity, **columns)

    def owes(self, quantity: str, exact: str, net: str, **columns: Any) -> None:
        """Expect a line; anything else stated is a column of fct_invoice_lines."""
        amounts = {"quantity": quantity, "exact_amount": exact, "net_amount": net}
        line = {name: Decimal(text) for name, text in amounts.items()}
        self.expected.append({"billing_period": "2026-01"} | line | columns)

    def invoice(self, net: str, tax: str, total: str, **columns: Any) -> None:
        """Expect an invoice; anything else stated is a column of fct_invoices."""
        amounts = {"net_amount": net, "tax_amount": tax, "total_amount": total}
        self.totals.append({name: Decimal(text) for name, text in amounts.items()} | columns)

    def assert_billed(self, installation: Installation) -> None:
        """The lines are those expected, in their order and no more."""
        lines = installation.rows(f"{LINES} where customer_id = ? {IN_ORDER}", [self.name])
        shown = [
            {column: line[column] for column in wanted}
            for line, wanted in zip(lines, self.expected, strict=False)
        ]
        assert shown == self.expected
        assert len(lines) == len(self.expected), lines


Arrangement = Callable[[Case], None]
ARRANGEMENTS: list[Arrangement] = []


def golden(arrangement: Arrangement) -> Arrangement:
    """Put a case into the world."""
    ARRANGEMENTS.append(arrangement)
    return arrangement


THREE_TIERS = [("100", "0.50", "1"), ("200", "0.40", "2"), ("", "0.30", "3")]


@golden
def per_unit(case: Case) -> None:
    """3 + 4.5 = 7.5 units x 0.20 = 1.50."""
    case.price("per_unit", unit_price="0.20")
    case.use("3", "4.5")
    case.owes("7.5", "1.5", "1.50")


@golden
def tiered_on_the_bound(case: Case) -> None:
    """100 x 0.50 + flat 1 = 51. The bound belongs to its tier: the second is not entered."""
    case.price("tiered", tiers=THREE_TIERS)
    case.use("60", "40")
    case.owes("100", "51", "51.00")


@golden
def tiered_one_above(case: Case) -> None:
    """100 x 0.50 + 1 = 51, and 1 x 0.40 + 2 = 2.40: 53.40."""
    case.price("tiered", tiers=THREE_TIERS)
    case.use("101")
    case.owes("101", "53.4", "53.40")


@golden
def tiered_a_fraction_above(case: Case) -> None:
    """51, and 0.000000000001 x 0.40 + 2 = 2.0000000000004: 53.0000000000004."""
    case.price("tiered", tiers=THREE_TIERS)
    case.use("100.000000000001")
    case.owes("100.000000000001", "53.0000000000004", "53.00")


@golden
def tiered_through_all(case: Case) -> None:
    """51, 100 x 0.40 + 2 = 42, and 50 x 0.30 + 3 = 18: 111."""
    case.price("tiered", tiers=THREE_TIERS)
    case.use("250")
    case.owes("250", "111", "111.00")


@golden
def tiered_without_usage(case: Case) -> None:
    """The first tier's flat amount is owed by an active subscription: 1."""
    case.price("tiered", tiers=THREE_TIERS)
    case.owes("0", "1", "1.00")


@golden
def volume_on_the_bound(case: Case) -> None:
    """100 x 0.50 + 1 = 51."""
    case.price("volume", tiers=THREE_TIERS)
    case.use("100")
    case.owes("100", "51", "51.00")


@golden
def volume_one_above(case: Case) -> None:
    """All 101 at 0.40 = 40.40, plus 2: 42.40."""
    case.price("volume", tiers=THREE_TIERS)
    case.use("101")
    case.owes("101", "42.4", "42.40")


@golden
def volume_a_fraction_above(case: Case) -> None:
    """All 200.5 at 0.30 = 60.15, plus 3: 63.15."""
    case.price("volume", tiers=THREE_TIERS)
    case.use("200.5")
    case.owes("200.5", "63.15", "63.15")


@golden
def volume_without_usage(case: Case) -> None:
    """The first tier's flat amount: 1."""
    case.price("volume", tiers=THREE_TIERS)
    case.owes("0", "1", "1.00")


@golden
def package_exactly_full(case: Case) -> None:
    """2000 / 1000 = 2 packages x 5 = 10."""
    case.price("package", unit_price="5", package_size="1000")
    case.use("2000")
    case.owes("2000", "10", "10.00")


@golden
def package_one_above(case: Case) -> None:
    """2001 / 1000 is 3 packages x 5 = 15."""
    case.price("package", unit_price="5", package_size="1000")
    case.use("2001")
    case.owes("2001", "15", "15.00")


@golden
def package_of_a_fraction(case: Case) -> None:
    """0.000000000001 / 0.5 is 1 package x 5 = 5."""
    case.price("package", unit_price="5", package_size="0.5")
    case.use("0.000000000001")
    case.owes("0.000000000001", "5", "5.00")


@golden
def package_without_usage(case: Case) -> None:
    """No package, no line, no invoice."""
    case.price("package", unit_price="5", package_size="1000")


@golden
def included_exactly_used(case: Case) -> None:
    """100 units are free and 100 are used: no line."""
    case.price("per_unit", unit_price="2", included_quantity="100")
    case.use("60", "40")


@golden
def included_one_above(case: Case) -> None:
    """(101 - 100) x 2 = 2; the line shows the 101 used and the 100 free."""
    case.price("per_unit", unit_price="2", included_quantity="100")
    case.use("101")
    case.owes("101", "2", "2.00", included_quantity=Decimal(100))


@golden
def included_then_tiered(case: Case) -> None:
    """130 - 30 free = 100, on the bound of the first tier: 100 x 0.50 + 1 = 51."""
    case.price("tiered", tiers=THREE_TIERS, included_quantity="30")
    case.use("130")
    case.owes("130", "51", "51.00", included_quantity=Decimal(30))


@golden
def included_then_package(case: Case) -> None:
    """1501 - 500 free = 1001, which is 2 packages x 5 = 10."""
    case.price("package", unit_price="5", package_size="1000", included_quantity="500")
    case.use("1501")
    case.owes("1501", "10", "10.00")


@golden
def included_across_a_price_change(case: Case) -> None:
    """70 before the change are free. 50 after it: 30 are still free, 20 x 0.20 = 4."""
    case.price("per_unit", unit_price="0.10", included_quantity="100", valid_to="2026-01-15")
    case.price("per_unit", unit_price="0.20", included_quantity="100", valid_from="2026-01-15")
    case.use("70", at="2026-01-10T00:00:00Z")
    case.use("50", at="2026-01-20T00:00:00Z")
    case.owes("50", "4", "4.00", included_quantity=Decimal(30))


@golden
def included_after_a_reversal(case: Case) -> None:
    """The 50 that come back are credited; of the 150 after them 100 are free, and not 150."""
    case.price("per_unit", unit_price="0.10", included_quantity="100", valid_to="2026-01-15")
    case.price("per_unit", unit_price="0.20", included_quantity="100", valid_from="2026-01-15")
    case.use("-50", at="2026-01-10T12:00:00Z")
    case.use("150", at="2026-01-20T12:00:00Z")
    case.owes("-50", "-5", "-5.00")
    case.owes("150", "10", "10.00", included_quantity=Decimal(100))


@golden
def price_change_at_local_midnight(case: Case) -> None:
    """15 January in Berlin begins at 23:00 UTC: 1 x 1 before it, 2 x 10 from it on."""
    case.customer["timezone"] = "Europe/Berlin"
    case.price("per_unit", unit_price="1", valid_to="2026-01-15")
    case.price("per_unit", unit_price="10", valid_from="2026-01-15")
    case.use("1", at="2026-01-14T22:59:59.999999Z")
    case.use("2", at="2026-01-14T23:00:00Z")
    first, second = f"{case.name}-usage-1", f"{case.name}-usage-2"
    case.owes("1", "1", "1.00", price_id=first)
    case.owes("2", "20", "20.00", price_id=second)


@golden
def price_change_at_an_instant(case: Case) -> None:
    """A bound with a time is that instant, whatever the zone: 1 x 1, then 2 x 10."""
    case.customer["timezone"] = "Asia/Tokyo"
    case.price("per_unit", unit_price="1", valid_to="2026-01-15T12:00:00Z")
    case.price("per_unit", unit_price="10", valid_from="2026-01-15T12:00:00Z")
    case.use("1", at="2026-01-15T11:59:59.999999Z")
    case.use("2", at="2026-01-15T12:00:00Z")
    case.owes("1", "1", "1.00")
    case.owes("2", "20", "20.00")


@golden
def tiers_start_again_after_a_price_change(case: Case) -> None:
    """150 before: 100 x 0.50 + 1 + 50 x 0.40 + 2 = 73. 150 after: the same again."""
    case.price("tiered", tiers=THREE_TIERS, valid_to="2026-01-15")
    case.price("tiered", tiers=THREE_TIERS, valid_from="2026-01-15")
    case.use("150", at="2026-01-14T00:00:00Z")
    case.use("150", at="2026-01-16T00:00:00Z")
    case.owes("150", "73", "73.00")
    case.owes("150", "73", "73.00")


@golden
def plan_change_in_the_middle(case: Case) -> None:
    """3 x 1 until the 16th begins, 4 x 2 on the new plan from then on."""
    case.price("per_unit", unit_price="1")
    case.term["ended_at"] = "2026-01-16"
    upgraded = f"{case.name}_upgraded"
    case.world.plan(upgraded)
    case.world.price(upgraded, "per_unit", meter_code="used", unit_price="2")
    case.world.subscription(case.name, plan_code=upgraded, started_at="2026-01-16")
    case.use("3", at="2026-01-15T23:59:59.999999Z")
    case.use("4", at="2026-01-16T00:00:00Z")
    case.owes("3", "3", "3.00")
    case.owes("4", "8", "8.00", price_id=f"{upgraded}-usage-1")


@golden
def negotiated_price(case: Case) -> None:
    """1 x 1, then 2 x 0.50 while the negotiated price is valid, then 4 x 1."""
    case.price("per_unit", unit_price="1")
    case.price(
        "per_unit",
        unit_price="0.50",
        subscription_id=case.name,
        valid_from="2026-01-11",
        valid_to="2026-01-21",
    )
    case.use("1", at="2026-01-05T00:00:00Z")
    case.use("2", at="2026-01-15T00:00:00Z")
    case.use("4", at="2026-01-25T00:00:00Z")
    case.owes("1", "1", "1.00")
    case.owes("2", "1", "1.00", price_id=f"{case.name}-usage-2")
    case.owes("4", "4", "4.00")


@golden
def fee_in_full(case: Case) -> None:
    """A fee that is not prorated is owed in full, also from the 20th on: 10."""
    case.price("flat", unit_price="10")
    case.term["started_at"] = "2026-01-20"
    case.owes("1", "10", "10.00", pricing_model="flat")


@golden
def fee_of_a_calendar_start(case: Case) -> None:
    """20 to 31 January are 12 of 31 days: 10 x 12 / 31 = 3.870967741935483870967741935..."""
    case.price("flat", unit_price="10", prorated="true")
    case.term["started_at"] = "2026-01-20"
    case.owes("0.387096774194", "3.870967741935483870967742", "3.87")


@golden
def fee_changes_price(case: Case) -> None:
    """31 x 10 / 31 = 10 until the 11th, 62 x 21 / 31 = 42 from it on."""
    case.price("flat", unit_price="31", prorated="true", valid_to="2026-01-11")
    case.price("flat", unit_price="62", prorated="true", valid_from="2026-01-11")
    case.owes("0.322580645161", "10", "10.00")
    case.owes("0.677419354839", "42", "42.00")


@golden
def anniversary_on_the_31st(case: Case) -> None:
    """Periods start on 31 January, 28 February and 31 March: 1, 2 + 4, and 8 units x 1."""
    case.term |= {
        "started_at": "2026-01-31",
        "ended_at": "2026-04-30",
        "billing_anchor": "anniversary",
    }
    case.price("per_unit", unit_price="1")
    case.use("1", at="2026-02-27T23:59:59.999999Z")
    case.use("2", at="2026-02-28T00:00:00Z")
    case.use("4", at="2026-03-30T23:59:59.999999Z")
    case.use("8", at="2026-03-31T00:00:00Z")
    case.owes("1", "1", "1.00")
    case.owes("6", "6", "6.00", billing_period="2026-02")
    case.owes("8", "8", "8.00", billing_period="2026-03")


@golden
def short_day_in_berlin(case: Case) -> None:
    """29 March has 23 hours, 23:00 to 22:00 UTC.

    1 x 1 before it, (2 + 4) x 10 on it, 8.01 x 100 after it; 0.16 x 100 is April's.
    """
    case.customer["timezone"] = "Europe/Berlin"
    case.term |= {"started_at": "2026-03-01", "ended_at": "2026-05-01"}
    case.price("per_unit", unit_price="1", valid_to="2026-03-29")
    case.price("per_unit", unit_price="10", valid_from="2026-03-29", valid_to="2026-03-30")
    case.price("per_unit", unit_price="100", valid_from="2026-03-30")
    case.use("1", at="2026-03-28T22:59:59.999999Z")
    case.use("2", at="2026-03-28T23:00:00Z")
    case.use("4", at="2026-03-29T21:59:59.999999Z")
    case.use("8", at="2026-03-29T22:00:00Z")
    case.use("0.01", at="2026-03-31T21:59:59.999999Z")
    case.use("0.16", at="2026-03-31T22:00:00Z")
    case.owes("1", "1", "1.00", billing_period="2026-03")
    case.owes("6", "60", "60.00", billing_period="2026-03")
    case.owes("8.01", "801", "801.00", billing_period="2026-03")
    case.owes("0.16", "16", "16.00", billing_period="2026-04")


@golden
def fee_over_a_short_day(case: Case) -> None:
    """Days are counted, not hours: 31 x 1 / 31 = 1 for 29 March, 31 x 30 / 31 = 30 else."""
    case.customer["timezone"] = "Europe/Berlin"
    case.term |= {"started_at": "2026-03-01", "ended_at": "2026-04-01"}
    bounds = ["", "2026-03-29", "2026-03-30", ""]
    for start, end in pairwise(bounds):
        case.price("flat", unit_price="31", prorated="true", valid_from=start, valid_to=end)
    case.owes("0.903225806452", "28", "28.00", billing_period="2026-03")
    case.owes("0.032258064516", "1", "1.00", billing_period="2026-03")
    case.owes("0.064516129032", "2", "2.00", billing_period="2026-03")


@golden
def month_in_sao_paulo(case: Case) -> None:
    """February begins at 03:00 UTC: 1 x 1 in January, 2 x 1 in February."""
    case.customer["timezone"] = "America/Sao_Paulo"
    case.term["ended_at"] = "2026-03-01"
    case.price("per_unit", unit_price="1")
    case.use("1", at="2026-01-31T23:59:59.999999-03:00")
    case.use("2", at="2026-02-01T03:00:00Z")
    case.owes("1", "1", "1.00")
    case.owes("2", "2", "2.00", billing_period="2026-02")


@golden
def month_in_tokyo(case: Case) -> None:
    """January is 31 December 15:00 to 31 January 15:00 UTC: 2 + 4 units, then 8. Yen, whole.

    The first unit comes before the subscription starts and is nobody's to pay.
    """
    case.customer["timezone"] = "Asia/Tokyo"
    case.currency = "JPY"
    case.term["ended_at"] = "2026-03-01"
    case.price("per_unit", unit_price="1")
    case.use("1", at="2025-12-31T14:59:59.999999Z")
    case.use("2", at="2025-12-31T15:00:00Z")
    case.use("4", at="2026-01-31T14:59:59.999999Z")
    case.use("8", at="2026-01-31T15:00:00Z")
    case.owes("6", "6", "6")
    case.owes("8", "8", "8", billing_period="2026-02")


@golden
def month_in_kathmandu(case: Case) -> None:
    """February begins at 18:15 UTC on 31 January: 1 unit, then 2."""
    case.customer["timezone"] = "Asia/Kathmandu"
    case.term["ended_at"] = "2026-03-01"
    case.price("per_unit", unit_price="1")
    case.use("1", at="2026-01-31T18:14:59.999999Z")
    case.use("2", at="2026-01-31T18:15:00Z")
    case.owes("1", "1", "1.00")
    case.owes("2", "2", "2.00", billing_period="2026-02")


@golden
def yen_half_up(case: Case) -> None:
    """5 x 0.5 = 2.5, half away from zero to whole yen: 3."""
    case.currency = "JPY"
    case.price("per_unit", unit_price="0.5")
    case.use("5")
    case.owes("5", "2.5", "3")


@golden
def dinar_half_up(case: Case) -> None:
    """1 x 2.0005, half away from zero to three places: 2.001."""
    case.currency = "KWD"
    case.price("per_unit", unit_price="2.0005")
    case.use("1")
    case.owes("1", "2.0005", "2.001")


@golden
def credit_half_down(case: Case) -> None:
    """3 - 4 = -1 x 0.125 = -0.125, half away from zero: -0.13. A credit, flagged."""
    case.price("per_unit", unit_price="0.125")
    case.use("3", "-4")
    case.owes("-1", "-0.125", "-0.13")
    case.invoice("-0.13", "0", "-0.13", has_flags=True)


@golden
def negative_under_tiers_is_zero(case: Case) -> None:
    """-5 is rated as zero, which owes the first tier's flat amount: 1. Flagged."""
    case.price("tiered", tiers=THREE_TIERS)
    case.use("-5")
    case.owes("-5", "1", "1.00")
    case.invoice("1", "0", "1", has_flags=True)


@golden
def twelve_places(case: Case) -> None:
    """7.000000000001 x 0.123456789012 = 0.864197523084 + 0.000000000000123456789012."""
    case.price("per_unit", unit_price="0.123456789012")
    case.use("7", "0.000000000001")
    case.owes("7.000000000001", "0.864197523084123456789012", "0.86")


@golden
def twenty_six_digits(case: Case) -> None:
    """12345678901234567890123456.123456789012 x 0.000000000001, to the last digit."""
    case.price("per_unit", unit_price="0.000000000001")
    case.use("12345678901234567890123456.123456789012")
    case.owes(
        "12345678901234567890123456.123456789012",
        "12345678901234.567890123456123456789012",
        "12345678901234.57",
    )


@golden
def scientific_notation(case: Case) -> None:
    """4.0E-7 + 1e3 + 2.5e-7 (as text) = 1000.00000065 x 100 = 100000.000065."""
    case.price("per_unit", unit_price="100")
    case.use("4.0E-7", "1e3", '"2.5e-7"')
    case.owes("1000.00000065", "100000.000065", "100000.00")


@golden
def sixty_and_one(case: Case) -> None:
    """1, 60, 60.2 and 125 seconds count 60, 60, 61 and 125: 306 x 0.01 = 3.06."""
    case.price("per_unit", unit_price="0.01", meter_code="call_60_1")
    case.use("1", "60", "60.2", "125", event_type="call")
    case.owes("306", "3.06", "3.06")


@golden
def sixty_and_sixty(case: Case) -> None:
    """1, 60, 60.2 and 125 seconds count 60, 60, 120 and 180: 420 x 0.01 = 4.20."""
    case.price("per_unit", unit_price="0.01", meter_code="call_60_60")
    case.use("1", "60", "60.2", "125", event_type="call")
    case.owes("420", "4.2", "4.20")


@golden
def highest_level(case: Case) -> None:
    """The highest of 3, 7.5 and 5, landed in two files on three days: 7.5 x 2 = 15."""
    case.price("per_unit", unit_price="2", meter_code="peak")
    case.use("3", event_type="level", at="2026-01-03T00:00:00Z")
    case.use("7.5", event_type="level", at="2026-01-04T00:00:00Z", file="b")
    case.use("5", event_type="level", at="2026-01-05T00:00:00Z")
    case.owes("7.5", "15", "15.00")


@golden
def unique_users(case: Case) -> None:
    """Ann on two days in two files, and Bob: 2 users x 3 = 6."""
    case.price("per_unit", unit_price="3", meter_code="users")
    for user, day, file in [("ann", 3, "a"), ("ann", 4, "b"), ("bob", 4, "b")]:
        at = f"2026-01-{day:02}T08:00:00Z"
        case.world.event(case.name, event_type="login", at=at, file=file, data={"user": user})
    case.owes("2", "6", "6.00")


@golden
def unique_users_across_a_price_change(case: Case) -> None:
    """Ann and Bob of the whole month, for 14 days at 3 and 17 at 5: 84 / 31 and 170 / 31."""
    case.price("per_unit", unit_price="3", meter_code="users", valid_to="2026-01-15")
    case.price("per_unit", unit_price="5", meter_code="users", valid_from="2026-01-15")
    at = ["2026-01-14T23:59:59.999999Z", "2026-01-15T00:00:00Z", "2026-01-20T00:00:00Z"]
    for user, instant in zip(["ann", "ann", "bob"], at, strict=True):
        case.world.event(case.name, event_type="login", at=instant, data={"user": user})
    case.owes("2", "2.709677419354838709677419", "2.71")
    case.owes("2", "5.483870967741935483870967", "5.48")


@golden
def filtered_jobs(case: Case) -> None:
    """Batch or stream, and in the EU: two of five jobs x 1."""
    case.price("per_unit", unit_price="1", meter_code="jobs")
    jobs = [("batch", "eu"), ("stream", "eu"), ("batch", "us"), ("query", "eu")]
    for kind, region in jobs:
        case.world.event(case.name, event_type="job", data={"kind": kind, "region": region})
    case.world.event(case.name, event_type="job", data={"region": "eu"})
    case.owes("2", "2", "2.00")


@golden
def one_line_per_dimension_value(case: Case) -> None:
    """Model a: 100 x 0.01 = 1. Model b: 60 x 0.01 = 0.60. Lines of their own."""
    case.price("per_unit", unit_price="0.01", meter_code="tokens")
    for model, quantity in [("a", "70"), ("b", "60"), ("a", "30")]:
        case.use(quantity, event_type="llm", data={"model": model})
    case.owes("100", "1", "1.00", dimension_values='{"model": "a"}')
    case.owes("60", "0.6", "0.60", dimension_values='{"model": "b"}')


@golden
def tax_is_rounded_once_per_rate(case: Case) -> None:
    """0.09 at 19 % is 0.0171, 0.02 (by line it were 0.03); 1.50 at 7 % is 0.105, 0.11."""
    for charge in ("a", "b", "c"):
        case.price("flat", charge=charge, unit_price="0.03", tax_category="standard")
        case.owes("1", "0.03", "0.03", tax_category="standard", tax_rate=Decimal(19))
    case.price("flat", charge="d", unit_price="1.50", tax_category="reduced")
    case.owes("1", "1.5", "1.50", tax_category="reduced", tax_rate=Decimal(7))
    case.invoice("1.59", "0.13", "1.72", has_flags=False)


@golden
def missing_tax_rate_is_flagged(case: Case) -> None:
    """No rate for Brazil: 10 without tax, and a flag."""
    case.customer["country_code"] = "BR"
    case.price("flat", unit_price="10", tax_category="standard")
    case.owes("1", "10", "10.00", tax_rate=None)
    case.invoice("10", "0", "10", has_flags=True)


@golden
def not_taxable(case: Case) -> None:
    """A price without tax category: 10 without tax, and no flag."""
    case.price("flat", unit_price="10")
    case.owes("1", "10", "10.00", tax_rate=None)
    case.invoice("10", "0", "10", has_flags=False)


@golden
def parent_pays(case: Case) -> None:
    """The parent's 2 x 1 and the daughter's 3 x 1 are lines of one invoice over 5."""
    case.price("per_unit", unit_price="1")
    daughter = f"{case.name}_daughter"
    case.world.customer(daughter, parent_customer_id=case.name)
    case.world.subscription(daughter, plan_code=case.name)
    case.use("2")
    case.world.event(daughter, "3")
    case.owes("2", "2", "2.00", subscription_id=case.name)
    case.owes("3", "3", "3.00", subscription_id=daughter)
    case.invoice("5", "0", "5")


@golden
def grandparent_pays(case: Case) -> None:
    """Daughter and granddaughter are lines at the top, with its tax: 2 + 3 + 4 and 19 %."""
    case.price("per_unit", unit_price="1", tax_category="standard")
    case.use("2")
    case.owes("2", "2", "2.00", subscription_id=case.name, tax_rate=Decimal(19))
    above = case.name
    for below, quantity in (("daughter", "3"), ("granddaughter", "4")):
        name = f"{case.name}_{below}"
        # Brazil has no rate here, so that theirs would be none.
        case.world.customer(name, parent_customer_id=above, country_code="BR")
        case.world.subscription(name, plan_code=case.name)
        case.world.event(name, quantity)
        case.owes(
            quantity,
            quantity,
            f"{quantity}.00",
            subscription_id=name,
            tax_rate=Decimal(19),
        )
        above = name
    case.invoice("9", "1.71", "10.71")


@golden
def alias_while_valid(case: Case) -> None:
    """The alias is the subscription's from the 10th until the 20th begins: (2 + 4) x 1."""
    case.price("per_unit", unit_price="1")
    alias = {"subject": "phone-1", "subscription_id": case.name}
    alias |= {"valid_from": "2026-01-10", "valid_to": "2026-01-20"}
    case.world.subjects.append(alias)
    for quantity, instant in [
        ("1", "2026-01-09T23:59:59.999999Z"),
        ("2", "2026-01-10T00:00:00Z"),
        ("4", "2026-01-19T23:59:59.999999Z"),
        ("8", "2026-01-20T00:00:00Z"),
    ]:
        case.world.event("phone-1", quantity, at=instant)
    case.owes("6", "6", "6.00")


@golden
def voided_event(case: Case) -> None:
    """5 are withdrawn: 1 x 1."""
    case.price("per_unit", unit_price="1")
    case.use("1")
    case.use("5", event_id="wrong")
    case.world.void("wrong")
    case.owes("1", "1", "1.00")


@golden
def repeated_events(case: Case) -> None:
    """Sent again in another file, and again with another quantity: the first stands, 3 x 1."""
    case.price("per_unit", unit_price="1")
    case.use("3", event_id="again")
    case.use("3", event_id="again", file="b")
    case.use("9", event_id="again")
    case.owes("3", "3", "3.00")


@golden
def same_id_from_another_source(case: Case) -> None:
    """Another source has ids of its own: 3 + 4 = 7 x 1."""
    case.price("per_unit", unit_price="1")
    case.use("3", event_id="shared")
    case.use("4", event_id="shared", source="other")
    case.owes("7", "7", "7.00")


@golden
def instant_without_zone(case: Case) -> None:
    """Without a zone the time is UTC, though the customer is in Berlin: 1 x 1 in January."""
    case.customer["timezone"] = "Europe/Berlin"
    case.term["ended_at"] = "2026-03-01"
    case.price("per_unit", unit_price="1")
    case.use("1", at="2026-01-31T22:59:59")
    case.use("2", at="2026-01-31T23:00:00")
    case.owes("1", "1", "1.00")
    case.owes("2", "2", "2.00", billing_period="2026-02")


@golden
def negative_under_packages_is_flagged(case: Case) -> None:
    """-5 is rated as zero and not printed, but the invoice of the fee says so."""
    case.price("package", unit_price="5", package_size="1000")
    case.price("flat", charge="zz_fee", unit_price="1")
    case.use("-5")
    case.owes("1", "1", "1.00", charge_code="zz_fee")
    case.invoice("1", "0", "1", has_flags=True)


@dataclass(frozen=True)
class Golden:
    """The world after its one build."""

    installation: Installation
    cases: dict[str, Case]
    lines: list[dict[str, Any]]
    invoices: list[dict[str, Any]]


def shared_world() -> tuple[Scenario, dict[str, Case]]:
    """Meters, tax rates and every case."""
    world = Scenario()
    world.meter("used", "use")
    world.meter("call_60_1", "call", rounding_increment="1", minimum_quantity="60")
    world.meter("call_60_60", "call", rounding_increment="60")
    world.meter("peak", "level", "max")
    world.meter("users", "login", "unique_count", value_property="user")
    world.meter("jobs", "job", "count", filter="kind=batch|stream;region=eu")
    world.meter("tokens", "llm", dimensions="model")
    for category, rate in [("standard", "19"), ("reduced", "7")]:
        tax = {"tax_category": category, "country_code": "DE", "tax_code": f"DE-{rate}"}
        world.tax_rates.append(tax | {"rate": rate})
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
def golden_world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Golden:
    world, cases = shared_world()
    installation = build(tmp_path_factory.mktemp("golden"), world, dbt_folder=dbt_folder)
    lines = installation.rows(f"{LINES} {IN_ORDER}")
    invoices = installation.rows("select * from marts.fct_invoices order by billing_period")
    return Golden(installation, cases, lines, invoices)


# A line of zero is left out before its flag reaches the invoice.
NAMES = [arrange.__name__ for arrange in ARRANGEMENTS]


@pytest.mark.parametrize("name", NAMES)
def test_the_bill_is_the_one_worked_out_by_hand(golden_world: Golden, name: str) -> None:
    case = golden_world.cases[name]
    case.assert_billed(golden_world.installation)
    if case.totals:
        invoices = [row for row in golden_world.invoices if row["customer_id"] == name]
        assert len(invoices) == len(case.totals)
        for row, expected in zip(invoices, case.totals, strict=True):
            assert {column: row[column] for column in expected} == expected


def test_the_documents_of_the_drafts_say_what_the_marts_say(golden_world: Golden) -> None:
    documents = golden_world.installation.folder / "documents"
    with golden_world.installation.read() as connection:
        rendered = render_period(connection, "2026-02", documents, TEMPLATES)
    drafts = [row for row in golden_world.invoices if row["billing_period"] == "2026-02"]
    assert len(rendered) == len(drafts) > 3
    by_id = {row["invoice_id"]: row for row in drafts}
    for document in rendered:
        form = json.loads(document.json_path.read_text(encoding="utf-8"))
        invoice = by_id[form["invoice_id"]]
        for column in ("net_amount", "tax_amount", "total_amount", "due_amount"):
            assert Decimal(form[column]) == invoice[column]
        lines = [
            line for line in golden_world.lines if line["invoice_id"] == form["invoice_id"]
        ]
        shown = [
            (Decimal(line["quantity"]), Decimal(line["exact_amount"]), line["net_amount"])
            for line in form["lines"]
        ]
        assert [row[:2] for row in shown] == [
            (line["quantity"], line["exact_amount"]) for line in lines
        ]
        assert sum(Decimal(row[2]) for row in shown) == invoice["net_amount"]
        assert document.pdf_path.read_bytes().startswith(b"%PDF")
        assert "draft" in document.html_path.read_text(encoding="utf-8").lower()
