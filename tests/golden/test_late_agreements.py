"""What late usage changes in an issued period: its bounds, discounts and commitments too.

Each customer is billed for January and issued. Then usage of January lands late, and what the
month comes to as of everything now known, less what was invoiced, is a line in February.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.harness import Scenario, build

LINES = """
    select customer_id, line_type, charge_code, lines.net_amount, gross_amount
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices using (invoice_id)
    where invoice_status = 'draft' and line_type = 'adjustment'
    order by customer_id, line_number
"""


@pytest.fixture(scope="module")
def adjustments(
    tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path
) -> dict[str, list[tuple[str, Decimal]]]:
    world = Scenario()
    world.meter("used", "use")
    for category, rate in [("standard", "19"), ("reduced", "7")]:
        tax = {"tax_category": category, "country_code": "DE", "tax_code": f"DE-{rate}"}
        world.tax_rates.append(tax | {"rate": rate})
    prices = {
        "minimum": {"minimum_amount": "100"},
        "maximum": {"maximum_amount": "50"},
        "fixed": {"tax_category": "standard"},
        "gross": {"tax_category": "standard"},
    }
    for name in ("minimum", "maximum", "discounted", "committed", "fixed", "gross"):
        included = {"tax_included": "true"} if name == "gross" else {}
        world.plan(name, **included)
        terms = {"meter_code": "used", "unit_price": "1"}
        world.price(name, "per_unit", **terms, **prices.get(name, {}))
        world.customer(name)
        world.subscription(name, ended_at="")
        world.event(name, "40")
    world.price("fixed", "flat", charge="fee", unit_price="60", tax_category="reduced")
    world.discount("ten", "percentage", "10", plan_code="discounted")
    world.discount("twenty", "fixed", "20", plan_code="fixed")
    world.commitment("deal", "60", overage_factor="2", plan_code="committed")
    installation = build(
        tmp_path_factory.mktemp("late"),
        world,
        dbt_folder=dbt_folder,
        period="2026-01",
        tested=False,
    )
    assert installation.issue("2026-01") == 6

    late = Scenario(customers=world.customers, subscriptions=world.subscriptions)
    for subscription in world.subscriptions:
        name = subscription["subscription_id"]
        late.event(name, "40", event_id=f"late-{name}", at="2026-01-31T00:00:00Z")
    installation.land(late, batch="2")
    installation.bill("2026-02")
    found: dict[str, list[tuple[str, Decimal]]] = {}
    for line in installation.rows(LINES):
        found.setdefault(line["customer_id"], []).append(
            (line["charge_code"], line["gross_amount"] or line["net_amount"])
        )
    return found


def test_late_usage_within_a_minimum_costs_nothing(
    adjustments: dict[str, list[tuple[str, Decimal]]],
) -> None:
    """40 + 60 were invoiced; 80 + 20 are the same 100."""
    assert "minimum" not in adjustments


def test_late_usage_beyond_a_maximum_costs_what_is_left_of_it(
    adjustments: dict[str, list[tuple[str, Decimal]]],
) -> None:
    """40 were invoiced; 80 - 30 are 50: 10 more."""
    assert adjustments["maximum"] == [("usage", Decimal(10))]


def test_late_usage_is_discounted_like_its_period(
    adjustments: dict[str, list[tuple[str, Decimal]]],
) -> None:
    """40 - 4 were invoiced; 80 - 8 are 72: 36 more."""
    assert adjustments["discounted"] == [("usage", Decimal(36))]


def test_late_usage_changes_what_a_commitment_adds(
    adjustments: dict[str, list[tuple[str, Decimal]]],
) -> None:
    """40 + 20 were invoiced; 80 and a surcharge of 20 are 100: 20 back, 20 and 40 more."""
    assert adjustments["committed"] == [("usage", Decimal(40))]


def test_late_usage_shares_a_fixed_discount_anew(
    adjustments: dict[str, list[tuple[str, Decimal]]],
) -> None:
    """20 were shared as 8 and 12 over 40 and 60; over 80 and 60 they are 11.43 and 8.57.

    The usage goes from 32 to 68.57, the fee from 48 to 51.43.
    """
    assert adjustments["fixed"] == [("fee", Decimal("3.43")), ("usage", Decimal("36.57"))]


def test_late_usage_at_a_price_that_includes_tax_includes_it(
    adjustments: dict[str, list[tuple[str, Decimal]]],
) -> None:
    """40 more with tax, whatever the rounding of its net was."""
    assert adjustments["gross"] == [("usage", Decimal(40))]
