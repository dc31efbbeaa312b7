"""Prepaid credit: which grant pays what, what is left, and what an issue freezes.

Amounts are worked out by hand. Every customer pays fees or usage of its own plan from January
to March 2026; drafts of all three months are made, then January is issued and billed without
news, then grants change and usage of January is withdrawn or comes late, and all is issued.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dagster_project.lib.documents import render_period
from dagster_project.lib.settings import TEMPLATES_DIR
from tests.harness import Installation, Scenario, build

ENTRIES = """
    select
        grant_id, entry_kind, billing_period, coalesce(entry_amount, entry_quantity),
        coalesce(balance_amount, balance_quantity)
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
    rated_again: set[str]
    last_entries: dict[str, list[str]]
    drafts_left: list[dict[str, Any]]


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
    world.meter("gauge", "use", "max")
    world.meter("timed", "use", unit="hour", unit_quantity="3600")
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
    subscriber("next", ("fee", "10"), ended_at="")
    world.grant("next", "next", "100", granted_at="2026-02-01")
    subscriber("ending", ("fee", "10"), ended_at="")
    world.grant("ending", "ending", "100", expires_at="2026-04-01")
    subscriber("restated", ("fee", "10"))
    world.grant("restated", "restated", "1")
    world.grant("restated", "restated", "4")
    subscriber("quarterly", ("fee", "10"), ended_at="")
    terms = {"billing_interval": "quarter", "unit_price": "30"}
    world.price("quarterly", "flat", charge="quarter", **terms)
    world.grant("quarterly", "quarterly", "100", expires_at="2026-02-15")
    subscriber("advance", ended_at="")
    world.price("advance", "flat", charge="fee", unit_price="10", billed="advance")
    world.grant("advance", "advance", "100", granted_at="2026-02-10")
    subscriber("units", ("fee", "60"))
    world.grant("units", "units", "", **units("1000", credit_unit="token"))
    subscriber("taxed")
    world.price("taxed", "flat", charge="fee", unit_price="100", tax_category="standard")
    world.grant("taxed", "taxed", "150")
    subscriber("dollars", ("fee", "10"))
    world.grant("dollars", "dollars", "100", currency_code="USD")
    subscriber("unusable", ("fee", "10"))
    world.grant("unusable", "unusable", "much")
    prepay(world)
    give_back(world)
    return world


def units(quantity: str, **columns: str) -> dict[str, str]:
    """Columns of a grant in units of the meter ``used``."""
    return {"credit_unit": "unit", "granted_quantity": quantity, "unit_price": "2"} | columns


