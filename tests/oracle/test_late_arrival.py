"""What arrives after bills are issued changes when it is paid for, and not how much.

Prepaid units are the exception: what has taken them keeps them, what comes later goes without.

What belongs here: the made-up customers of the other oracles, billed twice. Once all of it is
there from the start; once it lands in parts, what is billed being issued before the rest is
known, and some of it is withdrawn at the end.
"""

from __future__ import annotations

import json
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Installation, Scenario, build
from tests.oracle.test_agreement_oracle import agreement_world, made_up_agreements
from tests.oracle.test_lifecycle_oracle import life_world, made_up_lives

# Of a price that includes tax, what the customer pays is what has to agree.
PAID = """
    select
        customer_id, coalesce(adjusted_billing_period, billing_period) as billing_period,
        lines.subscription_id, charge_code,
        sum(coalesce(gross_amount, lines.net_amount)) as amount
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices using (invoice_id)
    where line_type <> 'rounding'
    group by all having amount <> 0
"""


WORLDS = {
    "agreements": (
        lambda: agreement_world(made_up_agreements()),
        [["2026-01"], ["2026-02", "2026-03"]],
    ),
    "lives": (
        lambda: life_world(made_up_lives()),
        [
            ["2025-09", "2025-10", "2025-11", "2025-12"],
            ["2026-01", "2026-02", "2026-03"],
            ["2026-04", "2026-05", "2026-06"],
        ],
    ),
}


def part(world: Scenario, number: int, count: int) -> Scenario:
    """A part of the usage, in no order of its time; the last has the withdrawals."""
    share = Scenario(
        customers=world.customers,
        subscriptions=world.subscriptions,
        pauses=world.pauses,
        credit_grants=world.credit_grants,
        corrections=world.corrections if number == count - 1 else [],
    )
    for name, lines in world.events.items():
        share.events[name] = lines[number::count]
    return share


def in_units(world: Scenario) -> set[str]:
    """Customers who have prepaid units."""
    return {
        str(row["customer_id"]) for row in world.credit_grants if row.get("granted_quantity")
    }


def paid(installation: Installation) -> dict[tuple[str, ...], Decimal]:
    """What every charge of a billing period comes to over all invoices, issued and drafts."""
    return {
        tuple(row[name] for name in row if name != "amount"): row["amount"]
        for row in installation.rows(PAID)
    }


def follow_credit(installation: Installation) -> int:
    """Go through all documents: what is given back of a period goes to what has paid for it.

    Followed to the last digit are those about one period alone, as the tax of others is
    rounded once for all of their periods, of customers without credit for one charge.

    Returns: How many documents gave credit back.
    """
    uses: dict[str, list[Any]] = defaultdict(list)
    for row in installation.rows(
        "select * from marts.fct_credit_applications where applied_amount is not null"
    ):
        uses[row["invoice_id"]].append(row)
    documents = installation.rows(
        "select invoice_id, customer_id, billing_period, total_amount,"
        " min(coalesce(adjusted_billing_period, billing_period)) as period,"
        " count(distinct coalesce(adjusted_billing_period, billing_period)) as period_count,"
        " count(*) - count(adjusted_billing_period) as charge_count"
        " from marts.fct_invoices inner join marts.fct_invoice_lines using (invoice_id)"
        " group by all order by billing_period, charge_count = 0, invoice_id"
    )
    bound = {
        use["customer_id"] for found in uses.values() for use in found if use["charge_code"]
    }
    left: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    gave_back = 0
    for document in documents:
        name, period = document["customer_id"], document["period"]
        found = uses[document["invoice_id"]]
        returned = -sum(
            (u["applied_amount"] for u in found if u["applied_amount"] < 0), Decimal(0)
        )
        is_alone = (document["period_count"], document["charge_count"]) == (1, 0)
        if is_alone and name not in bound:
            paid = [amount for key, amount in left.items() if key[::2] == (name, period)]
            expected = min(sum(paid, Decimal(0)), max(-document["total_amount"], Decimal(0)))
            assert returned == expected, document
        gave_back += returned > 0
        for use in found:
            left[name, use["grant_id"], use["paid_billing_period"]] += use["applied_amount"]
    assert min(left.values()) >= 0
    return gave_back


@pytest.mark.parametrize("name", WORLDS)
def test_what_lands_late_is_paid_for_all_the_same(
    name: str, tmp_path: Path, dbt_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bills of one month after the other add up to those of all at once."""
    make, turns = WORLDS[name]
    world = make()
    for file, lines in world.events.items():
        # Each twice, under an id of its own, so that most months have usage that lands late.
        again = [line.replace('"id": "', '"id": "again-', 1) for line in lines]
        world.events[file] = [line for pair in zip(lines, again, strict=True) for line in pair]
        for line in lines[::11]:
            world.void(json.loads(line)["id"])
    last_period = turns[-1][-1]
    at_once = build(
        tmp_path / "once", world, dbt_folder=dbt_folder, period=last_period, tested=False
    )
    in_turn = Installation(tmp_path / "turns", dbt_folder)
    in_turn.folder.mkdir()
    in_turn.write_price_book(world)
    issued = 0
    for number, periods in enumerate(turns):
        in_turn.land(part(world, number, len(turns)), batch=str(number + 1))
        in_turn.bill(periods[-1], tested=periods == turns[-1])
        if periods != turns[-1]:
            issued += sum(in_turn.issue(period) for period in periods)
            # Settles what is issued: the rest meets periods that are not rated any more.
            in_turn.dbt_build(periods[-1], tested=False)
    prepaid = in_units(world)
    expected, found = (
        {key: amount for key, amount in paid(bills).items() if key[0] not in prepaid}
        for bills in (at_once, in_turn)
    )
    (adjusted,) = in_turn.rows(
        "select count(*) as count from marts.fct_invoice_lines where line_type = 'adjustment'"
    )
    with capsys.disabled():
        print(f"\n{len(expected)} charges, {issued} issued, {adjusted['count']} adjustments")
    assert adjusted["count"] > 0
    # Of the agreements nobody with credit gets anything back.
    assert follow_credit(in_turn) > 0 or name == "agreements"
    missing = {
        key: expected.get(key, Decimal(0)) - found.get(key, Decimal(0))
        for key in expected.keys() | found.keys()
        if expected.get(key) != found.get(key)
    }
    drafts = in_turn.rows(
        "select customer_id from marts.fct_invoices where invoice_status = 'draft'"
    )
    # An invoice of zero is not sent: what moves from one charge to another waits for the next.
    waiting = {key[0] for key in missing} - {row["customer_id"] for row in drafts}
    for name in waiting:
        assert sum(amount for key, amount in missing.items() if key[0] == name) == 0, name
    assert {key: amount for key, amount in missing.items() if key[0] not in waiting} == {}
