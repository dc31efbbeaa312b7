"""Usage that is kept added up notices what happens between the days it was used on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Installation, Scenario, build


def world(prices: list[dict[str, str]], alias_to: str = "") -> Scenario:
    """One subscription whose alias uses 10 on two days of January and 1 in February."""
    scenario = Scenario()
    scenario.meter("used", "use")
    scenario.plan("a")
    for number, price in enumerate(prices, start=1):
        scenario.price(
            "a", "per_unit", meter_code="used", price_id=f"a-usage-{number}", **price
        )
    scenario.customer("a")
    scenario.subscription("a", ended_at="2026-04-01")
    scenario.subjects.append({"subject": "gate", "subscription_id": "a", "valid_to": alias_to})
    scenario.event("gate", "10", at="2026-01-10T12:00:00Z")
    scenario.event("gate", "10", at="2026-01-20T12:00:00Z")
    scenario.event("gate", "1", at="2026-02-20T12:00:00Z")
    return scenario


def net_amounts(installation: Installation) -> dict[str, str]:
    rows = installation.rows(
        "select billing_period, net_amount from marts.fct_invoices order by billing_period"
    )
    return {row["billing_period"]: str(row["net_amount"].normalize()) for row in rows}


@pytest.fixture
def installation(tmp_path: Path, dbt_folder: Path) -> Installation:
    scenario = world([{"unit_price": "1"}])
    return build(tmp_path, scenario, dbt_folder=dbt_folder, tested=False)


def test_a_price_may_change_on_a_day_without_usage(installation: Installation) -> None:
    """Usage of both prices would stay one sum, at the price of its first event.

    Nothing else changes, so no day is metered or given to a term anew.
    """
    assert net_amounts(installation) == {"2026-01": "2E+1", "2026-02": "1"}
    prices = [
        {"unit_price": "1", "valid_to": "2026-01-15"},
        {"unit_price": "2", "valid_from": "2026-01-15"},
    ]
    installation.write_price_book(world(prices))
    installation.bill()
    assert net_amounts(installation) == {"2026-01": "3E+1", "2026-02": "2"}


def test_a_month_may_lose_all_of_its_usage(installation: Installation) -> None:
    """The subscription goes on, and what its alias used after its end would stay billed."""
    ended = world([{"unit_price": "1"}], alias_to="2026-02-01")
    ended.events.clear()
    installation.land(ended, batch="2")
    installation.bill()
    assert net_amounts(installation) == {"2026-01": "2E+1"}
    fates = installation.rows("select fate, event_count from marts.fct_event_fates order by 1")
    assert [tuple(row.values()) for row in fates] == [
        ("no_active_subscription", 1),
        ("rated", 2),
    ]
