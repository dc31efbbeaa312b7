"""An issued period is rated again when something it is made of has changed, and only then.

Each customer is billed for January, issued, and billed again without news. Then something
happens to most of them. What each owes more, worked out by hand, is a line of its draft of
February.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.lib.warehouse import open_warehouse
from tests import harness
from tests.harness import REPOSITORY, Installation, Scenario, build
from tests.warehouse.test_incremental import marts

RATED = """
    select distinct customer_id from rating.rat_charge_periods
    where billing_period = '2026-01' order by all
"""
ADJUSTED = """
    select customer_id, adjusted_billing_period, sum(lines.net_amount) as net_amount
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices using (invoice_id)
    where invoice_status = 'draft' and line_type = 'adjustment'
    group by all
"""
METERED = (
    *("bounded", "committed", "discounted", "gross", "kept", "late", "priced", "tiered"),
    *("treated", "voided"),
)
FEES = ("ended", "fee", "paused", "restored")
MODELS = ["build", "--exclude-resource-type", "test", "unit_test", "--select"]


@dataclass
class Step:
    """Customers whose January was rated in a run, and the adjustments it found."""

    rated: list[str]
    adjusted: dict[tuple[str, str], Decimal]


def look(installation: Installation) -> Step:
    return Step(
        [row["customer_id"] for row in installation.rows(RATED)],
        {
            (row["customer_id"], row["adjusted_billing_period"]): row["net_amount"]
            for row in installation.rows(ADJUSTED)
        },
    )


def world() -> Scenario:
    """Ten units or a fee of 31 for each; a level of 5 units is held from 10 December."""
    world = Scenario()
    world.meter("used", "use")
    world.meter("held", "hold", "time_weighted")
    for name in METERED:
        world.plan(name)
        terms = {"meter_code": "used", "unit_price": "" if name == "tiered" else "1"}
        tiers = [("5", "1"), ("", "2")] if name == "tiered" else []
        model = "tiered" if name == "tiered" else "per_unit"
        world.price(name, model, tiers=tiers, **terms)
        world.event(name, "10", event_id=name)
    for name in FEES:
        world.plan(name)
        world.price(name, "flat", charge="fee", unit_price="31", prorated="true")
    world.plan("held")
    world.price("held", "per_unit", meter_code="held", unit_price="1")
    world.event("held", "5", event_type="hold", at="2025-12-10T00:00:00Z")
    for name in (*METERED, *FEES, "held"):
        world.customer(name)
        started_at = "2025-12-01" if name == "held" else "2026-01-01"
        world.subscription(name, started_at=started_at, ended_at="")
    return world


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> dict[str, Step]:
    before = world()
    installation = build(
        tmp_path_factory.mktemp("settled"),
        before,
        dbt_folder=dbt_folder,
        period="2026-01",
        tested=False,
    )
    assert installation.issue("2025-12") == 1
    assert installation.issue("2026-01") == 15
    installation.bill("2026-02", tested=False)
    found = {"first": look(installation)}

    changed = world()
    for row in changed.prices:
        if row["plan_code"] == "priced":
            row["unit_price"] = "2"  # type: ignore[index]
        if row["plan_code"] == "bounded":
            row["maximum_amount"] = "4"  # type: ignore[index]
    changed.tiers[1] = dict(changed.tiers[1]) | {"unit_price": "3"}
    changed.plans = [
        dict(row) | ({"tax_included": "true"} if row["plan_code"] == "gross" else {})
        for row in changed.plans
    ]
    changed.customers = [
        dict(row) | ({"tax_treatment": "exempt"} if row["customer_id"] == "treated" else {})
        for row in changed.customers
    ]
    changed.discount("ten", "percentage", "10", plan_code="discounted")
    for row in changed.subscriptions:
        if row["subscription_id"] == "ended":
            row["ended_at"] = "2026-01-11"  # type: ignore[index]
    changed.pauses.append(
        {"subscription_id": "paused", "paused_from": "2026-01-10", "paused_to": "2026-01-20"}
    )
    changed.events = {}
    changed.event("held", "7", event_type="hold", at="2025-12-31T00:00:00Z")
    installation.write_price_book(changed)
    installation.land(changed, batch="2")
    # The reconciliations hold with and without what is settled.
    installation.bill("2026-02")
    found["changed"] = look(installation)

    usage = replace(changed, events={})
    usage.event("late", "3", at="2026-01-31T23:00:00Z", event_id="came-late")
    usage.void("voided")
    installation.land(usage, batch="3")
    with open_warehouse(installation.warehouse) as connection:
        connection.execute("delete from ledger.issued_invoices where customer_id = 'restored'")
        connection.execute(
            "delete from ledger.issued_invoice_lines where subscription_id = 'restored'"
        )
    installation.bill("2026-02", tested=False)
    found["used"] = look(installation)

    changed.commitment("deal", "25", plan_code="committed")
    installation.write_price_book(changed)
    # A run that is chosen by hand, or ends before it has rated anything, and an invoicing.
    installation.dbt([*MODELS, "+rat_period_inputs"], "2026-02")
    installation.dbt([*MODELS, "path:models/invoicing"], "2026-02")
    installation.bill("2026-02", tested=False)
    found["committed"] = look(installation)

    repository = tmp_path_factory.mktemp("repository")
    for name in ("dbt", "pricing_seeds"):
        shutil.copytree(REPOSITORY / name, repository / name)
    with (repository / "dbt/models/rating/rat_recurring_charges.sql").open("a") as model:
        model.write("-- Another rule.\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(harness, "REPOSITORY", repository)
        elsewhere = replace(installation, dbt_folder=tmp_path_factory.mktemp("other-dbt"))
        elsewhere.dbt_build("2026-02", tested=False)
    found["remodelled"] = look(installation)

    grown = marts(installation)
    installation.dbt_build("2026-02", "--full-refresh", tested=False)
    found["refreshed"] = look(installation)
    assert marts(installation) == grown

    # As a full refresh leaves it that is killed before it has rated anything.
    installation.dbt([*MODELS, "dim_dates", "--full-refresh"], "2026-02")
    assert (
        installation.rows(
            "select table_name from information_schema.tables"
            " where table_name = 'inv_settled_periods'"
        )
        == []
    )
    return found


def test_the_first_run_after_an_issue_rates_all_of_it(steps: dict[str, Step]) -> None:
    """An issued period would never have been compared."""
    assert steps["first"] == Step(sorted((*METERED, *FEES, "held")), {})


def test_each_reason_to_rate_a_period_again_is_enough(steps: dict[str, Step]) -> None:
    """A correction would never reach the customer, or every run would rate all of the past.

    A price of 2 for 10 units, 4 at most, a second tier of 3 for the 5 units in it, a tenth
    off, 21 of 31 days not paid for, 10 of 31 not, and 2 more units of a level for 24 and 744
    hours. A price that includes tax and an exemption change nothing where nothing is taxed.
    """
    assert steps["changed"] == Step(
        [
            *("bounded", "discounted", "ended", "gross", "held", "paused", "priced", "tiered"),
            "treated",
        ],
        {
            ("bounded", "2026-01"): Decimal(-6),
            ("discounted", "2026-01"): Decimal(-1),
            ("ended", "2026-01"): Decimal(-21),
            ("held", "2025-12"): Decimal(2 * 24),
            ("held", "2026-01"): Decimal(2 * 744),
            ("paused", "2026-01"): Decimal(-10),
            ("priced", "2026-01"): Decimal(10),
            ("tiered", "2026-01"): Decimal(5),
        },
    )


def test_usage_that_comes_or_goes_has_its_month_rated_again(steps: dict[str, Step]) -> None:
    """Late usage would be for free, and withdrawn usage paid for.

    What the ledger has lost is drafted again; a fee is not made of usage.
    """
    assert steps["used"].rated == sorted({*METERED, *FEES, "held"} - {"fee"})
    assert steps["used"].adjusted == steps["changed"].adjusted | {
        ("late", "2026-01"): Decimal(3),
        ("voided", "2026-01"): Decimal(-10),
    }


def test_what_all_periods_share_has_all_of_them_rated_again(steps: dict[str, Step]) -> None:
    """A commitment of 25, agreed on afterwards, is 15 more than the usage of January."""
    assert steps["committed"].rated == steps["first"].rated
    assert steps["committed"].adjusted == steps["used"].adjusted | {
        ("committed", "2026-01"): Decimal(15)
    }


def test_another_rule_has_all_of_them_rated_again(steps: dict[str, Step]) -> None:
    """What an issued month comes to by the new rule would never be seen."""
    assert steps["remodelled"] == steps["committed"]


def test_a_full_refresh_rates_every_period(steps: dict[str, Step]) -> None:
    """What a refresh is for is that nothing is believed."""
    assert steps["refreshed"] == steps["committed"]
