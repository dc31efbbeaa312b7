"""An amount that does not fit is set aside with its customer; everybody else is billed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.harness import Installation, Scenario, build

HUGE = "1" + 25 * "0"
MOST = "99999999999999.999999999999"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """Every pricing model just inside and beyond 10^14, and a sound customer."""
    scenario = Scenario()
    scenario.meter("used", "use")
    models = {
        "per-unit": ("per_unit", {"unit_price": "2"}, "50000000000000"),
        "per-unit-fits": ("per_unit", {"unit_price": "1"}, MOST),
        "per-unit-38-digits": ("per_unit", {"unit_price": "90000000000000"}, "9e25"),
        "package": ("package", {"unit_price": "1", "package_size": "0.000000000001"}, "9e25"),
        "package-fits": (
            "package",
            {"unit_price": "1", "package_size": HUGE},
            "9e25",
        ),
        "tiers": ("tiered", {"tiers": [("90000000000000", "1"), ("", "1")]}, "2e14"),
        "tiers-sum": ("tiered", {"tiers": [("90000000000000", "1"), ("", "1")]}, "1e14"),
        "volume-flat": ("volume", {"tiers": [("", "1", "1")]}, "99999999999999"),
        "sound": ("per_unit", {"unit_price": "1"}, "1"),
    }
    for name, (model, columns, quantity) in models.items():
        scenario.plan(name)
        scenario.price(name, model, meter_code="used", **columns)
        scenario.customer(name)
        scenario.subscription(name)
        scenario.event(name, quantity)
    scenario.plan("fee")
    scenario.price("fee", "flat", unit_price="99999999999999", prorated="true")
    scenario.customer("fee")
    scenario.subscription("fee", started_at="2026-01-02")
    scenario.price("per-unit", "flat", charge="small", unit_price="5")
    return build(tmp_path_factory.mktemp("range"), scenario, dbt_folder=dbt_folder)


def test_only_charges_that_do_not_fit_are_set_aside(world: Installation) -> None:
    """One absurd reading must not stop the bills of everybody else."""
    assert world.rows(
        "select customer_id, charge_code from marts.fct_charge_exceptions order by customer_id"
    ) == [
        {"customer_id": name, "charge_code": "usage"}
        for name in (
            "fee",
            "package",
            "per-unit",
            "per-unit-38-digits",
            "tiers",
            "tiers-sum",
            "volume-flat",
        )
    ]
    invoices = world.rows(
        "select customer_id, net_amount, flags from marts.fct_invoices order by customer_id"
    )
    assert [tuple(row.values()) for row in invoices] == [
        ("package-fits", Decimal(9), ""),
        ("per-unit", Decimal(5), "A charge is left out because its amount is out of range"),
        ("per-unit-fits", Decimal("100000000000000.00"), ""),
        ("sound", Decimal(1), ""),
    ]
