"""Rating by the SQL compared with rating by a second reading of the billing rules (bills.py).

What belongs here: made-up customers. Hypothesis only makes them; all of them are billed by one
build and compared to the last digit.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.harness import Scenario, build
from tests.oracle.bills import (
    EXACT_PLACES,
    LAST_PERIOD,
    MINOR_UNITS,
    Charge,
    Customer,
    Line,
    Tier,
    Version,
    bill,
    midnight,
    quantize,
)
from tests.oracle.made_up import made_up, text, version_columns

CUSTOMERS = 450
# In Beirut and Havana the clock skips a midnight in March; Casablanca changes in February.
ZONES = (
    "UTC,Europe/Berlin,America/New_York,America/Sao_Paulo,Asia/Tokyo,Asia/Kathmandu,"
    "Pacific/Auckland,Pacific/Kiritimati,Africa/Casablanca,Asia/Beirut,America/Havana"
)
MICROSECOND = timedelta(microseconds=1)


def decimals(low: int, high: int, places: int = 12) -> st.SearchStrategy[Decimal]:
    """Decimals between two whole numbers, mostly of few places, sometimes of all of them."""
    return st.sampled_from((0, 1, 2, places)).flatmap(
        lambda scale: st.integers(low * 10**scale, high * 10**scale).map(
            lambda digits: Decimal(digits).scaleb(-scale)
        )
    )


DAYS = st.integers(0, 89).map(lambda number: date(2026, 1, 1) + timedelta(days=number))
SMALLEST = Decimal("0.000000000001")


@st.composite
def tier_lists(draw: st.DrawFn, is_percent: bool) -> tuple[Tier, ...]:
    bounds = draw(st.lists(decimals(1, 500), max_size=3, unique=True).map(sorted))
    prices = decimals(0, 20, 10 if is_percent else 12)
    sizes = st.none() if is_percent else st.one_of(st.none(), st.none(), decimals(1, 40))
    return tuple(
        Tier(bound, draw(prices), draw(decimals(0, 5)), draw(sizes))
        for bound in (*bounds, None)
    )


MODELS = ("per_unit", "tiered", "volume", "package", "percentage", "dynamic")
PRICE_QUANTITIES = (None, None, Decimal(60), Decimal("0.7"), Decimal(1000000))
PATTERNS = ("", "5*", "55*", "551*", "55", "44*")
ZONES_OF_USAGE = ("5", "55", "551", "5512", "44", "7")


@st.composite
def chains(draw: st.DrawFn, changes: int, is_fee: bool, may_give_back: bool) -> Any:
    bounds = draw(st.lists(DAYS, max_size=changes, unique=True).map(sorted))
    versions = []
    for starts_on, ends_on in zip([None, *bounds], [*bounds, None], strict=True):
        model = draw(st.sampled_from(MODELS))
        is_percent = model == "percentage"
        has_tiers = not is_fee and (
            model in ("tiered", "volume") or (is_percent and draw(st.booleans()))
        )
        by_event = None
        if not is_fee and is_percent and not has_tiers and draw(st.booleans()):
            lowest = draw(decimals(0, 3))
            by_event = (draw(decimals(0, 2)), lowest, lowest + draw(decimals(0, 9)))
        # Units given back under an allowance are a question for people, not for an oracle.
        is_free = not is_fee and not may_give_back and not by_event and draw(st.booleans())
        tiers = draw(tier_lists(is_percent)) if has_tiers else ()
        by_quantity = not is_fee and model in ("per_unit", "tiered", "volume")
        by_quantity = by_quantity and not any(tier.package_size for tier in tiers)
        versions.append(
            Version(
                "flat" if is_fee else model,
                draw(decimals(0, 50, 10 if is_percent else 12)),
                draw(decimals(1, 40)),
                draw(decimals(0, 200)) if is_free else Decimal(0),
                tiers,
                starts_on,
                ends_on,
                by_event,
                price_quantity=draw(st.sampled_from(PRICE_QUANTITIES))
                if by_quantity
                else None,
            )
        )
    return tuple(versions)


@st.composite
def charges(draw: st.DrawFn, may_give_back: bool) -> Charge:
    is_fee = draw(st.integers(0, 3)) == 0
    is_prorated = is_fee and draw(st.booleans())
    # A fee in full has one price; which of two it takes is not a matter of arithmetic.
    changes = 0 if is_fee and not is_prorated else 2
    patterns: list[str | None] = [None]
    if not is_fee and draw(st.integers(0, 2)) == 0:
        patterns = draw(
            st.lists(st.sampled_from(PATTERNS), min_size=2, max_size=4, unique=True)
        )
    scopes = tuple(
        (pattern, draw(chains(changes, is_fee, may_give_back))) for pattern in patterns
    )
    return Charge(is_fee, is_prorated, scopes)


@st.composite
def customers(draw: st.DrawFn) -> Customer:
    zone = draw(st.sampled_from(ZONES.split(",")))
    starts_on = draw(st.one_of(st.just(date(2026, 1, 31)), st.just(date(2026, 1, 1)), DAYS))
    lasts = draw(st.sampled_from((None, None, 31, 45)) | st.integers(1, 80))
    may_give_back = draw(st.integers(0, 3)) == 0
    plan = tuple(draw(st.lists(charges(may_give_back), min_size=1, max_size=2)))
    versions = [v for charge in plan for _, chain in charge.scopes for v in chain]
    edges = {starts_on, date(2026, 2, 1), date(2026, 2, 28), date(2026, 3, 1)}
    edges |= {version.starts_on for version in versions if version.starts_on}
    at_edge = st.sampled_from(sorted(edges)).map(lambda day: midnight(day, zone))
    instants = st.one_of(
        at_edge,
        at_edge.map(lambda instant: instant - MICROSECOND),
        st.integers(0, 89 * 86400).map(
            lambda second: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second)
        ),
    )
    bounds = [tier.up_to for version in versions for tier in version.tiers if tier.up_to]
    bounds += [version.package_size for version in versions] + [Decimal(100)]
    bounds += [version.included for version in versions if version.included]
    at_bound = st.sampled_from(bounds)
    quantities = st.one_of(
        decimals(-100 if may_give_back else 0, 300),
        at_bound,
        at_bound.map(lambda bound: bound + SMALLEST),
    )
    # One event keeps a total on its bound, where most mistakes are; many mix everything.
    is_single = draw(st.booleans())
    usage = st.lists(
        st.tuples(
            instants,
            at_bound if is_single else quantities,
            st.sampled_from(ZONES_OF_USAGE),
        ),
        min_size=1 if is_single else 2,
        max_size=1 if is_single else 6,
    )
    return Customer(
        zone,
        draw(st.sampled_from(sorted(MINOR_UNITS))),
        draw(st.sampled_from(("calendar", "anniversary"))),
        starts_on,
        None if lasts is None else starts_on + timedelta(days=lasts),
        plan,
        tuple(draw(st.one_of(usage, usage, usage, st.just([])))),
    )


def write_customer(world: Scenario, name: str, customer: Customer, parent: str = "") -> None:
    """State the customer in the rows of the accounts files."""
    world.plan(name, customer.currency)
    world.customer(
        name,
        timezone=customer.zone,
        currency_code=customer.currency,
        parent_customer_id=parent,
    )
    world.subscription(
        name,
        started_at=text(customer.starts_on),
        ended_at=text(customer.ends_on),
        billing_anchor=customer.anchor,
    )
    for number, charge in enumerate(customer.charges):
        for pattern, versions in charge.scopes:
            for version in versions:
                columns: dict[str, str] = {} if charge.is_fee else {"meter_code": "used"}
                if pattern is not None:
                    columns["meter_code"] = "zoned"
                    columns["dimension_filter"] = f"zone={pattern}" if pattern else ""
                world.price(
                    name,
                    version.model,
                    charge=f"charge{number}",
                    prorated=str(charge.is_prorated).lower(),
                    **columns,
                    **version_columns(version),
                )
    for number, (at, quantity, place) in enumerate(customer.usage):
        world.event(
            name,
            text(quantity),
            at=at.isoformat(),
            file="ab"[number % 2],
            data={"zone": place},
        )


def families(names: list[str]) -> dict[str, tuple[str, str]]:
    """Parent and top of each customer: of nine, one has a daughter, one two granddaughters."""
    parents = {4: 3, 6: 5, 7: 6, 8: 6}
    found: dict[str, tuple[str, str]] = {}
    for index, name in enumerate(names):
        number = index % 9
        if number in parents:
            parent = names[index - number + parents[number]]
            found[name] = (parent, found[parent][1])
        else:
            found[name] = ("", name)
    return found


def test_the_sql_and_the_oracle_send_the_same_bills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {f"c{number:03}": c for number, c in enumerate(made_up(customers(), CUSTOMERS))}
    world = Scenario()
    world.meter("used", "use")
    world.meter("zoned", "use", dimensions="zone")
    tops = families(list(made))
    for name, customer in made.items():
        write_customer(world, name, customer, tops[name][0])
    installation = build(
        tmp_path / "data", world, dbt_folder=tmp_path / "dbt", period=LAST_PERIOD
    )
    billed: dict[str, list[Line]] = {name: [] for name in made}
    for row in installation.rows(
        "select customer_id, billing_period, charge_code, price_id, dimension_values,"
        " quantity, exact_amount, lines.net_amount from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
        " where billing_period <= ?",
        [LAST_PERIOD],
    ):
        row["price_id"] = row["price_id"].rpartition("-")[2]
        row["exact_amount"] = quantize(Fraction(row["exact_amount"]), EXACT_PLACES)
        billed[row.pop("customer_id")].append(Line(**row))
    expected: dict[str, list[Line]] = {name: [] for name in made}
    for name, customer in made.items():
        expected[tops[name][1]] += bill(customer)
    compared = sum(map(len, expected.values()))
    with capsys.disabled():
        print(f"\n{compared} lines of {len(made)} customers compared with the oracle")
    assert len(made) > CUSTOMERS * 9 // 10
    assert compared > CUSTOMERS
    wrong = [name for name in made if sorted(billed[name]) != sorted(expected[name])]
    for name in wrong[:1]:
        found = sorted(billed[name])
        assert found == sorted(expected[name]), f"{len(wrong)} differ: {made[name]}"
