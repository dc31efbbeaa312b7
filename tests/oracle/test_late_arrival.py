"""What arrives after bills are issued changes when it is paid for, and not how much.

What belongs here: the made-up agreements of the other oracle, billed twice. Once all of it is
there from the start; once a third lands for each of three months, the first two being issued
before the rest is known, and some of it is withdrawn at the end.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from tests.harness import Installation, Scenario, build
from tests.oracle.bills import LAST_PERIOD
from tests.oracle.test_agreement_oracle import made_up_agreements, write_agreement

PERIODS = ("2026-01", "2026-02", LAST_PERIOD)
# Of a price that includes tax, what the customer pays is what has to agree.
PAID = """
    select
        customer_id, lines.subscription_id, charge_code,
        sum(coalesce(gross_amount, lines.net_amount)) as amount
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices using (invoice_id)
    where line_type <> 'rounding'
    group by customer_id, lines.subscription_id, charge_code having amount <> 0
"""


def whole_world() -> Scenario:
    """All of the agreements, all of their usage, and every eleventh event withdrawn."""
    world = Scenario()
    world.meter("used", "use")
    world.meter("zoned", "use", dimensions="zone")
    tax = {"tax_category": "standard", "country_code": "DE", "tax_code": "DE-19", "rate": "19"}
    world.tax_rates.append(tax)
    for number, (customer, agreed) in enumerate(made_up_agreements()):
        write_agreement(world, f"c{number:03}", customer, agreed)
    for lines in world.events.values():
        for line in lines[::11]:
            world.void(json.loads(line)["id"])
    return world


def part(world: Scenario, number: int) -> Scenario:
    """A third of the usage, in no order of its time; the last has the withdrawals."""
    share = Scenario(
        customers=world.customers,
        subscriptions=world.subscriptions,
        credit_grants=world.credit_grants,
        corrections=world.corrections if number == 2 else [],
    )
    for name, lines in world.events.items():
        share.events[name] = lines[number::3]
    return share


def paid(installation: Installation) -> dict[tuple[str, ...], Decimal]:
    """What every charge comes to over all invoices, issued ones and drafts."""
    return {
        (row["customer_id"], row["subscription_id"], row["charge_code"]): row["amount"]
        for row in installation.rows(PAID)
    }


def test_what_lands_late_is_paid_for_all_the_same(
    tmp_path: Path, dbt_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bills of one month after the other add up to those of all at once."""
    world = whole_world()
    at_once = build(
        tmp_path / "once", world, dbt_folder=dbt_folder, period=LAST_PERIOD, tested=False
    )
    in_turn = Installation(tmp_path / "turns", dbt_folder)
    in_turn.folder.mkdir()
    in_turn.write_price_book(world)
    issued = []
    for number, period in enumerate(PERIODS):
        in_turn.land(part(world, number), batch=str(number + 1))
        in_turn.bill(period, tested=period == LAST_PERIOD)
        if period != LAST_PERIOD:
            issued.append(in_turn.issue(period))
    expected, found = paid(at_once), paid(in_turn)
    (adjusted,) = in_turn.rows(
        "select count(*) as count from marts.fct_invoice_lines where line_type = 'adjustment'"
    )
    with capsys.disabled():
        print(f"\n{len(expected)} charges, {issued} invoices, {adjusted['count']} adjustments")
    assert min(*issued, adjusted["count"]) > 5
    wrong = {
        key: (expected.get(key), found.get(key))
        for key in expected.keys() | found.keys()
        if expected.get(key) != found.get(key)
    }
    assert wrong == {}
