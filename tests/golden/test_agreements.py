"""Bills with bounds, discounts, commitments and every kind of tax, worked out by hand.

A case is one customer with a plan of its own; all of them are billed by one build. Expected
lines are written as they are printed, ``<month> <line_type> <charge_code> <net amount>``, with
the filter of the price behind a line that bounds one.
Unless a case says otherwise, one meter adds up ``quantity``, the price is 1 euro per unit and
the subscription runs through January 2026.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Installation, Scenario, build


@dataclass
class Case:
    """One customer: what was agreed, and what has to be billed."""

    name: str
    world: Scenario
    currency: str = "EUR"
    plan: dict[str, Any] = field(default_factory=dict)
    customer: dict[str, Any] = field(default_factory=dict)
    term: dict[str, Any] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    taxes: list[str] = field(default_factory=list)
    totals: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)

    def price(self, model: str = "per_unit", **columns: Any) -> None:
        """Add a price of 1 to the plan of the case."""
        usual = {} if model == "flat" else {"meter_code": "used"}
        self.world.price(self.name, model, **(usual | {"unit_price": "1"} | columns))

    def fee(self, charge: str, amount: str, **columns: Any) -> None:
        """Add a monthly fee."""
        self.price("flat", charge=charge, unit_price=amount, **columns)

    def use(self, quantity: str, at: str = "2026-01-10T12:00:00Z", **columns: Any) -> None:
        """Send an event."""
        self.world.event(self.name, quantity, at=at, **columns)

    def discount(self, code: str, kind: str, size: str, **columns: Any) -> None:
        """Add a discount of this plan."""
        scope = {"discount_name": code, "plan_code": self.name}
        self.world.discount(f"{self.name}-{code}", kind, size, **(scope | columns))

    def commit(self, amount: str, **columns: Any) -> None:
        """Commit every subscription of this plan."""
        scope = {"plan_code": self.name}
        self.world.commitment(f"{self.name}-deal", amount, **(scope | columns))


ARRANGEMENTS: list[Callable[[Case], None]] = []


def golden(arrangement: Callable[[Case], None]) -> Callable[[Case], None]:
    """Put a case into the world."""
    ARRANGEMENTS.append(arrangement)
    return arrangement


# --- minimum and maximum ------------------------------------------------------------------


@golden
def minimum_not_reached(case: Case) -> None:
    """40.005 prints as 40.01; 100 - 40.01 = 59.99 are missing, so that the lines are 100."""
    case.price(minimum_amount="100")
    case.use("40.005")
    case.lines = ["01 charge usage 40.01", "01 minimum usage 59.99"]


@golden
def minimum_without_usage(case: Case) -> None:
    """Nothing used: all of the 100."""
    case.price(minimum_amount="100")
    case.lines = ["01 minimum usage 100"]


@golden
def minimum_exactly_reached(case: Case) -> None:
    """100 of 100: no line."""
    case.price(minimum_amount="100")
    case.use("100")
    case.lines = ["01 charge usage 100"]


@golden
def minimum_of_a_part_of_the_period(case: Case) -> None:
    """From 10 January, 22 of 31 days: 100 x 22 / 31 = 70.97 less 20."""
    case.term = {"started_at": "2026-01-10"}
    case.price(minimum_amount="100")
    case.use("20")
    case.lines = ["01 charge usage 20", "01 minimum usage 50.97"]


@golden
def minimum_over_a_price_change(case: Case) -> None:
    """(100 x 14 + 50 x 17) / 31 = 72.58, set against 30 x 1 + 10 x 2 = 50 of both versions."""
    case.price(minimum_amount="100", valid_to="2026-01-15")
    case.price(unit_price="2", minimum_amount="50", valid_from="2026-01-15")
    case.use("30")
    case.use("10", at="2026-01-20T00:00:00Z")
    case.lines = ["01 charge usage 30", "01 charge usage 20", "01 minimum usage 22.58"]


@golden
def minimum_of_yen(case: Case) -> None:
    """8500.5 prints as 8501: 1499 are missing, not 1499.5."""
    case.currency = "JPY"
    case.price(minimum_amount="10000")
    case.use("8500.5")
    case.lines = ["01 charge usage 8501", "01 minimum usage 1499"]


@golden
def maximum_exceeded(case: Case) -> None:
    """30 x 100 = 3000, at most 2000."""
    case.price(unit_price="100", maximum_amount="2000")
    case.use("30")
    case.lines = ["01 charge usage 3000", "01 maximum usage -1000"]


@golden
def maximum_over_dimension_values(case: Case) -> None:
    """60 + 70 of two models are one charge: 130, at most 100."""
    case.price(meter_code="tokens", maximum_amount="100")
    case.use("60", event_type="llm", data={"model": "a"})
    case.use("70", event_type="llm", data={"model": "b"})
    case.lines = ["01 charge usage 60", "01 charge usage 70", "01 maximum usage -30"]


@golden
def minimums_of_two_filters(case: Case) -> None:
    """Each filter has a minimum of its own, of versions that change on 15 January.

    3.10 x 14 / 31 + 6.20 x 17 / 31 = 4.80 for a or b, of which 2 are used; the others 31.
    """
    for models, minimums in (("model=a|b;region=eu*", ("3.1", "6.2")), ("", ("31", "31"))):
        scope = {"meter_code": "tokens", "dimension_filter": models}
        case.price(minimum_amount=minimums[0], valid_to="2026-01-15", **scope)
        case.price(minimum_amount=minimums[1], valid_from="2026-01-15", **scope)
    case.use("2", event_type="llm", data={"model": "a", "region": "eu-1"})
    case.lines = [
        "01 charge usage 2",
        '01 minimum usage 2.8 {"model": "a|b", "region": "eu*"}',
        "01 minimum usage 31",
    ]


@golden
def maximum_of_one_version(case: Case) -> None:
    """310 x 17 / 31 = 170 cap the 200 of the second version; the 500 before it stay."""
    case.price(valid_to="2026-01-15")
    case.price(maximum_amount="310", valid_from="2026-01-15")
    case.use("500")
    case.use("200", at="2026-01-20T00:00:00Z")
    case.lines = ["01 charge usage 500", "01 charge usage 200", "01 maximum usage -30"]


@golden
def maximum_and_then_minimum(case: Case) -> None:
    """The first version gives back 100 - 62 x 14 / 31 = 72, so that 28 stay.

    The minimum of the second is 310 x 17 / 31 = 170: 142 are missing.
    """
    case.price(maximum_amount="62", valid_to="2026-01-15")
    case.price(minimum_amount="310", valid_from="2026-01-15")
    case.use("100")
    case.lines = ["01 charge usage 100", "01 maximum usage -72", "01 minimum usage 142"]


# --- discounts ----------------------------------------------------------------------------


@golden
def percentage_of_each_charge(case: Case) -> None:
    """10 % of 200 and of 300, a line each."""
    case.fee("a", "200")
    case.fee("b", "300")
    case.discount("ten", "percentage", "10")
    case.lines = [
        "01 charge a 200",
        "01 charge b 300",
        "01 discount a -20",
        "01 discount b -30",
    ]


@golden
def percentage_of_a_minimum(case: Case) -> None:
    """The minimum comes first: 10 % of 40 + 60."""
    case.price(minimum_amount="100")
    case.use("40")
    case.discount("ten", "percentage", "10")
    case.lines = ["01 charge usage 40", "01 minimum usage 60", "01 discount usage -10"]


@golden
def percentages_add_up(case: Case) -> None:
    """60 % and 60 % of 50 are 30 and the 20 that are left, not 80 % and not 120 %."""
    case.fee("a", "50")
    case.fee("b", "1")
    case.discount("one", "percentage", "60", charge_code="a")
    case.discount("two", "percentage", "60", charge_code="a")
    case.lines = ["01 charge a 50", "01 charge b 1", "01 discount a -30", "01 discount a -20"]


@golden
def two_halves_of_a_cent(case: Case) -> None:
    """50 % of 0.01 is 0.01; the second half adds nothing, so that nothing is given back."""
    case.fee("a", "0.01")
    case.fee("b", "1")
    case.discount("one", "percentage", "50", charge_code="a")
    case.discount("two", "percentage", "50", charge_code="a")
    case.lines = ["01 charge a 0.01", "01 charge b 1", "01 discount a -0.01"]


@golden
def fixed_after_percentage(case: Case) -> None:
    """100 - 10 % = 90, less 15."""
    case.fee("a", "100")
    case.discount("fixed", "fixed", "15")
    case.discount("ten", "percentage", "10")
    case.lines = ["01 charge a 100", "01 discount a -10", "01 discount a -15"]
    case.totals = ["75 0 75"]


@golden
def fixed_above_the_charge(case: Case) -> None:
    """15 off a charge of 10 are 10; the other charge is not touched."""
    case.fee("a", "10")
    case.fee("b", "3")
    case.discount("fixed", "fixed", "15", charge_code="a")
    case.lines = ["01 charge a 10", "01 charge b 3", "01 discount a -10"]


@golden
def fixed_shared_by_the_largest_remainder(case: Case) -> None:
    """5 over 10.00, 20.00 and 30.00 of two categories: 0.8333, 1.6667 and 2.5.

    0.83, 1.66 and 2.50 leave one cent, which the largest remainder gets: 1.67. Tax at 19 % is
    on 10 - 0.83 + 20 - 1.67 = 27.50, at 7 % on 27.50: 5.23 (5.225) and 1.93 (1.925).
    """
    case.fee("a", "10", tax_category="standard")
    case.fee("b", "20", tax_category="standard")
    case.fee("c", "30", tax_category="reduced")
    case.discount("fixed", "fixed", "5")
    case.lines = ["01 charge a 10", "01 charge b 20", "01 charge c 30"]
    case.lines += ["01 discount a -0.83", "01 discount b -1.67", "01 discount c -2.5"]
    case.taxes = ["DE-19 19 27.5 5.23", "DE-7 7 27.5 1.93"]
    case.totals = ["55 7.16 62.16"]


@golden
def equal_remainders_go_in_order(case: Case) -> None:
    """0.05 over three equal charges: 0.02, 0.02, 0.01."""
    for charge in "abc":
        case.fee(charge, "1")
    case.discount("fixed", "fixed", "0.05")
    case.lines = [f"01 charge {charge} 1" for charge in "abc"]
    case.lines += ["01 discount a -0.02", "01 discount b -0.02", "01 discount c -0.01"]


@golden
def fixed_discounts_of_one_charge(case: Case) -> None:
    """60 and 60 off 100: 60 and 40."""
    case.fee("a", "100")
    case.fee("b", "1")
    case.discount("one", "fixed", "60", charge_code="a")
    case.discount("two", "fixed", "60", charge_code="a")
    case.lines = ["01 charge a 100", "01 charge b 1", "01 discount a -60", "01 discount a -40"]


@golden
def discount_of_two_periods(case: Case) -> None:
    """Half price for the first two periods of the subscription, of three."""
    case.term = {"ended_at": "2026-04-01"}
    case.fee("a", "10")
    case.discount("half", "percentage", "50", period_count="2")
    case.lines = ["01 charge a 10", "01 discount a -5", "02 charge a 10", "02 discount a -5"]
    case.lines += ["03 charge a 10"]


@golden
def discount_from_the_middle_of_a_period(case: Case) -> None:
    """Valid from 15 January until 15 February: it holds for the period that begins in it."""
    case.term = {"ended_at": "2026-04-01"}
    case.fee("a", "10")
    case.discount("half", "percentage", "50", valid_from="2026-01-15", valid_to="2026-02-15")
    case.lines = ["01 charge a 10", "02 charge a 10", "02 discount a -5", "03 charge a 10"]


@golden
def discount_until_a_period_begins(case: Case) -> None:
    """Valid until 1 February: not for the period that begins at that instant."""
    case.term = {"ended_at": "2026-03-01"}
    case.fee("a", "10")
    case.discount("half", "percentage", "50", valid_to="2026-02-01")
    case.lines = ["01 charge a 10", "01 discount a -5", "02 charge a 10"]


@golden
def fixed_discount_beside_a_reversal(case: Case) -> None:
    """5 off a fee of 10; what a reversal gives back takes no part of it, and adds none."""
    case.fee("a", "10")
    case.price()
    case.use("-4")
    case.discount("fixed", "fixed", "5")
    case.lines = ["01 charge a 10", "01 charge usage -4", "01 discount a -5"]
    case.totals = ["1 0 1"]


@golden
def fixed_discount_of_a_parent(case: Case) -> None:
    """3 off the one invoice for parent and daughter: 10 + 20 share it as 1 and 2."""
    daughter = f"{case.name}_daughter"
    case.world.customer(daughter, parent_customer_id=case.name)
    case.world.subscription(daughter, plan_code=case.name)
    case.price()
    case.use("10")
    case.world.event(daughter, "20")
    case.discount("fixed", "fixed", "3", plan_code="", customer_id=case.name)
    case.lines = ["01 charge usage 10", "01 charge usage 20"]
    case.lines += ["01 discount usage -1", "01 discount usage -2"]


@golden
def free_units_beside_included_ones(case: Case) -> None:
    """10 included and 30 from a discount: of 50 used, 10 are charged."""
    case.price(included_quantity="10")
    case.use("50")
    case.discount("free", "free_units", "30", charge_code="usage")
    case.lines = ["01 charge usage 10"]


@golden
def free_units_before_the_tiers(case: Case) -> None:
    """20 less 5 free are 15, all of them in the first tier: 150."""
    case.price("volume", unit_price="", tiers=[("15", "10"), ("", "5")])
    case.use("20")
    case.discount("free", "free_units", "5", charge_code="usage")
    case.lines = ["01 charge usage 150"]


@golden
def discount_of_usage_billed_before_the_plan(case: Case) -> None:
    """A plan by the quarter, usage by the month: each month is a billing period.

    10 % of 10, 20 and 30; half of the first two.
    """
    case.plan = {"interval": "quarter"}
    case.term = {"ended_at": "2026-04-01"}
    case.price(billing_interval="month")
    for month, quantity in [("01", "10"), ("02", "20"), ("03", "30")]:
        case.use(quantity, at=f"2026-{month}-10T00:00:00Z")
    case.discount("half", "percentage", "50", period_count="2")
    case.discount("ten", "percentage", "10")
    case.lines = ["01 charge usage 10", "01 discount usage -5", "01 discount usage -1"]
    case.lines += ["02 charge usage 20", "02 discount usage -10", "02 discount usage -2"]
    case.lines += ["03 charge usage 30", "03 discount usage -3"]


# --- currencies ---------------------------------------------------------------------------


@golden
def price_in_the_currency_of_the_customer(case: Case) -> None:
    """The plan is in euro and has prices in dollars; the customer has dollars: 50 x 1.10."""
    case.customer = {"currency_code": "USD"}
    case.price()
    case.price(unit_price="1.10", currency_code="USD", price_id=f"{case.name}-dollars")
    case.use("50")
    case.lines = ["01 charge usage 55"]
    case.reported = ["USD 0.9 49.5 49.5"]


@golden
def currency_in_which_the_plan_has_no_price(case: Case) -> None:
    """The customer has dinars, the plan only euro and dollars: 50 euro."""
    case.customer = {"currency_code": "KWD"}
    case.price()
    case.price(unit_price="1.10", currency_code="USD", price_id=f"{case.name}-dollars")
    case.use("50")
    case.lines = ["01 charge usage 50"]
    case.reported = ["EUR 1 50 50"]


@golden
def reported_at_the_rate_of_the_last_day(case: Case) -> None:
    """1001 yen at 0.0065 of 31 January, not the 0.0070 of 1 February: 6.51 (6.5065)."""
    case.currency = "JPY"
    case.price()
    case.use("1001")
    case.lines = ["01 charge usage 1001"]
    case.reported = ["JPY 0.0065 6.51 6.51"]


@golden
def currency_without_a_rate(case: Case) -> None:
    """No rate, no guess."""
    case.currency = "BRL"
    case.price()
    case.use("50")
    case.lines = ["01 charge usage 50"]
    case.reported = ["BRL"]


# --- commitments --------------------------------------------------------------------------


@golden
def commitment_not_spent(case: Case) -> None:
    """749.996 prints as 750.00; 250 are missing to 1000."""
    case.price()
    case.use("749.996")
    case.commit("1000", tax_category="standard")
    deal = f"{case.name}-deal"
    case.lines = ["01 charge usage 750", f"01 true_up {deal} 250"]
    case.totals = ["1000 47.5 1047.5"]


@golden
def commitment_of_a_part_of_the_period(case: Case) -> None:
    """From 10 January, 22 of 31 days: 310 x 22 / 31 = 220, less 20."""
    case.term = {"started_at": "2026-01-10"}
    case.price()
    case.use("20")
    case.commit("310")
    case.lines = ["01 charge usage 20", f"01 true_up {case.name}-deal 200"]


@golden
def commitment_after_a_trial_and_a_pause(case: Case) -> None:
    """Free until the 11th and paused from the 21st on: 310 x 10 / 31 = 100, less 20.

    February is paused from end to end and commits to nothing.
    """
    case.term = {"trial_ends_at": "2026-01-11", "ended_at": "2026-03-01"}
    pause = {"subscription_id": case.name, "paused_from": "2026-01-21", "paused_to": ""}
    case.world.pauses.append(pause)
    case.price()
    case.use("20", at="2026-01-11T00:00:00Z")
    case.commit("310")
    case.lines = ["01 charge usage 20", f"01 true_up {case.name}-deal 80"]


@golden
def commitment_of_a_quarter_with_monthly_usage(case: Case) -> None:
    """50 a quarter at factor 2, usage by the month: 10, 20, and 30 of which 10 are beyond."""
    case.plan = {"interval": "quarter"}
    case.term = {"ended_at": "2026-04-01"}
    case.price(billing_interval="month")
    for month, quantity in [("01", "10"), ("02", "20"), ("03", "30")]:
        case.use(quantity, at=f"2026-{month}-10T00:00:00Z")
    case.commit("50", overage_factor="2")
    case.lines = ["01 charge usage 10", "02 charge usage 20", "03 charge usage 30"]
    case.lines += [f"03 overage {case.name}-deal 10"]


@golden
def true_up_of_a_quarter_with_monthly_usage(case: Case) -> None:
    """100 a quarter, 10 of January and 20 of March: 70 are due, with March."""
    case.plan = {"interval": "quarter"}
    case.term = {"ended_at": "2026-04-01"}
    case.price(billing_interval="month")
    for month, quantity in [("01", "10"), ("03", "20")]:
        case.use(quantity, at=f"2026-{month}-10T00:00:00Z")
    case.commit("100")
    case.lines = ["01 charge usage 10", "03 charge usage 20"]
    case.lines += [f"03 true_up {case.name}-deal 70"]


@golden
def overage_beyond_a_commitment(case: Case) -> None:
    """15 spent, 10 committed, factor 1.5: 5 x 0.5 = 2.50 on top, 17.50 in all."""
    case.price()
    case.use("15")
    case.commit("10", overage_factor="1.5")
    case.lines = ["01 charge usage 15", f"01 overage {case.name}-deal 2.5"]


@golden
def overage_of_a_term(case: Case) -> None:
    """60 for three months at factor 2: 50; 12, of which 2 beyond, + 2; 12 beyond, + 12."""
    case.term = {"ended_at": "2026-04-01"}
    case.price()
    for month, quantity in [("01", "50"), ("02", "12"), ("03", "12")]:
        case.use(quantity, at=f"2026-{month}-10T00:00:00Z")
    term = {"valid_from": "2026-01-01", "valid_to": "2026-04-01"}
    case.commit("60", commitment_interval="term", overage_factor="2", **term)
    deal = f"{case.name}-deal"
    case.lines = ["01 charge usage 50", "02 charge usage 12", f"02 overage {deal} 2"]
    case.lines += ["03 charge usage 12", f"03 overage {deal} 12"]


@golden
def true_up_at_the_end_of_a_term(case: Case) -> None:
    """60 for a year; the contract ends on 1 April after 3 x 10: 30 are due in March."""
    case.term = {"ended_at": "2026-04-01"}
    case.fee("a", "10")
    term = {"valid_from": "2026-01-01", "valid_to": "2027-01-01"}
    case.commit("60", commitment_interval="term", **term)
    case.lines = ["01 charge a 10", "02 charge a 10", "03 charge a 10"]
    case.lines += [f"03 true_up {case.name}-deal 30"]


@golden
def commitment_to_one_charge(case: Case) -> None:
    """Only the usage of 30 counts, not the fee of 50: 70 are missing to 100."""
    case.price()
    case.fee("fee", "50")
    case.use("30")
    case.commit("100", charge_code="usage")
    case.lines = ["01 charge fee 50", "01 charge usage 30", f"01 true_up {case.name}-deal 70"]


@golden
def commitment_after_a_minimum_and_a_maximum(case: Case) -> None:
    """10 used, at least 80, and 50 used, at most 5: 85 of 100 are spent, 15 are missing."""
    case.price(charge="a", minimum_amount="80")
    case.price(charge="b", unit_price="5", maximum_amount="5")
    case.use("10")
    case.commit("100")
    case.lines = ["01 charge a 10", "01 charge b 50", "01 minimum a 70", "01 maximum b -45"]
    case.lines += [f"01 true_up {case.name}-deal 15"]


@golden
def commitment_before_discounts(case: Case) -> None:
    """100 are reached before 10 % go off: no true-up."""
    case.fee("a", "100")
    case.commit("100")
    case.discount("ten", "percentage", "10")
    case.lines = ["01 charge a 100", "01 discount a -10"]


# --- tax ----------------------------------------------------------------------------------


@golden
def rates_that_add_up(case: Case) -> None:
    """99.99 at 8.875, 2.125 and 0.5 %, each rounded: 8.87, 2.12 and 0.50, not 11.50."""
    case.customer = {"country_code": "US"}
    case.fee("a", "99.99", tax_category="standard")
    case.lines = ["01 charge a 99.99"]
    case.taxes = ["US-CITY 2.125 99.99 2.12", "US-MTA 0.5 99.99 0.5"]
    case.taxes += ["US-STATE 8.875 99.99 8.87"]
    case.totals = ["99.99 11.49 111.48"]


@golden
def tax_on_what_a_discount_leaves(case: Case) -> None:
    """(100 - 10) x 19 % = 17.10."""
    case.fee("a", "100", tax_category="standard")
    case.discount("ten", "percentage", "10")
    case.lines = ["01 charge a 100", "01 discount a -10"]
    case.totals = ["90 17.1 107.1"]


@golden
def exempt_customer(case: Case) -> None:
    """No tax, and a row that says why; nothing to look at."""
    case.customer = {"tax_treatment": "exempt"}
    case.fee("a", "100", tax_category="standard")
    case.lines = ["01 charge a 100"]
    case.taxes = ["exempt 0 100 0"]
    case.totals = ["100 0 100"]


@golden
def reverse_charge(case: Case) -> None:
    """The customer accounts for the tax, even where his country has no rate here."""
    case.customer = {"tax_treatment": "reverse_charge", "country_code": "FR"}
    case.fee("a", "100", tax_category="standard")
    case.fee("b", "1")
    case.lines = ["01 charge a 100", "01 charge b 1"]
    case.taxes = ["reverse_charge 0 100 0"]
    case.totals = ["101 0 101"]


@golden
def price_that_includes_tax(case: Case) -> None:
    """119 with 19 %: 100 and 19."""
    case.plan = {"tax_included": "true"}
    case.fee("a", "119", tax_category="standard")
    case.lines = ["01 charge a 100"]
    case.taxes = ["DE-19 19 100 19"]
    case.totals = ["100 19 119"]


@golden
def prices_that_include_tax_are_kept_to_the_cent(case: Case) -> None:
    """3 x 10.00 with 19 %: 8.40 (8.4034) each are 25.20, the tax in 30.00 is 4.79 (4.7899).

    25.20 + 4.79 = 29.99 lack a cent of the 30.00 that were promised: a rounding line.
    """
    case.plan = {"tax_included": "true"}
    for charge in "abc":
        case.fee(charge, "10", tax_category="standard")
    case.lines = [f"01 charge {charge} 8.4" for charge in "abc"]
    case.lines += ["01 rounding rounding 0.01"]
    case.taxes = ["DE-19 19 25.21 4.79"]
    case.totals = ["25.21 4.79 30"]


@golden
def included_taxes_that_add_up(case: Case) -> None:
    """100 with 11.5 %: 8.875, 2.125 and 0.5 of 111.5 parts: 7.96, 1.91, 0.45. 89.68 stay.

    100 x 100 / 111.5 = 89.69 (89.6861) is a cent too much beside 10.32 of tax.
    """
    case.plan = {"tax_included": "true"}
    case.customer = {"country_code": "US"}
    case.fee("a", "100", tax_category="standard")
    case.lines = ["01 charge a 89.69", "01 rounding rounding -0.01"]
    case.taxes = ["US-CITY 2.125 89.68 1.91", "US-MTA 0.5 89.68 0.45"]
    case.taxes += ["US-STATE 8.875 89.68 7.96"]
    case.totals = ["89.68 10.32 100"]


@golden
def discount_of_a_price_that_includes_tax(case: Case) -> None:
    """10 % of 119.00 are 11.90 with tax: 100 - 10 net, and 17.10 in 107.10."""
    case.plan = {"tax_included": "true"}
    case.fee("a", "119", tax_category="standard")
    case.discount("ten", "percentage", "10")
    case.lines = ["01 charge a 100", "01 discount a -10"]
    case.totals = ["90 17.1 107.1"]


@golden
def discount_over_a_change_of_tax_rates(case: Case) -> None:
    """All of 100 at 10 % and of 50 at 20 % is free: no tax, and none that is given back."""
    tax = {"tax_category": "raised"}
    case.price(valid_to="2026-01-16", **tax)
    case.price(unit_price="0.5", valid_from="2026-01-16", **tax)
    case.fee("kept", "1")
    case.use("100")
    case.use("100", at="2026-01-20T00:00:00Z")
    case.discount("all", "percentage", "100", charge_code="usage")
    case.lines = ["01 charge kept 1", "01 charge usage 100", "01 charge usage 50"]
    case.lines += ["01 discount usage -100", "01 discount usage -50"]
    case.taxes = ["DE-10 10 0 0", "DE-20 20 0 0"]
    case.totals = ["1 0 1"]


@golden
def fixed_discount_over_a_change_of_tax_rates(case: Case) -> None:
    """0.05 off 100 and 50: 0.0333 is 0.03 at 10 %, and the 0.02 that are left at 20 %."""
    tax = {"tax_category": "raised"}
    case.price(valid_to="2026-01-16", **tax)
    case.price(unit_price="0.5", valid_from="2026-01-16", **tax)
    case.use("100")
    case.use("100", at="2026-01-20T00:00:00Z")
    case.discount("few", "fixed", "0.05")
    case.lines = ["01 charge usage 100", "01 charge usage 50"]
    case.lines += ["01 discount usage -0.03", "01 discount usage -0.02"]
    case.taxes = ["DE-10 10 99.97 10", "DE-20 20 49.98 10"]
    case.totals = ["149.95 20 169.95"]


@golden
def discounts_that_begin_on_one_day(case: Case) -> None:
    """100 until 15 January at 10 %, and a minimum of the month at 20 %: two discounts."""
    scope = {"meter_code": "tokens", "tax_category": "raised"}
    case.price(valid_to="2026-01-16", **scope)
    case.price(valid_from="2026-01-16", **scope)
    case.price(dimension_filter="region=eu", minimum_amount="50", **scope)
    case.use("100", event_type="llm", data={"region": "us"})
    case.discount("half", "percentage", "50")
    case.lines = ["01 charge usage 100", '01 minimum usage 50 {"region": "eu"}']
    case.lines += ["01 discount usage -50", "01 discount usage -25"]
    case.taxes = ["DE-10 10 50 5", "DE-20 20 25 5"]
    case.totals = ["75 10 85"]


@golden
def maximum_over_a_change_of_tax_rates(case: Case) -> None:
    """110 of 120 at 10 % and of 40 at 20 % are given back: 82.50 and 27.50."""
    bounds = {"maximum_amount": "50", "tax_category": "raised"}
    case.price(valid_to="2026-01-16", **bounds)
    case.price(valid_from="2026-01-16", **bounds)
    case.use("120")
    case.use("40", at="2026-01-20T00:00:00Z")
    case.lines = ["01 charge usage 120", "01 charge usage 40"]
    case.lines += ["01 maximum usage -82.5", "01 maximum usage -27.5"]
    case.taxes = ["DE-10 10 37.5 3.75", "DE-20 20 12.5 2.5"]
    case.totals = ["50 6.25 56.25"]


@golden
def maximum_of_the_version_before_a_change_of_tax_rates(case: Case) -> None:
    """62 x 15 / 31 = 30 cap the first half; what is given back is taxed at 10 % like it."""
    case.price(valid_to="2026-01-16", maximum_amount="62", tax_category="raised")
    case.price(valid_from="2026-01-16", tax_category="raised")
    case.use("100")
    case.use("40", at="2026-01-20T00:00:00Z")
    case.lines = ["01 charge usage 100", "01 charge usage 40", "01 maximum usage -70"]
    case.taxes = ["DE-10 10 30 3", "DE-20 20 40 8"]
    case.totals = ["70 11 81"]


@golden
def discount_of_a_reversal_at_another_tax_rate(case: Case) -> None:
    """-20 at 10 % and 50 at 20 %: half of the 30 is 15, of which 10 are added to the -20."""
    tax = {"tax_category": "raised"}
    case.price(valid_to="2026-01-16", **tax)
    case.price(unit_price="0.5", valid_from="2026-01-16", **tax)
    case.use("-20")
    case.use("100", at="2026-01-20T00:00:00Z")
    case.discount("half", "percentage", "50")
    case.lines = ["01 charge usage -20", "01 charge usage 50"]
    case.lines += ["01 discount usage 10", "01 discount usage -25"]
    case.taxes = ["DE-10 10 -10 -1", "DE-20 20 25 5"]
    case.totals = ["15 4 19"]


@golden
def price_that_includes_no_tax(case: Case) -> None:
    """Whoever owes no tax pays the price as it stands."""
    case.plan = {"tax_included": "true"}
    case.customer = {"tax_treatment": "exempt"}
    case.fee("a", "119", tax_category="standard")
    case.lines = ["01 charge a 119"]
    case.totals = ["119 0 119"]


@golden
def tiers_of_a_price_that_includes_tax(case: Case) -> None:
    """10 x 1.19 + 20 x 0.595 = 23.80 with tax: 20 without."""
    case.plan = {"tax_included": "true"}
    tiers = [("10", "1.19"), ("", "0.595")]
    case.price("tiered", tiers=tiers, unit_price="", tax_category="standard")
    case.use("30")
    case.lines = ["01 charge usage 20"]
    case.totals = ["20 3.8 23.8"]


@dataclass(frozen=True)
class Golden:
    """The world after its one build."""

    installation: Installation
    cases: dict[str, Case]


def shared_world() -> tuple[Scenario, dict[str, Case]]:
    """Meters, tax rates, exchange rates and every case."""
    world, cases = Scenario(), {}
    world.meter("used", "use")
    world.meter("tokens", "llm", dimensions="model|region")
    for category, country, code, rate in [
        ("standard", "DE", "DE-19", "19"),
        ("reduced", "DE", "DE-7", "7"),
        ("standard", "US", "US-STATE", "8.875"),
        ("standard", "US", "US-CITY", "2.125"),
        ("standard", "US", "US-MTA", "0.5"),
    ]:
        row = {"tax_category": category, "country_code": country, "tax_code": code}
        world.tax_rates.append(row | {"rate": rate})
    raised = {"tax_category": "raised", "country_code": "DE"}
    world.tax_rates += [
        raised | {"tax_code": "DE-10", "rate": "10", "valid_to": "2026-01-16"},
        raised | {"tax_code": "DE-20", "rate": "20", "valid_from": "2026-01-16"},
    ]
    world.seller = {"reporting_currency_code": "EUR"}
    for currency, day, rate in [
        ("JPY", "2026-01-31", "0.0065"),
        ("JPY", "2026-02-01", "0.0070"),
        ("USD", "2025-12-30", "0.9"),
    ]:
        row = {"from_currency": currency, "to_currency": "EUR", "rate_date": day}
        world.exchange_rates.append(row | {"rate": rate})
    for arrange in ARRANGEMENTS:
        case = cases[arrange.__name__] = Case(arrange.__name__, world)
        arrange(case)
        world.plan(case.name, case.currency, **case.plan)
        world.customer(case.name, **({"currency_code": case.currency} | case.customer))
        world.subscription(case.name, **case.term)
    return world, cases


@pytest.fixture(scope="module")
def golden_world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Golden:
    world, cases = shared_world()
    folder = tmp_path_factory.mktemp("agreements")
    return Golden(build(folder, world, dbt_folder=dbt_folder), cases)


def plain(value: Decimal) -> str:
    """Without needless zeros: 12.500000 is 12.5, 10 stays 10."""
    return format(value.normalize(), "f")


@pytest.mark.parametrize("name", [arrange.__name__ for arrange in ARRANGEMENTS])
def test_the_bill_is_the_one_worked_out_by_hand(golden_world: Golden, name: str) -> None:
    case, installation = golden_world.cases[name], golden_world.installation
    invoices = "marts.fct_invoices as invoices using (invoice_id) where customer_id = ?"
    lines = installation.rows(
        "select billing_period, line_type, charge_code, lines.net_amount,"
        "  case when line_type = 'charge' or dimension_values = '{}' then ''"
        "    else ' ' || dimension_values end as filtered"
        f" from marts.fct_invoice_lines as lines inner join {invoices}"
        " order by billing_period, line_number",
        [name],
    )
    assert [
        f"{line['billing_period'][5:]} {line['line_type']} {line['charge_code']}"
        f" {plain(line['net_amount'])}{line['filtered']}"
        for line in lines
    ] == case.lines
    if case.taxes:
        taxes = installation.rows(
            "select tax_code, tax_rate, taxable_amount, taxes.tax_amount"
            f" from marts.fct_invoice_taxes as taxes inner join {invoices} order by tax_code",
            [name],
        )
        shown = [" ".join([tax.pop("tax_code"), *map(plain, tax.values())]) for tax in taxes]
        assert shown == case.taxes
    if case.reported:
        reported = installation.rows(
            "select currency_code, exchange_rate, reporting_net_amount, reporting_total_amount"
            " from marts.fct_invoices where customer_id = ?",
            [name],
        )
        shown = [
            " ".join([row.pop("currency_code"), *map(plain, filter(None, row.values()))])
            for row in reported
        ]
        assert shown == case.reported
    if case.totals:
        totals = installation.rows(
            "select net_amount, tax_amount, total_amount from marts.fct_invoices"
            " where customer_id = ? and not has_flags order by billing_period",
            [name],
        )
        assert [" ".join(map(plain, row.values())) for row in totals] == case.totals
