"""An amount that does not fit is set aside with its customer; everybody else is billed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Installation, Scenario, build

HUGE = "1" + 25 * "0"
MOST = "99999999999999.999999999999"
NINES = 26 * "9"


def absurd_sums(scenario: Scenario) -> None:
    """Legal events whose sum is not: in a day, over days, regions and price versions."""
    scenario.meter("by-region", "located", dimensions="region")
    scenario.meter("held", "level", "time_weighted")
    least: dict[str, Any] = {"unit_price": "0.000000000001"}
    days = ["2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", "2026-01-19T10:00:00Z"]
    plans = {
        # name: meter, event type, quantity and instant of each event
        "sum-day": ("used", "use", [(NINES, days[0]), (NINES, days[1])]),
        "sum-days": ("used", "use", [(NINES, days[0]), (NINES, days[2])]),
        "sum-reversed": (
            "used",
            "use",
            [(NINES, days[0]), (f"-{NINES}", days[1])],
        ),
        "sum-fits": ("used", "use", [("-0.5", days[0]), (NINES, days[0]), ("0.5", days[2])]),
        "sum-regions": ("by-region", "located", [(NINES, days[0]), (NINES, days[1])]),
        "level": ("held", "level", [(NINES, days[0]), (NINES, days[2])]),
        "level-large": ("held", "level", [("1e20", days[0])]),
    }
    for name, (meter, event_type, events) in plans.items():
        scenario.plan(name)
        scenario.price(name, "per_unit", meter_code=meter, **least)
        scenario.customer(name)
        scenario.subscription(name)
        for number, (quantity, at) in enumerate(events):
            scenario.event(
                name, quantity, at=at, event_type=event_type, data={"region": f"r{number}"}
            )
    scenario.event("sum-reversed", "5e12", at=days[1])
    scenario.plan("versions")
    for bound in ("valid_to", "valid_from"):
        scenario.price(
            "versions",
            "per_unit",
            meter_code="used",
            included_quantity="10",
            **(least | {bound: "2026-01-16"}),
        )
    scenario.customer("versions")
    scenario.subscription("versions")
    for at in days[1:]:
        scenario.event("versions", "9e25", at=at)


def large_agreements(scenario: Scenario) -> None:
    """What is agreed about an amount that fits is worked out in steps that fit as well."""
    rate = {
        "tax_category": "standard",
        "country_code": "DE",
        "tax_code": "DE-19",
        "rate": "19",
    }
    scenario.tax_rates.append(rate)
    scenario.seller["reporting_currency_code"] = "USD"
    scenario.exchange_rates.append(
        {
            "from_currency": "EUR",
            "to_currency": "USD",
            "rate_date": "2026-01-01",
            "rate": "1.5",
        }
    )
    agreed: list[tuple[str, str, dict[str, Any]]] = [
        ("overage", "2e11", {}),
        ("tax-included", "2e12", {"tax_category": "standard"}),
        ("discounted", "66e12", {}),
        ("least", "1", {"minimum_amount": "99999999999999"}),
        ("generous", "5", {"included_quantity": NINES}),
        ("prepaid", "9", {}),
    ]
    for name, quantity, columns in agreed:
        included = "true" if name == "tax-included" else ""
        scenario.plan(name, tax_included=included)
        scenario.price(name, "per_unit", meter_code="used", unit_price="1", **columns)
        scenario.customer(name)
        scenario.subscription(name)
        scenario.event(name, quantity)
    scenario.price("generous", "flat", charge="fee", unit_price="2")
    scenario.commitment("less", "100", plan_code="overage", overage_factor="1.5")
    scenario.discount("all", "fixed", "60000000000000", plan_code="discounted")
    free = {"plan_code": "generous", "charge_code": "usage"}
    scenario.discount("more", "free_units", NINES, **free)
    scenario.grant("absurd-money", "prepaid", NINES)
    units = {"credit_unit": "unit", "granted_quantity": NINES, "unit_price": "90000000000000"}
    scenario.grant("absurd-units", "prepaid", "", **units)
    scenario.grant("absurd-more", "prepaid", "", **units)
    scenario.grant("usable", "prepaid", "3")
    scenario.meter("free", "gift")
    for hour in range(20):
        at = f"2026-01-10T{hour:02}:00:00Z"
        scenario.event("sound", "1", event_type="gift", at=at)
        scenario.event("stranger", "1", at=at)


def agreements_beyond(scenario: Scenario) -> None:
    """What is agreed about sums of 10^14 and more, most of two regions of 9 * 10^13."""
    for to, start, rate in [("2026-01-16", "", "10"), ("", "2026-01-16", "20")]:
        scenario.tax_rates.append(
            {
                "tax_category": "changed",
                "country_code": "DE",
                "tax_code": "DE",
                "rate": rate,
                "valid_from": start,
                "valid_to": to,
            }
        )
    scenario.exchange_rates.append(
        {
            "from_currency": "JPY",
            "to_currency": "USD",
            "rate_date": "2026-01-01",
            "rate": "900000",
        }
    )
    much = "90000000000000"
    agreed: list[tuple[str, list[str], dict[str, Any]]] = [
        ("maximum", 2 * [much], {"maximum_amount": "1"}),
        ("maximum-fits", 2 * [much], {"maximum_amount": "99000000000000.5"}),
        ("minimum", 2 * [much], {"minimum_amount": "5", "unit_price": "-1"}),
        ("overage-sum", 2 * [much], {}),
        ("overage-factor", [much], {}),
        ("true-up", ["5"], {}),
        ("percentage", 2 * [much], {}),
        ("percentage-fits", 2 * [much], {}),
        ("fixed", 2 * [much], {}),
        ("fixed-rounded", 2 * [much], {}),
        ("free-twice", ["5"], {}),
        ("tax-sum", 8 * [much], {"tax_category": "standard"}),
        ("tax-none", [MOST], {"tax_category": "standard"}),
        ("rate", 2 * [much], {}),
        ("parted", 2 * [much], {"tax_category": "changed", "valid_to": "2026-01-16"}),
    ]
    for name, quantities, columns in agreed:
        name = f"beyond-{name}"
        included = "true" if name.startswith("beyond-tax") else ""
        currency = "JPY" if name in ("beyond-rate", "beyond-fixed-rounded") else "EUR"
        scenario.plan(name, currency, tax_included=included)
        scenario.price(
            name, "per_unit", meter_code="by-region", **({"unit_price": "1"} | columns)
        )
        treatment = "reverse_charge" if name == "beyond-tax-none" else ""
        scenario.customer(name, tax_treatment=treatment)
        scenario.subscription(name)
        for number, quantity in enumerate(quantities):
            region = {"region": f"r{number}"}
            scenario.event(name, quantity, event_type="located", data=region)
    scenario.price(
        "beyond-parted",
        "per_unit",
        meter_code="by-region",
        unit_price="-1",
        tax_category="changed",
        valid_from="2026-01-16",
    )
    for number in range(2):
        scenario.event(
            "beyond-parted",
            "80000000000000",
            at="2026-01-20T00:00:00Z",
            event_type="located",
            data={"region": f"r{number}"},
        )
    scenario.commitment("sum", "100", plan_code="beyond-overage-sum", overage_factor="1.5")
    scenario.commitment("factor", "100", plan_code="beyond-overage-factor", overage_factor="9")
    scenario.commitment("missing", much, plan_code="beyond-true-up")
    scenario.discount("most", "percentage", "60", plan_code="beyond-percentage")
    scenario.discount("half", "percentage", "50", plan_code="beyond-percentage-fits")
    scenario.discount("much", "fixed", "99999999999999.6", plan_code="beyond-fixed")
    rounded = {"plan_code": "beyond-fixed-rounded", "currency_code": "JPY"}
    scenario.discount("rounded", "fixed", "99999999999999.6", **rounded)
    scenario.discount("shared", "fixed", "19000000000000", plan_code="beyond-parted")
    for code in ("free-1", "free-2"):
        scenario.discount(
            code, "free_units", NINES, plan_code="beyond-free-twice", charge_code="usage"
        )
    scenario.price("beyond-free-twice", "flat", charge="fee", unit_price="2")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """Every pricing model just inside and beyond 10^14, and a sound customer."""
    scenario = Scenario()
    scenario.meter("used", "use")
    models: dict[str, tuple[str, dict[str, Any], str]] = {
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
        "events-fit": (
            "percentage",
            {"unit_price": "100", "event_minimum_amount": "1"},
            "99999999999999.6",
        ),
        "tiers-fit": ("tiered", {"tiers": [("", "1")]}, "99999999999999.6"),
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
    absurd_sums(scenario)
    large_agreements(scenario)
    agreements_beyond(scenario)
    return build(tmp_path_factory.mktemp("range"), scenario, dbt_folder=dbt_folder)


def test_only_charges_that_do_not_fit_are_set_aside(world: Installation) -> None:
    """One absurd reading must not stop the bills of everybody else."""
    assert world.rows(
        "select customer_id, charge_code from marts.fct_charge_exceptions"
        " where line_type = 'charge' order by customer_id"
    ) == [
        {"customer_id": name, "charge_code": "usage"}
        for name in (
            "fee",
            "level",
            "level-large",
            "package",
            "per-unit",
            "per-unit-38-digits",
            "sum-day",
            "sum-days",
            "tiers",
            "tiers-sum",
            "volume-flat",
        )
    ]
    invoices = world.rows(
        "select customer_id, net_amount, flags from marts.fct_invoices"
        " where customer_id not like 'beyond-%' order by customer_id"
    )
    assert [tuple(row.values()) for row in invoices] == [
        ("discounted", Decimal("6000000000000.00"), ""),
        ("events-fit", Decimal("99999999999999.60"), ""),
        ("generous", Decimal(2), ""),
        ("least", Decimal("99999999999999.00"), ""),
        # 0.5 × (200,000,000,000 - 100) beside the usage.
        ("overage", Decimal("299999999950.00"), ""),
        ("package-fits", Decimal(9), ""),
        ("per-unit", Decimal(5), "A charge is left out because its amount is out of range"),
        ("per-unit-fits", Decimal("100000000000000.00"), ""),
        ("prepaid", Decimal(9), ""),
        ("sound", Decimal(1), ""),
        ("sum-fits", Decimal("100000000000000.00"), ""),
        ("sum-regions", Decimal("200000000000000.00"), ""),
        ("sum-reversed", Decimal(5), ""),
        # 2,000,000,000,000 ÷ 1.19
        ("tax-included", Decimal("1680672268907.56"), ""),
        ("tiers-fit", Decimal("99999999999999.60"), ""),
        ("versions", Decimal("180000000000000.00"), ""),
    ]


def test_what_an_amount_comes_to_elsewhere_stops_nobody(world: Installation) -> None:
    """Credit, another currency and what lost usage may be worth are worked out from it."""
    due = "select customer_id, due_amount, reporting_net_amount from marts.fct_invoices"
    found = {row.pop("customer_id"): tuple(row.values()) for row in world.rows(due)}
    assert found["beyond-rate"] == (Decimal("180000000000000"), None)
    assert found["prepaid"] == (Decimal(6), Decimal("13.50"))
    assert found["sum-regions"] == (
        Decimal("200000000000000.00"),
        Decimal("300000000000000.00"),
    )
    assert world.rows(
        "select finding_code, subject, event_count from marts.fct_usage_findings"
        " where event_count = 20 order by all"
    ) == [
        {"finding_code": "unpriced_meter", "subject": None, "event_count": 20},
        {"finding_code": "usage_of_nobody", "subject": "stranger", "event_count": 20},
    ]


def test_what_is_agreed_is_set_aside_where_it_does_not_fit(world: Installation) -> None:
    """A maximum or discount of one customer must not stop the bills of everybody else."""
    assert world.rows(
        "select customer_id, line_type, quantity from marts.fct_charge_exceptions"
        " where line_type <> 'charge' order by customer_id, period_from"
    ) == [
        {"customer_id": f"beyond-{name}", "line_type": line_type, "quantity": None}
        for name, line_type in (
            ("fixed-rounded", "discount"),
            ("maximum", "maximum"),
            ("minimum", "minimum"),
            ("overage-factor", "overage"),
            ("overage-sum", "overage"),
            ("parted", "discount"),
            ("parted", "discount"),
            ("percentage", "discount"),
        )
    ]
    left_out = "A line beside the charges is left out because its amount is out of range"
    invoices = world.rows(
        "select customer_id, net_amount, flags from marts.fct_invoices"
        " where customer_id like 'beyond-%' order by customer_id"
    )
    assert [tuple(row.values()) for row in invoices] == [
        (f"beyond-{name}", Decimal(net_amount), flags)
        for name, net_amount, flags in (
            ("fixed", "80000000000000.40", ""),
            ("fixed-rounded", "180000000000000", left_out),
            ("free-twice", "2", ""),
            ("maximum", "180000000000000", left_out),
            ("maximum-fits", "99000000000000.50", ""),
            ("minimum", "-180000000000000", f"{left_out}; The net amount is negative"),
            ("overage-factor", "90000000000000", left_out),
            ("overage-sum", "180000000000000", left_out),
            ("parted", "20000000000000", left_out),
            ("percentage", "180000000000000", left_out),
            ("percentage-fits", "90000000000000", ""),
            ("rate", "180000000000000", ""),
            ("tax-none", "100000000000000", ""),
            # 720,000,000,000,000 - 720,000,000,000,000 × 19 ÷ 119
            ("tax-sum", "605042016806722.69", ""),
            ("true-up", "90000000000000", ""),
        )
    ]


def test_an_adjustment_is_set_aside_where_it_does_not_fit(
    tmp_path: Path, dbt_folder: Path
) -> None:
    """Late usage of one customer must not stop what everybody else is billed for it."""
    scenario = Scenario()
    scenario.meter("used", "use", dimensions="region")
    for name in ("beyond", "sound"):
        scenario.subscriber(name, ended_at="")
        scenario.event(name, "1", data={"region": "r0"})
    installation = build(
        tmp_path / "late", scenario, dbt_folder=dbt_folder, period="2026-01", tested=False
    )
    assert installation.issue("2026-01") == 2
    late = Scenario(customers=scenario.customers, subscriptions=scenario.subscriptions)
    for number in range(2):
        region = {"region": f"r{number}"}
        late.event("beyond", "90000000000000", file="late", data=region)
    late.event("sound", "4", file="late", data={"region": "r0"})
    for name in ("beyond", "sound"):
        late.event(name, "3", at="2026-02-10T12:00:00Z", file="late", data={"region": "r0"})
    installation.land(late, batch="2")
    installation.bill("2026-02")
    assert installation.rows(
        "select customer_id, line_type, billing_period from marts.fct_charge_exceptions"
    ) == [{"customer_id": "beyond", "line_type": "adjustment", "billing_period": "2026-02"}]
    assert [
        tuple(row.values())
        for row in installation.rows(
            "select customer_id, net_amount, flags from marts.fct_invoices"
            " where invoice_status = 'draft' order by customer_id"
        )
    ] == [
        (
            "beyond",
            Decimal(3),
            "A line beside the charges is left out because its amount is out of range",
        ),
        ("sound", Decimal(7), ""),
    ]
