"""What becomes of accounts rows that cannot be used, and of customers who leave."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Installation, Scenario, build

EXCEPTIONS = (
    "select record_kind, row_in_file, record_id, field, is_blocking"
    " from marts.fct_account_exceptions order by all"
)
NET = (
    "select customer_id, sum(net_amount) as net_amount from marts.fct_invoices"
    " where invoice_status = 'draft' group by customer_id order by customer_id"
)


def _world() -> Scenario:
    """A fee of 10 and 1 per unit used."""
    world = Scenario()
    world.meter("used", "use")
    world.plan("plan")
    world.price("plan", "flat", charge="fee", unit_price="10")
    world.price("plan", "per_unit", meter_code="used", unit_price="1")
    return world


def _term(world: Scenario, name: str, **columns: Any) -> None:
    world.subscription(name, **({"plan_code": "plan"} | columns))


@pytest.fixture(scope="module")
def unusable(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """One sound customer among every kind of row that cannot be used."""
    world = _world()
    world.customer("sound", tax_treatment="exempted")  # row 2
    world.customer("")
    world.customer("twice", customer_name="first")
    world.customer("twice", customer_name="last")
    world.customer("lost-zone", timezone="Mars/Olympus")
    world.customer("lost-currency", currency_code="XXX")
    world.customer("lost-parent", parent_customer_id="nobody")
    world.customer("circle-a", parent_customer_id="circle-b")
    world.customer("circle-b", parent_customer_id="circle-a")
    world.customer("below-circle", parent_customer_id="circle-b")
    for name in ("sound", "twice", "lost-zone", "lost-currency", "lost-parent"):
        _term(world, name)  # rows 2 to 6
    _term(world, "no-customer")
    _term(world, "no-plan", customer_id="sound", plan_code="other")
    _term(world, "no-start", customer_id="sound", started_at="soon")
    _term(world, "no-end", customer_id="sound", ended_at="2026-02-30")
    _term(world, "backwards", customer_id="sound", ended_at="2025-12-31")
    _term(world, "never", customer_id="sound", ended_at="2026-01-01")
    _term(world, "overlap", customer_id="sound", ended_at="")
    _term(
        world, "overlap", customer_id="sound", started_at="2026-01-11", ended_at="2026-01-21"
    )
    _term(world, "repeat", customer_id="sound", ended_at="2026-01-02")
    _term(world, "repeat", customer_id="sound")
    _term(world, "anchored", customer_id="sound", billing_anchor="weekly")
    for name in ("circle-a", "circle-b", "below-circle"):
        _term(world, name)
    world.subjects += [
        {"subject": "alias", "subscription_id": "sound"},
        {"subject": "stray", "subscription_id": "nothing"},
        {"subject": "undated", "subscription_id": "sound", "valid_from": "then"},
        {"subject": "turned", "subscription_id": "sound", "valid_to": "2026-01-01"}
        | {"valid_from": "2026-01-02"},
    ]
    # Columns of other systems, some of which are misspelt ones of ours
    world.customers[0] |= {"segment": "retail", "Parent Customer": "twice"}
    world.subscriptions[0] |= {"trial_end": "2026-02-01", "mrr": "10"}
    world.subjects[0] |= {"valid_until": "2026-01-02", "comment": "moved"}
    world.pauses.append(
        {"subscription_id": "sound", "paused_from": "2026-01-10", "paused_to": "2026-01-10"}
        | {"paused_by": "sales", "pause_to": "2026-01-20"}
    )
    world.grant("g", "sound", "1", granted_at="2027-01-01", note="thanks", chargecode="fee")
    world.void("nothing")
    world.corrections[0] |= {"ticket": "T-1", "request_by": "finance"}
    for event_id, action in (("a-1", "cancel"), ("a-2", ""), ("sent-1", " VOID ")):
        world.void(event_id)
        world.corrections[-1]["action"] = action
    world.event("alias", "3", file="sent")
    for subject in ("alias", "stray", "undated", "no-customer", "no-plan", "lost-parent"):
        world.event(subject, "3")
    return build(tmp_path_factory.mktemp("unusable"), world, dbt_folder=dbt_folder)


def test_every_row_that_cannot_be_used_is_named(unusable: Installation) -> None:
    """A typing error in an export would otherwise be a customer who never gets an invoice."""
    rows = [tuple(row.values()) for row in unusable.rows(EXCEPTIONS)]
    assert [row for row in rows if row[1] > 1] == [
        ("corrections", 2, "c-nothing", "event_id", False),
        ("corrections", 3, "c-a-1", "action", False),
        ("corrections", 4, "c-a-2", "action", False),
        ("customers", 2, "sound", "tax_treatment", False),
        ("customers", 3, None, "customer_id", False),
        ("customers", 4, "twice", "customer_id", False),
        ("customers", 6, "lost-zone", "timezone", False),
        ("customers", 7, "lost-currency", "currency_code", False),
        ("customers", 8, "lost-parent", "parent_customer_id", False),
        ("customers", 9, "circle-a", "parent_customer_id", False),
        ("customers", 10, "circle-b", "parent_customer_id", False),
        ("customers", 11, "below-circle", "parent_customer_id", False),
        ("subjects", 3, "stray", "subscription_id", False),
        ("subjects", 4, "undated", "valid_from", False),
        ("subjects", 5, "turned", "valid_to", False),
        ("subscriptions", 7, "no-customer", "customer_id", False),
        ("subscriptions", 8, "no-plan", "plan_code", False),
        ("subscriptions", 9, "no-start", "started_at", False),
        ("subscriptions", 10, "no-end", "ended_at", False),
        ("subscriptions", 11, "backwards", "ended_at", False),
        ("subscriptions", 13, "overlap", "ended_at", False),
        ("subscriptions", 15, "repeat", "started_at", False),
        ("subscriptions", 17, "anchored", "billing_anchor", False),
    ]


def test_a_correction_that_withdraws_nothing_is_named(unusable: Installation) -> None:
    """What was sent in error would be billed all the same, and nobody told."""
    found = unusable.rows(
        "select finding from marts.fct_account_exceptions"
        " where record_kind = 'corrections' and row_in_file > 1 order by row_in_file"
    )
    assert [row["finding"] for row in found] == [
        "'nothing' of the source 'test' is no event that has landed; nothing is withdrawn",
        "'cancel' is unknown, void is known; nothing is withdrawn",
        "'' is unknown, void is known; nothing is withdrawn",
    ]
    assert unusable.rows(
        "select event_id from marts.fct_event_exceptions where fate = 'voided'"
    ) == [{"event_id": "sent-1"}]


def test_columns_that_nobody_reads_are_named_once(unusable: Installation) -> None:
    """`trial_end` would be a trial that nobody grants: 10.00 where nothing is owed."""
    columns = unusable.rows(
        "select source_file, field, severity, is_blocking, record_id, finding"
        " from marts.fct_account_exceptions where row_in_file = 1 order by all"
    )
    assert [tuple(row.values()) for row in columns] == [
        (file, column, severity, False, None, finding)
        for file, column, severity, finding in (
            *_named("accounts/credit_grants-1.csv", chargecode="charge_code", note=None),
            *_named(
                "accounts/customers-1.csv",
                **{"Parent Customer": "parent_customer_id", "segment": None},
            ),
            *_named("accounts/pauses-1.csv", pause_to="paused_to", paused_by=None),
            *_named("accounts/subjects-1.csv", comment=None, valid_until="valid_to"),
            *_named("accounts/subscriptions-1.csv", mrr=None, trial_end="trial_ends_at"),
            *_named("corrections/corrections-1.csv", request_by="requested_by", ticket=None),
        )
    ]


def _named(file: str, **columns: str | None) -> Iterator[tuple[str, str, str, str]]:
    for column, meant in columns.items():
        if meant:
            finding = f"is read by nobody; {meant} was probably meant"
            yield file, column, "warning", finding
        else:
            yield file, column, "note", "is read by nobody"


def test_everybody_else_is_billed_once(unusable: Installation) -> None:
    """`sound` owes its fee and 3 units, two terms of `overlap`, and the other two fees: 53.

    Whoever is in a circle of parents, or below one, is invoiced itself.
    """
    assert unusable.rows(NET) == [
        {"customer_id": name, "net_amount": Decimal(amount)}
        for name, amount in [
            ("below-circle", "10"),
            ("circle-a", "10"),
            ("circle-b", "10"),
            ("lost-currency", "10"),
            ("lost-parent", "13"),
            ("lost-zone", "10"),
            ("sound", "53"),
            ("twice", "10"),
        ]
    ]
    names = unusable.rows("select customer_name from marts.dim_customers order by all")
    assert {"customer_name": "last"} in names
    assert {"customer_name": "first"} not in names


def test_usage_of_rows_left_out_is_shown(unusable: Installation) -> None:
    shown = unusable.rows(
        "select subject, fate from marts.fct_event_exceptions order by subject"
    )
    assert [tuple(row.values()) for row in shown] == [
        ("alias", "voided"),
        ("no-customer", "unknown_subject"),
        ("no-plan", "unknown_subject"),
        ("stray", "unknown_subject"),
        ("undated", "unknown_subject"),
    ]


@dataclass(frozen=True)
class Departure:
    """An installation whose January is issued, and what its next snapshots made of it."""

    drafts: list[dict[str, Any]]
    exceptions: list[dict[str, Any]]
    broken: list[dict[str, Any]]


@pytest.fixture(scope="module")
def departure(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Departure:
    """`gone` leaves both files, `moved` the subscriptions only, `stays` stays."""
    world = _world()
    for name in ("gone", "moved", "stays"):
        world.customer(name)
        _term(world, name, ended_at="")
        world.event(name, "1")
    folder = tmp_path_factory.mktemp("departure")
    installation = build(folder, world, dbt_folder=dbt_folder, period="2026-01", tested=False)
    assert installation.issue("2026-01") == 3
    after = Scenario(
        customers=[row for row in world.customers if row["customer_id"] != "gone"],
        subscriptions=[row for row in world.subscriptions if row["customer_id"] == "stays"],
    )
    after.event("gone", "2.50", event_id="late")
    installation.land(after, batch="2")
    installation.bill("2026-02")
    drafts = installation.rows(NET)
    exceptions = installation.rows(EXCEPTIONS)
    typo = Scenario(
        customers=after.customers,
        subscriptions=[row | {"plan_code": "plam"} for row in after.subscriptions],
    )
    installation.land(typo, batch="3")
    installation.bill("2026-02")
    return Departure(drafts, exceptions, installation.rows(EXCEPTIONS))


def test_who_leaves_the_accounts_keeps_invoices_and_gets_adjustments(
    departure: Departure,
) -> None:
    """2.50 more for January; no refund of January, and no February without a subscription."""
    assert departure.drafts == [
        {"customer_id": "gone", "net_amount": Decimal("2.50")},
        {"customer_id": "stays", "net_amount": Decimal("10")},
    ]
    assert [tuple(row.values()) for row in departure.exceptions] == [
        ("subscriptions", 2, "gone", "subscription_id", False),
        ("subscriptions", 3, "moved", "subscription_id", False),
    ]


def test_a_typing_error_that_would_refund_an_invoice_blocks(departure: Departure) -> None:
    """Without the block the next issue gives back everything the customer has paid."""
    assert ("subscriptions", 2, "stays", "plan_code", True) in [
        tuple(row.values()) for row in departure.broken
    ]
