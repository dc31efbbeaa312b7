"""Prepaid credit: which grant pays what, what is left, and what an issue freezes.

Amounts are worked out by hand. Every customer pays fees of its own plan from January to March
2026; drafts of all three months are made, then January is issued and the grants change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Installation, Scenario, build

ENTRIES = """
    select grant_id, entry_kind, billing_period, entry_amount, balance_amount
    from marts.fct_credit_ledger order by grant_id, entry_number
"""
DUE = """
    select customer_id, billing_period, total_amount, credit_amount, due_amount
    from marts.fct_invoices order by customer_id, billing_period
"""


@dataclass(frozen=True)
class Credits:
    """Ledger and invoices as drafts, and after January was issued and the grants changed."""

    installation: Installation
    entries: dict[str, list[str]]
    due: dict[str, list[str]]
    frozen: list[dict[str, Any]]
    later_entries: dict[str, list[str]]
    later_due: dict[str, list[str]]
    later_frozen: list[dict[str, Any]]


def texts(rows: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Rows by their first column, the others written as a person would."""
    written: dict[str, list[str]] = {}
    for row in rows:
        key, *values = row.values()
        shown = [
            format(value.normalize(), "f") if isinstance(value, Decimal) else value
            for value in values
            if value is not None
        ]
        written.setdefault(key, []).append(" ".join(shown))
    return written


def customers() -> Scenario:
    """A customer for each rule."""
    world = Scenario()
    world.meter("used", "use")
    tax = {"tax_category": "standard", "country_code": "DE", "tax_code": "DE-19", "rate": "19"}
    world.tax_rates.append(tax)

    def subscriber(name: str, *fees: tuple[str, str], ended_at: str = "2026-02-01") -> None:
        world.plan(name)
        world.customer(name)
        world.subscription(name, ended_at=ended_at)
        for charge, amount in fees:
            world.price(name, "flat", charge=charge, unit_price=amount)

    subscriber("ordered", ("fee", "60"))
    world.grant("ordered-last", "ordered", "50")
    world.grant("ordered-second", "ordered", "30", priority="1", expires_at="2027-01-01")
    world.grant("ordered-first", "ordered", "20", priority="1", expires_at="2026-06-01")
    subscriber("scoped", ("calls", "10"), ("fee", "50"))
    world.grant("scoped-calls", "scoped", "100", charge_code="calls", priority="9")
    world.grant("scoped-open", "scoped", "20", priority="1")
    subscriber("expiring", ("fee", "40"), ended_at="")
    world.grant("expiring", "expiring", "100", expires_at="2026-02-01")
    subscriber("lasting", ("fee", "40"), ended_at="")
    world.grant("lasting", "lasting", "100")
    subscriber("later", ("fee", "10"), ended_at="")
    world.grant("later", "later", "100", granted_at="2026-02-10")
    subscriber("quarterly", ("fee", "10"), ended_at="")
    terms = {"billing_interval": "quarter", "unit_price": "30"}
    world.price("quarterly", "flat", charge="quarter", **terms)
    world.grant("quarterly", "quarterly", "100", expires_at="2026-02-15")
    subscriber("advance", ended_at="")
    world.price("advance", "flat", charge="fee", unit_price="10", billed="advance")
    world.grant("advance", "advance", "100", granted_at="2026-02-10")
    subscriber("units", ("fee", "60"))
    units = {"credit_unit": "token", "granted_quantity": "1000", "unit_price": "0.02"}
    world.grant("units", "units", "", **units)
    subscriber("taxed")
    world.price("taxed", "flat", charge="fee", unit_price="100", tax_category="standard")
    world.grant("taxed", "taxed", "150")
    subscriber("dollars", ("fee", "10"))
    world.grant("dollars", "dollars", "100", currency_code="USD")
    subscriber("unusable", ("fee", "10"))
    world.grant("unusable", "unusable", "much")
    return world


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Credits:
    world = customers()
    installation = build(
        tmp_path_factory.mktemp("credits"), world, dbt_folder=dbt_folder, tested=False
    )
    entries, due = texts(installation.rows(ENTRIES)), texts(installation.rows(DUE))
    installation.issue("2026-01")
    frozen = installation.rows("select * from ledger.issued_credit_applications order by all")

    late = Scenario(customers=world.customers, subscriptions=world.subscriptions)
    late.credit_grants = [
        row | {"granted_amount": "30"} if row["grant_id"] == "lasting" else row
        for row in world.credit_grants
        if row["grant_id"] != "taxed"
    ]
    installation.land(late, batch="2")
    installation.bill()
    return Credits(
        installation,
        entries,
        due,
        frozen,
        texts(installation.rows(ENTRIES)),
        texts(installation.rows(DUE)),
        installation.rows("select * from ledger.issued_credit_applications order by all"),
    )


