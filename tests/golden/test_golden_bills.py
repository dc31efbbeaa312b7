"""Small bills worked out by hand.

Every case is one customer with a plan of its own; all of them are billed by one build. The
docstring of a case is its arithmetic. Unless a case says otherwise, the customer lives in UTC and
pays in euro, the subscription runs through January 2026, and one meter adds up `quantity`.
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
    world.tax_rates.append(
        {"tax_category": "standard", "country_code": "DE", "tax_code": "DE-19", "rate": "19"}
    )
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
    lines = installation.rows(
        "select lines.*, invoices.customer_id, invoices.billing_period"
        " from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
        " order by invoices.billing_period, lines.line_number"
    )
    invoices = installation.rows("select * from marts.fct_invoices order by billing_period")
    return Golden(installation, cases, lines, invoices)


@pytest.mark.parametrize("name", [arrange.__name__ for arrange in ARRANGEMENTS])
def test_the_bill_is_the_one_worked_out_by_hand(golden_world: Golden, name: str) -> None:
    case = golden_world.cases[name]
    lines = [line for line in golden_world.lines if line["customer_id"] == name]
    shown = [
        {column: line[column] for column in expected}
        for line, expected in zip(lines, case.expected, strict=False)
    ]
    assert shown == case.expected
    assert len(lines) == len(case.expected), lines
    if case.totals:
        invoices = [row for row in golden_world.invoices if row["customer_id"] == name]
        assert len(invoices) == len(case.totals)
        for row, expected in zip(invoices, case.totals, strict=True):
            assert {column: row[column] for column in expected} == expected
