"""Rating by the SQL compared with rating by a second reading of the billing rules.

What belongs here: made-up customers, and an oracle that bills one of them with exact fractions
and loops, sharing nothing with the models. Hypothesis only makes the customers; all of them
are billed by one build and compared to the last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.harness import Scenario, build

CUSTOMERS = 450
LAST_PERIOD = "2026-03"
MINOR_UNITS = {"EUR": 2, "JPY": 0, "KWD": 3}
# In Beirut and Havana the clock skips a midnight in March; Casablanca changes in February.
ZONES = (
    "UTC,Europe/Berlin,America/New_York,America/Sao_Paulo,Asia/Tokyo,Asia/Kathmandu,"
    "Pacific/Auckland,Pacific/Kiritimati,Africa/Casablanca,Asia/Beirut,America/Havana"
)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Tier:
    """A tier ends at `up_to`, itself included; None is open."""

    up_to: Decimal | None
    unit_price: Decimal
    flat_amount: Decimal


@dataclass(frozen=True)
class Version:
    """A price that holds from the local midnight of one date to that of another."""

    model: str
    unit_price: Decimal
    package_size: Decimal
    included: Decimal
    tiers: tuple[Tier, ...]
    starts_on: date | None
    ends_on: date | None


@dataclass(frozen=True)
class Charge:
    """Versions without gap; a fee when `is_fee`, of which `is_prorated` counts days."""

    is_fee: bool
    is_prorated: bool
    versions: tuple[Version, ...]


@dataclass(frozen=True)
class Customer:
    """One subscription, its plan and its usage."""

    zone: str
    currency: str
    anchor: str
    starts_on: date
    ends_on: date | None
    charges: tuple[Charge, ...]
    usage: tuple[tuple[datetime, Decimal], ...]


@dataclass(frozen=True, order=True)
class Line:
    """What an invoice line has to say."""

    billing_period: str
    charge_code: str
    price_id: str
    quantity: Decimal
    exact_amount: Decimal
    net_amount: Decimal


# --- the oracle -------------------------------------------------------------------------


def midnight(day: date, zone: str) -> datetime:
    """UTC instant at which the day begins."""
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def local_date(instant: datetime, zone: str) -> date:
    """Date of the instant on the customer's calendar."""
    return instant.astimezone(ZoneInfo(zone)).date()


