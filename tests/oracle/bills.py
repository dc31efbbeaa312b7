"""A second reading of the billing rules: one customer billed with exact fractions and loops.

What belongs here: what a made-up customer is, and the oracle, which shares nothing with the
models.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal, localcontext
from fractions import Fraction
from zoneinfo import ZoneInfo

LAST_PERIOD = "2026-03"
MINOR_UNITS = {"EUR": 2, "JPY": 0, "KWD": 3}
# Parts of an amount that are divided are cut off at the 24th place, and then added up.
EXACT_PLACES = 20


@dataclass(frozen=True)
class Tier:
    """A tier ends at `up_to`, itself included; None is open."""

    up_to: Decimal | None
    unit_price: Decimal | Fraction
    flat_amount: Decimal
    package_size: Decimal | None = None


@dataclass(frozen=True)
class Version:
    """A price that holds from the local midnight of one date to that of another.

    ``event_bounds`` are fee, minimum and maximum of each event, the first of which are free.
    Unit prices are for `price_quantity` units.
    """

    model: str
    unit_price: Decimal
    package_size: Decimal
    included: Decimal
    tiers: tuple[Tier, ...]
    starts_on: date | None
    ends_on: date | None
    event_bounds: tuple[Decimal, Decimal, Decimal] | None = None
    free_events: int = 0
    price_quantity: Decimal | None = None


@dataclass(frozen=True)
class Charge:
    """Versions without gap by pattern of a zone, all usage being under the pattern None.

    A fee when `is_fee`, of which `is_prorated` counts days. The pattern "" takes the rest.
    """

    is_fee: bool
    is_prorated: bool
    scopes: tuple[tuple[str | None, tuple[Version, ...]], ...]


@dataclass(frozen=True)
class Customer:
    """One subscription, its plan and its usage."""

    zone: str
    currency: str
    anchor: str
    starts_on: date
    ends_on: date | None
    charges: tuple[Charge, ...]
    usage: tuple[tuple[datetime, Decimal, str], ...]


@dataclass(frozen=True, order=True)
class Line:
    """What an invoice line has to say."""

    billing_period: str
    charge_code: str
    price_id: str
    dimension_values: str
    quantity: Decimal
    exact_amount: Decimal
    net_amount: Decimal


# --- the oracle -------------------------------------------------------------------------


def midnight(day: date, zone: str) -> datetime:
    """UTC instant of local midnight, the later one where the clock shows it twice."""
    wall = datetime.combine(day, time(), ZoneInfo(zone))
    return max(wall.astimezone(UTC), wall.replace(fold=1).astimezone(UTC))


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


def share_out(amounts: Sequence[Fraction], places: int) -> list[Decimal]:
    """Round the sum once and share it by the largest remainder, of equal ones the first."""
    scaled = [amount * 10**places for amount in amounts]
    shares = [math.floor(amount) for amount in scaled]
    rest = int(quantize(sum(amounts, Fraction(0)), places).scaleb(places)) - sum(shares)
    by_remainder = sorted(range(len(shares)), key=lambda n: shares[n] - scaled[n])
    for number in by_remainder[:rest]:
        shares[number] += 1
    with localcontext(prec=100):
        return [Decimal(share).scaleb(-places) for share in shares]


def units(quantity: Fraction, tier: Tier) -> Fraction:
    """Units, or packages begun, that a tier charges."""
    if tier.package_size is None:
        return quantity
    return Fraction(math.ceil(quantity / Fraction(tier.package_size)))


def winner(zone: str, patterns: list[str]) -> str | None:
    """The pattern that takes a zone: itself, the longest prefix, or the rest."""
    if zone in patterns and zone:
        return zone
    for length in range(len(zone), 0, -1):
        if f"{zone[:length]}*" in patterns:
            return f"{zone[:length]}*"
    return "" if "" in patterns else None


def tiered(quantity: Fraction, tiers: tuple[Tier, ...]) -> Fraction:
    """Each unit at the price of its tier, plus the flat amount of every tier entered."""
    amount, start = Fraction(0), Fraction(0)
    for number, tier in enumerate(tiers):
        if number > 0 and quantity <= start:
            break
        end = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
        amount += units(end - start, tier) * Fraction(tier.unit_price)
        amount += Fraction(tier.flat_amount)
        if tier.up_to is not None:
            start = Fraction(tier.up_to)
    return amount


def volume(quantity: Fraction, tiers: tuple[Tier, ...]) -> Fraction:
    """All units at the price of the tier in which the total falls."""
    tier = next(t for t in tiers if t.up_to is None or quantity <= Fraction(t.up_to))
    return units(quantity, tier) * Fraction(tier.unit_price) + Fraction(tier.flat_amount)


def by_event(version: Version, quantities: list[Fraction], count_before: int = 0) -> Fraction:
    """Percentage and fee of each event, within its bounds; a reversal gives it back.

    The first events of the period are free, those that were priced before counted.
    """
    assert version.event_bounds
    fee, lowest, highest = map(Fraction, version.event_bounds)
    amount = Fraction(0)
    for quantity in quantities[max(version.free_events - count_before, 0) :]:
        owed = abs(quantity) * Fraction(version.unit_price) / 100 + fee
        owed = min(max(owed, lowest), highest)
        amount += owed if quantity >= 0 else -owed
    return amount


def price_of(version: Version, quantity: Fraction, free: Fraction) -> Fraction:
    """Exact amount of a quantity (rules 3 to 5)."""
    unit_price = Fraction(version.unit_price) / Fraction(version.price_quantity or 1)
    if quantity < 0:
        if version.model in ("per_unit", "dynamic"):
            return quantity * unit_price
        if version.model == "percentage" and version.tiers:
            first = version.tiers[0]
            return quantity * Fraction(first.unit_price) / 100 + Fraction(first.flat_amount)
        if version.model == "percentage":
            return quantity * unit_price / 100
        quantity = Fraction(0)
    owed = max(quantity - free, Fraction(0))
    if version.model in ("per_unit", "dynamic"):
        return owed * unit_price
    if version.model == "percentage" and not version.tiers:
        return owed * unit_price / 100
    per = Fraction(version.price_quantity or 1)
    tiers = tuple(replace(t, unit_price=Fraction(t.unit_price) / per) for t in version.tiers)
    if version.model == "percentage":
        return tiered(
            owed, tuple(replace(t, unit_price=Fraction(t.unit_price) / 100) for t in tiers)
        )
    if version.model == "package":
        packages = math.ceil(owed / Fraction(version.package_size))
        return packages * Fraction(version.unit_price)
    return (tiered if version.model == "tiered" else volume)(owed, tiers)


def bill(customer: Customer) -> list[Line]:
    """Every line the customer has to be sent up to the last period."""
    zone, lines = customer.zone, []
    term_from = midnight(customer.starts_on, zone)
    term_to = midnight(customer.ends_on or date(2099, 1, 1), zone)
    for first_day, end_day in periods(customer):
        period_from = max(midnight(first_day, zone), term_from)
        period_to = min(midnight(end_day, zone), term_to)
        for charge_number, charge in enumerate(customer.charges):
            patterns = [pattern for pattern, _ in charge.scopes if pattern is not None]
            price_number = 0
            owed: list[tuple[datetime, str, str, Fraction, Fraction]] = []
            for pattern, versions in charge.scopes:
                used_before: dict[str, Fraction] = defaultdict(Fraction)
                for version in versions:
                    price_number += 1
                    start = version.starts_on and midnight(version.starts_on, zone)
                    end = version.ends_on and midnight(version.ends_on, zone)
                    line_from = max(period_from, start or period_from)
                    line_to = min(period_to, end or period_to)
                    if line_from >= line_to:
                        continue
                    used: dict[str, list[Fraction]] = defaultdict(list)
                    for at, quantity, place in customer.usage if not charge.is_fee else ():
                        if line_from <= at < line_to:
                            if pattern is None:
                                used["{}"].append(Fraction(quantity))
                            elif winner(place, patterns) == pattern:
                                used[f'{{"zone": "{place}"}}'].append(Fraction(quantity))
                    for values, quantities in (used or {"{}": []}).items():
                        if charge.is_fee:
                            active = local_date(line_to, zone) - local_date(line_from, zone)
                            share = Fraction(active.days, (end_day - first_day).days)
                            total = share if charge.is_prorated else Fraction(1)
                            amount = total * Fraction(version.unit_price)
                        else:
                            total = sum(quantities, Fraction(0))
                            free = Fraction(version.included) - used_before[values]
                            amount = price_of(version, total, max(free, Fraction(0)))
                            if version.event_bounds:
                                amount = by_event(version, quantities)
                            # A reversal is credited, and makes nothing more of it free.
                            used_before[values] += max(total, Fraction(0))
                        owed.append((line_from, values, str(price_number), total, amount))
            owed.sort()
            nets = share_out([line[-1] for line in owed], MINOR_UNITS[customer.currency])
            for (_, values, price_id, total, amount), net in zip(owed, nets, strict=True):
                if net != 0:
                    lines.append(
                        Line(
                            first_day.strftime("%Y-%m"),
                            f"charge{charge_number}",
                            price_id,
                            values,
                            quantize(total, 12),
                            quantize(amount, EXACT_PLACES),
                            net,
                        )
                    )
    return sorted(lines)