def prepay(world: Scenario) -> None:
    """Customers who have bought units of their usage, at 2 each unless said otherwise."""

    def buyer(name: str, *used: str, ended_at: str = "2026-02-01", **price: Any) -> None:
        world.plan(name)
        world.customer(name)
        world.subscription(name, ended_at=ended_at)
        model = price.pop("model", "per_unit")
        columns = {"meter_code": "used"} | ({} if "tiers" in price else {"unit_price": "2"})
        world.price(name, model, **(columns | price))
        for month, quantity in enumerate(used, 1):
            at, event_id = f"2026-{month:02}-10T00:00:00Z", f"{name}{month}"
            world.event(name, quantity, at=at, event_id=event_id, file=f"bought-{name}")

    buyer("prepaid", "100", tax_category="standard")
    world.grant("prepaid", "prepaid", "", **units("100", charge_code="usage"))
    buyer("partly", "150", included_quantity="20")
    world.grant("partly", "partly", "", **units("100"))
    buyer("graded", "180", model="tiered", tiers=[("100", "1"), ("", "0.5")])
    world.grant("graded", "graded", "", **units("100"))
    buyer("packed", "230", model="package", package_size="100")
    world.grant("packed", "packed", "", **units("100"))
    buyer("least", "100", minimum_amount="50")
    world.grant("least", "least", "", **units("100"))
    buyer("reversing", "-5")
    world.grant("reversing", "reversing", "", **units("100"))
    buyer("monthly", "60", "60", ended_at="2026-03-01")
    world.grant("monthly-1", "monthly", "", **units("100"))
    world.grant("monthly-2", "monthly", "", **units("10", priority="1"))
    buyer("lapsing", "10", "10", ended_at="2026-03-01")
    world.grant("lapsing", "lapsing", "", **units("15", expires_at="2026-02-01"))
    buyer("mixed", "100")
    world.price("mixed", "per_unit", charge="more", meter_code="used", unit_price="1")
    world.grant("mixed-units", "mixed", "", **units("130"))
    world.grant("mixed-more", "mixed", "", **units("20", charge_code="more"))
    world.grant("mixed-money", "mixed", "10")
    buyer("shared", model="per_unit", meter_code="gauge", valid_to="2026-01-16")
    world.price(
        "shared", "per_unit", meter_code="gauge", unit_price="2", valid_from="2026-01-16"
    )
    world.event("shared", "100", at="2026-01-05T00:00:00Z", file="bought-shared")
    world.grant("shared", "shared", "", **units("40"))
    buyer("hourly", "5400", meter_code="timed")
    world.grant("hourly", "hourly", "", **units("1", credit_unit="hour"))
    # A fee makes January an invoice, so that what comes later is an adjustment.
    for name in ("late", "voided", "withdrawn", "untouched"):
        buyer(name, "60")
        world.price(name, "flat", charge="fee", unit_price="10")
        world.grant(name, name, "", **units("50" if name == "untouched" else "100"))