def months_later(day: date, months: int) -> date:
    """Same day of a later month, or that month's last."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    for number in range(day.day, 0, -1):
        try:
            return date(year, month + 1, number)
        except ValueError:
            continue
    raise AssertionError


def periods(customer: Customer) -> Iterator[tuple[date, date]]:
    """Full billing periods that start by the last period billed (rule 1)."""
    first = customer.starts_on
    anchor = first if customer.anchor == "anniversary" else first.replace(day=1)
    number = 0
    while (start := months_later(anchor, number)).strftime("%Y-%m") <= LAST_PERIOD:
        yield start, months_later(anchor, number + 1)
        number += 1


def quantize(value: Fraction, places: int) -> Decimal:
    """Round half away from zero (rule 6)."""
    scaled = abs(value) * 10**places
    digits = math.floor(scaled + Fraction(1, 2))
    with localcontext(prec=100):
        return Decimal(digits if value >= 0 else -digits).scaleb(-places)


def tiered(quantity: Fraction, tiers: tuple[Tier, ...]) -> Fraction:
    """Each unit at the price of its tier, plus the flat amount of every tier entered."""
    amount, start = Fraction(0), Fraction(0)
    for number, tier in enumerate(tiers):
        if number > 0 and quantity <= start:
            break
        end = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
        amount += (end - start) * Fraction(tier.unit_price) + Fraction(tier.flat_amount)
        if tier.up_to is not None:
            start = Fraction(tier.up_to)
    return amount


def volume(quantity: Fraction, tiers: tuple[Tier, ...]) -> Fraction:
    """All units at the price of the tier in which the total falls."""
    tier = next(t for t in tiers if t.up_to is None or quantity <= Fraction(t.up_to))
    return quantity * Fraction(tier.unit_price) + Fraction(tier.flat_amount)


def price_of(version: Version, quantity: Fraction, free: Fraction) -> Fraction:
    """Exact amount of a quantity (rules 3 to 5)."""
    if quantity < 0:
        if version.model == "per_unit":
            return quantity * Fraction(version.unit_price)
        quantity = Fraction(0)
    owed = max(quantity - free, Fraction(0))
    if version.model == "per_unit":
        return owed * Fraction(version.unit_price)
    if version.model == "package":
        packages = math.ceil(owed / Fraction(version.package_size))
        return packages * Fraction(version.unit_price)
    return (tiered if version.model == "tiered" else volume)(owed, version.tiers)


def bill(customer: Customer) -> list[Line]:
    """Every line the customer has to be sent up to the last period."""
    zone, lines = customer.zone, []
    term_from = midnight(customer.starts_on, zone)
    term_to = midnight(customer.ends_on or date(2099, 1, 1), zone)
    for first_day, end_day in periods(customer):
        period_from = max(midnight(first_day, zone), term_from)
        period_to = min(midnight(end_day, zone), term_to)
        for charge_number, charge in enumerate(customer.charges):
            used_before = Fraction(0)
            for number, version in enumerate(charge.versions):
                start = version.starts_on and midnight(version.starts_on, zone)
                end = version.ends_on and midnight(version.ends_on, zone)
                line_from = max(period_from, start or period_from)
                line_to = min(period_to, end or period_to)
                if line_from >= line_to:
                    continue
                if charge.is_fee:
                    active = local_date(line_to, zone) - local_date(line_from, zone)
                    share = Fraction(active.days, (end_day - first_day).days)
                    quantity = share if charge.is_prorated else Fraction(1)
                    amount = quantity * Fraction(version.unit_price)
                else:
                    quantity = sum(
                        (Fraction(q) for at, q in customer.usage if line_from <= at < line_to),
                        Fraction(0),
                    )
                    free = max(Fraction(version.included) - used_before, Fraction(0))
                    amount = price_of(version, quantity, free)
                    used_before += quantity
                net = quantize(amount, MINOR_UNITS[customer.currency])
                if net != 0:
                    lines.append(
                        Line(
                            first_day.strftime("%Y-%m"),
                            f"charge{charge_number}",
                            str(number + 1),
                            quantize(quantity, 12),
                            quantize(amount, 24),
                            net,
                        )
                    )
    return sorted(lines)


# --- made-up customers ------------------------------------------------------------------


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
def tier_lists(draw: st.DrawFn) -> tuple[Tier, ...]:
    bounds = draw(st.lists(decimals(1, 500), max_size=3, unique=True).map(sorted))
    return tuple(
        Tier(bound, draw(decimals(0, 20)), draw(decimals(0, 5))) for bound in (*bounds, None)
    )


@st.composite
def charges(draw: st.DrawFn, may_give_back: bool) -> Charge:
    is_fee = draw(st.integers(0, 3)) == 0
    is_prorated = is_fee and draw(st.booleans())
    # A fee in full has one price; which of two it takes is not a matter of arithmetic.
    changes = 0 if is_fee and not is_prorated else 2
    bounds = draw(st.lists(DAYS, max_size=changes, unique=True).map(sorted))
    versions = []
    for starts_on, ends_on in zip([None, *bounds], [*bounds, None], strict=True):
        model = draw(st.sampled_from(("per_unit", "tiered", "volume", "package")))
        has_tiers = not is_fee and model in ("tiered", "volume")
        # Units given back under an allowance are a question for people, not for an oracle.
        is_free = not is_fee and not may_give_back and draw(st.booleans())
        versions.append(
            Version(
                "flat" if is_fee else model,
                draw(decimals(0, 50)),
                draw(decimals(1, 40)),
                draw(decimals(0, 200)) if is_free else Decimal(0),
                draw(tier_lists()) if has_tiers else (),
                starts_on,
                ends_on,
            )
        )
    return Charge(is_fee, is_prorated, tuple(versions))


@st.composite
def customers(draw: st.DrawFn) -> Customer:
    zone = draw(st.sampled_from(ZONES.split(",")))
    starts_on = draw(st.one_of(st.just(date(2026, 1, 31)), st.just(date(2026, 1, 1)), DAYS))
    lasts = draw(st.sampled_from((None, None, 31, 45)) | st.integers(1, 80))
    may_give_back = draw(st.integers(0, 3)) == 0
    plan = tuple(draw(st.lists(charges(may_give_back), min_size=1, max_size=2)))
    versions = [version for charge in plan for version in charge.versions]
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
        st.tuples(instants, at_bound if is_single else quantities),
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


def made_up_customers() -> list[Customer]:
    """The same customers every time."""
    made: list[Customer] = []

    @settings(
        max_examples=CUSTOMERS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(customers())
    def collect(customer: Customer) -> None:
        made.append(customer)

    collect()
    return list(dict.fromkeys(made))


def write_customer(world: Scenario, name: str, customer: Customer) -> None:
    """State the customer in the rows of the contract."""

    def text(value: Decimal) -> str:
        return format(value, "f")

    def day(value: date | None) -> str:
        return value.isoformat() if value else ""

    world.plan(name, customer.currency)
    world.customer(name, timezone=customer.zone, currency_code=customer.currency)
    world.subscription(
        name,
        started_at=day(customer.starts_on),
        ended_at=day(customer.ends_on),
        billing_anchor=customer.anchor,
    )
    for number, charge in enumerate(customer.charges):
        for version in charge.versions:
            columns: dict[str, str] = {} if charge.is_fee else {"meter_code": "used"}
            if not version.tiers:
                columns["unit_price"] = text(version.unit_price)
            if version.model == "package":
                columns["package_size"] = text(version.package_size)
            if version.included:
                columns["included_quantity"] = text(version.included)
            world.price(
                name,
                version.model,
                charge=f"charge{number}",
                prorated=str(charge.is_prorated).lower(),
                valid_from=day(version.starts_on),
                valid_to=day(version.ends_on),
                tiers=[
                    (
                        "" if t.up_to is None else text(t.up_to),
                        text(t.unit_price),
                        text(t.flat_amount),
                    )
                    for t in version.tiers
                ],
                **columns,
            )
    for number, (at, quantity) in enumerate(customer.usage):
        world.event(name, text(quantity), at=at.isoformat(), file="ab"[number % 2])


def test_the_sql_and_the_oracle_send_the_same_bills(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = {f"c{number:03}": c for number, c in enumerate(made_up_customers())}
    world = Scenario()
    world.meter("used", "use")
    for name, customer in made.items():
        write_customer(world, name, customer)
    installation = build(
        tmp_path / "data", world, dbt_folder=tmp_path / "dbt", period=LAST_PERIOD
    )
    billed: dict[str, list[Line]] = {name: [] for name in made}
    for row in installation.rows(
        "select customer_id, billing_period, charge_code, price_id, quantity, exact_amount,"
        " lines.net_amount from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
        " where billing_period <= ?",
        [LAST_PERIOD],
    ):
        row["price_id"] = row["price_id"].rpartition("-")[2]
        billed[row.pop("customer_id")].append(Line(**row))
    expected = {name: bill(customer) for name, customer in made.items()}
    compared = sum(map(len, expected.values()))
    with capsys.disabled():
        print(f"\n{compared} lines of {len(made)} customers compared with the oracle")
    assert len(made) > CUSTOMERS * 9 // 10
    assert compared > CUSTOMERS
    wrong = [name for name in made if sorted(billed[name]) != expected[name]]
    for name in wrong[:1]:
        assert sorted(billed[name]) == expected[name], f"{len(wrong)} differ: {made[name]}"