def test_grants_are_used_by_priority_and_then_by_expiry(history: Credits) -> None:
    """60 due: 20 of the one expiring first, 30 of the other with a rank, 10 of the last."""
    assert history.due["ordered"] == ["2026-01 60 60 0"]
    assert history.entries["ordered-first"] == ["granted 20 20", "reserved 2026-01 -20 0"]
    assert history.entries["ordered-second"] == ["granted 30 30", "reserved 2026-01 -30 0"]
    assert history.entries["ordered-last"] == ["granted 50 50", "reserved 2026-01 -10 40"]


def test_credit_for_one_charge_pays_that_first(history: Credits) -> None:
    """10 of calls by their own credit, then 20 of the open one: 30 of 60 are due."""
    assert history.due["scoped"] == ["2026-01 60 30 30"]
    assert history.entries["scoped-calls"] == ["granted 100 100", "reserved 2026-01 -10 90"]
    assert history.entries["scoped-open"] == ["granted 20 20", "reserved 2026-01 -20 0"]


def test_credit_pays_for_periods_that_begin_before_it_expires(history: Credits) -> None:
    """40 of January; February begins at the instant of the expiry, and 60 are lost."""
    assert history.due["expiring"] == ["2026-01 40 40 0", "2026-02 40 0 40", "2026-03 40 0 40"]
    assert history.entries["expiring"] == [
        "granted 100 100",
        "reserved 2026-01 -40 60",
        "expired -60 0",
    ]


def test_what_one_draft_leaves_the_next_one_uses(history: Credits) -> None:
    """100 over three times 40: 40, 40 and 20."""
    assert history.due["lasting"] == ["2026-01 40 40 0", "2026-02 40 40 0", "2026-03 40 20 20"]


def test_credit_does_not_pay_for_periods_before_it(history: Credits) -> None:
    """Granted on 10 February: nothing of January."""
    assert history.due["later"] == ["2026-01 10 0 10", "2026-02 10 10 0", "2026-03 10 10 0"]


def test_what_a_fee_is_for_does_not_move_the_billing_period(history: Credits) -> None:
    """The fee of a quarter that begins before the expiry is on an invoice that does not.

    February's fee in advance is on the invoice of January, which ends before the grant.
    """
    assert history.due["quarterly"] == [
        "2026-01 10 10 0",
        "2026-02 10 10 0",
        "2026-03 40 0 40",
    ]
    assert history.due["advance"] == ["2026-01 20 0 20", "2026-02 10 10 0", "2026-03 10 10 0"]


def test_credit_units_are_worth_their_price(history: Credits) -> None:
    """1000 tokens at 0.02 pay 20 of 60."""
    assert history.due["units"] == ["2026-01 60 20 40"]


def test_credit_pays_tax_too(history: Credits) -> None:
    """100 + 19 by 150: 31 are left."""
    assert history.due["taxed"] == ["2026-01 119 119 0"]
    assert history.entries["taxed"] == ["granted 150 150", "reserved 2026-01 -119 31"]


def test_credit_in_another_currency_or_without_an_amount_pays_nothing(
    history: Credits,
) -> None:
    assert history.due["dollars"] == ["2026-01 10 0 10"]
    assert history.due["unusable"] == ["2026-01 10 0 10"]
    assert "unusable" not in history.entries


def test_what_is_issued_is_not_worked_out_again(history: Credits) -> None:
    """The grant of 100 shrinks to 30 after 40 were used, that of 150 is taken back."""
    assert len(history.frozen) == 10
    assert history.later_frozen == history.frozen
    assert history.later_due["lasting"] == [
        "2026-01 40 40 0",
        "2026-02 40 0 40",
        "2026-03 40 0 40",
    ]
    assert history.later_entries["lasting"] == ["granted 40 40", "applied 2026-01 -40 0"]
    assert history.later_entries["taxed"] == ["granted 119 119", "applied 2026-01 -119 0"]
    assert history.later_due["later"] == history.due["later"]