def give_back(world: Scenario) -> None:
    """Customers whose usage is withdrawn after credit has paid for it."""

    def user(name: str, *used: str, ended_at: str = "2026-02-01", **price: Any) -> None:
        world.plan(name)
        world.customer(name)
        world.subscription(name, ended_at=ended_at)
        world.price(name, "per_unit", meter_code="used", unit_price="1", **price)
        for number, quantity in enumerate(used):
            world.event(name, quantity, event_id=f"{name}-{number}", file=f"back-{name}")

    user("whole", "100")
    world.grant("whole", "whole", "20")
    user("part", "90", "10")
    world.grant("part", "part", "20")
    user("several", "60", "40")
    world.grant("several-1", "several", "20", priority="1")
    world.grant("several-2", "several", "30", priority="2")
    user("with-tax", "50", "50", tax_category="standard")
    world.grant("with-tax", "with-tax", "50")
    user("going-on", "50", ended_at="2026-04-01")
    world.price("going-on", "flat", charge="fee", unit_price="35", valid_from="2026-03-01")
    world.grant("going-on", "going-on", "20")
    user("lapsed", "50", ended_at="2026-04-01")
    world.price("lapsed", "flat", charge="fee", unit_price="70", valid_from="2026-03-01")
    world.grant("lapsed", "lapsed", "20", expires_at="2026-02-01")
    user("bound", "50")
    world.price("bound", "per_unit", charge="other", meter_code="used", unit_price="0.5")
    world.grant("bound", "bound", "10", charge_code="other")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Credits:
    world = customers()
    installation = build(
        tmp_path_factory.mktemp("credits"), world, dbt_folder=dbt_folder, tested=False
    )
    entries, due = texts(installation.rows(ENTRIES)), texts(installation.rows(DUE))
    installation.issue("2026-01")
    frozen = installation.rows("select * from ledger.issued_credit_applications order by all")
    installation.bill(tested=False)

    late = Scenario(customers=world.customers, subscriptions=world.subscriptions)
    late.credit_grants = [
        row | {"granted_amount": "30"} if row["grant_id"] == "lasting" else row
        for row in world.credit_grants
        if row["grant_id"] not in ("taxed", "withdrawn", "prepaid")
    ]
    late.grant("found", "untouched", "", **units("10"))
    late.event("late", "60", at="2026-01-20T00:00:00Z")
    for name in ("voided1", "withdrawn1", "part-1", "several-1", "with-tax-1"):
        late.void(name)
    for name in ("whole-0", "going-on-0", "lapsed-0", "bound-0"):
        late.void(name)
    installation.land(late, batch="2")
    installation.bill()
    later = [texts(installation.rows(sql)) for sql in (ENTRIES, DUE)]
    later_frozen = installation.rows(
        "select * from ledger.issued_credit_applications order by all"
    )
    for month in ("2026-02", "2026-03"):
        installation.issue(month)
        assert installation.issue(month) == 0
    installation.dbt_build()
    rated_again = installation.rows(
        "select distinct customer_id from rating.rat_charge_periods"
        " where billing_period = '2026-01'"
    )
    return Credits(
        installation,
        entries,
        due,
        frozen,
        *later,
        later_frozen,
        {row["customer_id"] for row in rated_again},
        texts(installation.rows(ENTRIES)),
        installation.rows(
            "select * from marts.fct_credit_applications where application_status = 'draft'"
        ),
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
    """Granted on 10 February, or at the instant at which January ends: nothing of January."""
    paid = ["2026-01 10 0 10", "2026-02 10 10 0", "2026-03 10 10 0"]
    assert history.due["later"] == paid
    assert history.due["next"] == paid


def test_credit_is_lost_once_no_period_can_begin_before_its_end(history: Credits) -> None:
    """Until 1 April: March is the last period that it pays for, and 70 are left."""
    assert history.entries["ending"][-1] == "expired -70 0"


def test_of_two_rows_of_one_grant_the_last_counts(history: Credits) -> None:
    """A grant that was put right in the same file would stay as it was typed first."""
    assert history.due["restated"] == ["2026-01 10 4 6"]
    assert history.entries["restated"] == ["granted 4 4", "reserved 2026-01 -4 0"]


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


def test_units_pay_no_fee(history: Credits) -> None:
    """1000 tokens are no units of a fee, whatever they were sold for."""
    assert history.due["units"] == ["2026-01 60 0 60"]
    assert history.entries["units"] == ["granted 1000 1000"]


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
    assert len(history.frozen) == 37
    assert history.later_frozen == history.frozen
    assert history.later_due["lasting"] == [
        "2026-01 40 40 0",
        "2026-02 40 0 40",
        "2026-03 40 0 40",
    ]
    assert history.later_entries["lasting"] == ["granted 40 40", "applied 2026-01 -40 0"]
    assert history.later_entries["taxed"] == ["granted 119 119", "applied 2026-01 -119 0"]
    assert history.later_due["later"] == history.due["later"]


def test_prepaid_units_take_usage_before_price_and_tax(history: Credits) -> None:
    """100 used at 2 with 19 % tax, 100 prepaid: nothing due, and no invoice of nothing."""
    assert "prepaid" not in history.due
    assert history.entries["prepaid"] == ["granted 100 100", "reserved 2026-01 -100 0"]


def test_units_come_after_what_is_free(history: Credits) -> None:
    """150 used, 20 free, 100 prepaid: 30 at 2."""
    (line,) = history.installation.rows(
        "select quantity, included_quantity, prepaid_quantity, net_amount"
        " from marts.fct_invoice_lines where subscription_id = 'partly'"
    )
    assert tuple(line.values()) == (150, 20, 100, 60)


def test_what_is_left_of_the_usage_is_priced_as_if_it_were_all(history: Credits) -> None:
    """80 of 180 in tier 1, 130 of 230 in two packages; a minimum is owed all the same."""
    assert history.due["graded"] == ["2026-01 80 0 80"]
    assert history.due["packed"] == ["2026-01 4 0 4"]
    assert history.due["least"] == ["2026-01 50 0 50"]


def test_units_are_taken_of_what_is_charged(history: Credits) -> None:
    """5,400 seconds less 1 hour at 2; of a gauge of 100 over two prices 40 units, once."""
    assert history.due["hourly"] == ["2026-01 1 0 1"]
    assert history.due["shared"] == ["2026-01 120 0 120"]


def test_a_reversal_takes_no_units(history: Credits) -> None:
    """-5 at 2 is given back in money."""
    assert history.due["reversing"] == ["2026-01 -10 0 -10"]
    assert history.entries["reversing"] == ["granted 100 100"]


def test_units_are_used_in_the_order_of_months_and_grants(history: Credits) -> None:
    """60 and 60 from 10 with priority and 100: 10 and 50, then 50, and 10 are owed at 2."""
    assert history.due["monthly"] == ["2026-02 20 0 20"]
    assert history.entries["monthly-2"] == ["granted 10 10", "reserved 2026-01 -10 0"]
    assert history.entries["monthly-1"] == [
        "granted 100 100",
        "reserved 2026-01 -50 50",
        "reserved 2026-02 -50 0",
    ]


def test_units_expire(history: Credits) -> None:
    """10 of 15 in January; February begins with the expiry and owes 10 at 2."""
    assert history.due["lapsing"] == ["2026-02 20 0 20"]
    assert history.entries["lapsing"][1:] == ["reserved 2026-01 -10 5", "expired -5 0"]


def test_units_for_one_charge_then_units_for_all_then_money(history: Credits) -> None:
    """100 of `more` by 20 and 80, 50 of 100 of `usage` by the rest, 10 of 100.00 by money."""
    assert history.due["mixed"] == ["2026-01 100 10 90"]
    assert history.entries["mixed-more"][1:] == ["reserved 2026-01 -20 0"]
    assert history.entries["mixed-units"][1:] == [
        "reserved 2026-01 -80 50",
        "reserved 2026-01 -50 0",
    ]


def test_late_usage_takes_the_units_that_are_left(history: Credits) -> None:
    """60 of 100 are used by the issued invoice; 60 more take 40 and owe 20 at 2."""
    assert history.later_entries["late"][1:] == [
        "applied 2026-01 -60 40",
        "reserved 2026-03 -40 0",
    ]
    assert history.later_due["late"] == ["2026-01 10 0 10", "2026-03 40 0 40"]


def test_withdrawn_usage_gives_its_units_back(history: Credits) -> None:
    """60 come back although no money moves, and to a grant that is gone they do not."""
    assert history.later_due["voided"] == ["2026-01 10 0 10"]
    assert history.later_entries["voided"][1:] == [
        "applied 2026-01 -60 40",
        "returned 2026-03 60 100",
    ]
    assert history.later_entries["withdrawn"] == [
        "granted 60 60",
        "applied 2026-01 -60 0",
        "returned 2026-03 60 60",
        "withdrawn -60 0",
    ]


def test_units_of_a_month_without_an_invoice_stay_used(history: Credits) -> None:
    """The grant is gone after the issue of January; its usage would be billed after all."""
    assert history.later_entries["prepaid"] == ["granted 100 100", "applied 2026-01 -100 0"]
    assert "prepaid" not in history.later_due


def test_a_grant_that_lands_late_pays_for_its_own_time(history: Credits) -> None:
    """10 of 60 were owed; 10 more units of January give the 20.00 back."""
    assert history.due["untouched"] == ["2026-01 30 0 30"]
    assert history.later_due["untouched"] == ["2026-01 30 0 30", "2026-03 -20 0 -20"]


def test_periods_whose_units_cannot_change_are_not_rated_again(history: Credits) -> None:
    """Those that lack units of a grant are, since units may come back from another period."""
    assert {"partly", "graded", "mixed"} <= history.rated_again
    assert history.rated_again.isdisjoint({"least", "ordered", "lasting"})


def test_a_credit_note_gives_credit_back_first(history: Credits) -> None:
    """100.00, paid 20.00 by credit: 20.00 to the grant, 80.00 to the customer."""
    assert history.later_due["whole"] == ["2026-01 100 20 80", "2026-03 -100 -20 -80"]
    assert history.later_entries["whole"][1:] == [
        "applied 2026-01 -20 0",
        "returned 2026-03 20 20",
    ]


def test_no_more_comes_back_than_is_given_back(history: Credits) -> None:
    """10.00 of 100.00: all of it to the grant."""
    assert history.later_due["part"] == ["2026-01 100 20 80", "2026-03 -10 -10 0"]
    assert history.later_entries["part"][2:] == ["returned 2026-03 10 10"]


def test_what_paid_last_gets_back_first(history: Credits) -> None:
    """20 and then 30 have paid; of 40, 30 to the second and 10 to the first."""
    assert history.later_due["several"] == ["2026-01 100 50 50", "2026-03 -40 -40 0"]
    assert history.later_entries["several-2"][2:] == ["returned 2026-03 30 30"]
    assert history.later_entries["several-1"][2:] == ["returned 2026-03 10 10"]


def test_credit_comes_back_with_its_tax(history: Credits) -> None:
    """50.00 and 19 % are 59.50, of which 50.00 were credit."""
    assert history.later_due["with-tax"] == ["2026-01 119 50 69", "2026-03 -59.5 -50 -9.5"]


def test_an_invoice_uses_what_it_has_given_back(history: Credits) -> None:
    """35 less 50, of which 20 were credit: 20 come back, 5 pay, 15 are left, none due."""
    assert history.later_due["going-on"] == ["2026-01 50 20 30", "2026-03 -15 -15 0"]
    assert history.later_entries["going-on"][2:] == [
        "returned 2026-03 20 20",
        "reserved 2026-03 -5 15",
    ]


def test_credit_that_has_expired_comes_back_expired(history: Credits) -> None:
    """70 less 50, of which 20 were credit that nobody could use any more: 40 are due."""
    assert history.later_due["lapsed"] == ["2026-01 50 20 30", "2026-03 20 -20 40"]
    assert history.later_entries["lapsed"][2:] == ["returned 2026-03 20 20", "expired -20 0"]


def test_credit_for_one_charge_comes_back_from_that_alone(history: Credits) -> None:
    """75 are given back, 25 of them for the charge that the 10 have paid for."""
    assert history.later_due["bound"] == ["2026-01 75 10 65", "2026-03 -75 -10 -65"]


def test_once_all_is_issued_nothing_is_left_to_move(history: Credits) -> None:
    """A movement that an issue does not freeze would be there again with the next bill."""
    assert history.drafts_left == []
    kinds = {"reserved": "applied"}
    for grant, entries in history.later_entries.items():
        expected = [
            " ".join([kinds.get(kind, kind), *rest])
            for kind, *rest in (entry.split() for entry in entries)
        ]
        assert history.last_entries[grant] == expected


def test_a_grant_that_no_charge_can_take_is_named(history: Credits) -> None:
    """Somebody has paid for it, and would see it lie there."""
    (row,) = history.installation.rows(
        "select record_id, field, finding from marts.fct_account_exceptions"
        " where record_kind = 'credit_grants'"
    )
    finding = "'token' is the unit of no charge; the grant pays nothing"
    assert tuple(row.values()) == ("units", "credit_unit", finding)


def test_documents_say_what_was_prepaid_and_what_comes_back(
    history: Credits, tmp_path: Path
) -> None:
    """The amount of a line, or of a credit note, could not be followed."""
    pages = {}
    with history.installation.read() as connection:
        for month in ("2026-01", "2026-03"):
            render_period(connection, month, tmp_path, TEMPLATES_DIR)
    for row in history.installation.rows(
        "select customer_id, billing_period, invoice_number from marts.fct_invoices"
    ):
        path = tmp_path / row["billing_period"] / f"{row['invoice_number']}.html"
        if path.exists():
            pages[row["customer_id"], row["billing_period"]] = path.read_text(encoding="utf-8")
    assert "Prepaid: 100 unit" in pages["partly", "2026-01"]
    assert "Prepaid units used: 100 unit of usage (partly)" in pages["partly", "2026-01"]
    credit_note = pages["whole", "2026-03"]
    assert "Given back to prepaid credit" in credit_note
    assert "EUR\N{NO-BREAK SPACE}80.00" in credit_note
