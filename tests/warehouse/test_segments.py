"""Usage that is kept added up notices what happens between the days it was used on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness import Installation, Scenario, build


def world(*, prices: list[dict[str, str]], ended_at: str) -> Scenario:
    """One subscription that uses 10 on two days of January and 1 in February."""
    scenario = Scenario()
    scenario.meter("used", "use")
    scenario.plan("a")
    for number, price in enumerate(prices, start=1):
        scenario.price(
            "a", "per_unit", meter_code="used", price_id=f"a-usage-{number}", **price
        )
    scenario.customer("a")
    scenario.subscription("a", ended_at=ended_at)
    scenario.event("a", "10", at="2026-01-10T12:00:00Z")
    scenario.event("a", "10", at="2026-01-20T12:00:00Z")
    scenario.event("a", "1", at="2026-02-20T12:00:00Z")
    return scenario


def net_amounts(installation: Installation) -> dict[str, str]:
    rows = installation.rows(
        "select billing_period, net_amount from marts.fct_invoices order by billing_period"
    )
    return {row["billing_period"]: str(row["net_amount"].normalize()) for row in rows}


@pytest.fixture
def installation(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    scenario = world(prices=[{"unit_price": "1"}], ended_at="2026-04-01")
    return build(tmp_path, scenario, dbt_folder=tmp_path_factory.mktemp("dbt"))


def test_a_price_may_change_on_a_day_without_usage_and_a_term_may_end_before_its_usage(
    installation: Installation,
) -> None:
    """Usage of both prices would stay one sum, usage of an ended term would stay billed."""
    assert net_amounts(installation) == {"2026-01": "2E+1", "2026-02": "1"}
    changed = world(
        prices=[
            {"unit_price": "1", "valid_to": "2026-01-15"},
            {"unit_price": "2", "valid_from": "2026-01-15"},
        ],
        ended_at="2026-02-01",
    )
    installation.write_price_book(changed)
    changed.events.clear()
    installation.land(changed, batch="2")
    installation.bill()
    assert net_amounts(installation) == {"2026-01": "3E+1"}
    fates = installation.rows("select fate, event_count from marts.fct_event_fates order by 1")
    assert [tuple(row.values()) for row in fates] == [
        ("no_active_subscription", 1),
        ("rated", 2),
    ]
