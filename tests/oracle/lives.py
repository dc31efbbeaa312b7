"""A second reading of the rules about time: a customer's life billed with fractions and loops.

What belongs here: what a made-up customer with terms, trials, pauses, phases, bands and levels
is, and the lines it is charged. What is agreed beside the prices is in deals.py.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from tests.oracle.bills import (
    Version,
    by_event,
    local_date,
    midnight,
    months_later,
    price_of,
    quantize,
)

LAST_PERIOD = "2026-06"
NEVER = datetime(2099, 1, 1, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
MONTHS = {"month": 1, "quarter": 3, "year": 12}
MINOR_UNITS = {"EUR": 2, "JPY": 0, "KWD": 3}
# Dimensions by meter; `load` is read from the local time of an event, `size` from its size.
METERS: dict[str, tuple[str, ...]] = {
    "used": (),
    "by_load": ("load",),
    "by_size": ("size",),
    "by_both": ("load", "size"),
    "biggest": (),
    "held": (),
}
WORK_DAYS = ("mon", "tue", "wed", "thu", "fri")
# Bands of the local day, by days: up to which hour and minute a band lasts.
LOADS: list[tuple[tuple[str, ...], list[tuple[str, str]]]] = [
    (WORK_DAYS, [("02:30", "night"), ("08:00", "low"), ("20:15", "peak"), ("24:00", "night")]),
    (("sat", "sun"), [("24:00", "low")]),
    (("holiday",), [("12:00", "low"), ("24:00", "feast")]),
]
HOLIDAYS = (date(2026, 1, 1), date(2026, 3, 29), date(2026, 4, 3))
SIZES: list[tuple[Decimal | None, str]] = [
    (Decimal("10"), "small"),
    (Decimal("200.5"), "medium"),
    (None, "large"),
]


@dataclass(frozen=True)
class Moment:
    """A local date, as which it is written, or an instant so many seconds into the UTC day."""

    day: date
    second: int | None = None

    def at(self, zone: str) -> datetime:
        """As an instant: a bare date is the customer's local midnight."""
        if self.second is None:
            return midnight(self.day, zone)
        start = datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)
        return start + timedelta(seconds=self.second)

    def text(self) -> str:
        """As written in the accounts."""
        return self.day.isoformat() if self.second is None else self.at("UTC").isoformat()


@dataclass(frozen=True)
class Price:
    """A version of a charge, told apart by its dates or by months of the term, with bounds."""

    version: Version
    phase: tuple[int, int | None] = (0, None)
    minimum: Decimal | None = None
    maximum: Decimal | None = None


@dataclass(frozen=True)
class Charge:
    """A fee where it has no meter; prices by filter, of which "" takes the rest."""

    meter: str | None
    interval: str | None
    is_in_advance: bool
    is_prorated: bool
    category: str
    scopes: tuple[tuple[str, tuple[Price, ...]], ...]


@dataclass(frozen=True)
class Plan:
    """What is sold."""

    interval: str
    charges: tuple[Charge, ...]


@dataclass(frozen=True)
class Term:
    """A time on one plan of the customer, by its number."""

    plan: int
    anchor: str
    starts: Moment
    ends: Moment | None
    trial_ends: Moment | None


@dataclass(frozen=True)
class Event:
    """Usage, or a level where there is no size to tell it from."""

    at: datetime
    quantity: Decimal
    size: Decimal | None
    is_level: bool


@dataclass(frozen=True)
class Discount:
    """A percentage, fixed amount or free units, of a plan or a charge where it names one."""

    kind: str
    size: Decimal
    plan: int | None
    charge_code: str | None
    valid_from: date | None
    valid_to: date | None
    period_count: int | None


@dataclass(frozen=True)
class Commitment:
    """Spending of a plan, of each period or of the whole of a term between two dates."""

    plan: int
    amount: Decimal
    factor: Decimal | None
    charge_code: str | None
    category: str
    term: tuple[date, date] | None


@dataclass(frozen=True)
class Grant:
    """Prepaid credit, in money or so many units at a price."""

    units: Decimal | None
    worth: Decimal
    charge_code: str | None
    priority: int | None
    expires: date | None


@dataclass(frozen=True)
class Life:
    """One subscription from its first day to its last."""

    zone: str
    currency: str
    country: str
    plans: tuple[Plan, ...]
    terms: tuple[Term, ...]
    pauses: tuple[tuple[date, date | None], ...]
    events: tuple[Event, ...]
    discounts: tuple[Discount, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    grants: tuple[Grant, ...] = ()


@dataclass(frozen=True, order=True)
class Line:
    """What an invoice line has to say; only charges say how they come about."""

    billing_period: str
    line_type: str
    charge_code: str
    price_id: str
    net_amount: Decimal
    tax_category: str
    last_day: date
    dimension_values: str = ""
    period_from: datetime = NEVER
    period_to: datetime = NEVER
    quantity: Decimal = Decimal(1)
    exact_amount: Decimal = Decimal(0)


@dataclass(frozen=True)
class Period:
    """Full days of a period, what the term has of it, and from when it is owed."""

    first_day: date
    end_day: date
    starts_at: datetime
    ends_at: datetime
    owed_from: datetime


# --- time -------------------------------------------------------------------------------


def periods(life: Life, term: Term, interval: str) -> Iterator[Period]:
    """Periods of an interval from the start of the term on (rule 1)."""
    zone, size = life.zone, MONTHS[interval]
    term_from = term.starts.at(zone)
    term_to = term.ends.at(zone) if term.ends else NEVER
    trial_to = term.trial_ends.at(zone) if term.trial_ends else term_from
    anchor = local_date(term_from, zone)
    if term.anchor == "calendar":
        anchor = anchor.replace(month=(anchor.month - 1) // size * size + 1, day=1)
    for number in itertools.count():
        days = months_later(anchor, number * size), months_later(anchor, (number + 1) * size)
        start, end = midnight(days[0], zone), midnight(days[1], zone)
        if start >= term_to or days[0].year > 2029:
            return
        start, end = max(start, term_from), min(end, term_to)
        if start < end:
            yield Period(*days, start, end, max(start, trial_to))


def invoice_month(life: Life, term: Term, charge: Charge, period: Period) -> str:
    """Month of the invoice on which a period of a charge stands."""
    plan = life.plans[term.plan]
    interval = min(plan.interval, charge.interval or plan.interval, key=MONTHS.__getitem__)
    at = period.starts_at
    if charge.is_in_advance and at != term.starts.at(life.zone):
        at -= INSTANT
    elif not charge.is_in_advance and charge.interval:
        at = period.ends_at - INSTANT
    for billed in periods(life, term, interval):
        if billed.starts_at <= at < billed.ends_at:
            return local_date(billed.starts_at, life.zone).strftime("%Y-%m")
    raise AssertionError


def billing_periods(life: Life, term: Term) -> Iterator[tuple[str, Period]]:
    """Periods of a term that have an invoice: the plan's, and those that are shorter."""
    plan = life.plans[term.plan]
    own = {charge.interval or plan.interval for charge in plan.charges} | {plan.interval}
    for interval in sorted(own):
        if MONTHS[interval] <= MONTHS[plan.interval]:
            for period in periods(life, term, interval):
                yield local_date(period.starts_at, life.zone).strftime("%Y-%m"), period


def discounted(life: Life, discount: Discount) -> set[tuple[int, str]]:
    """Plans and billing periods in which a discount holds, counted from the first on."""
    found = set()
    for term in life.terms:
        if discount.plan not in (None, term.plan):
            continue
        for month, period in billing_periods(life, term):
            begins = local_date(period.starts_at, life.zone)
            has_begun = not discount.valid_from or discount.valid_from <= begins
            if has_begun and not (discount.valid_to and discount.valid_to <= begins):
                found.add((term.plan, month))
    counted = sorted({month for _, month in found})[: discount.period_count]
    return {(plan, month) for plan, month in found if month in counted}


def free_units(life: Life, plan: int, code: str, month: str) -> Fraction:
    """Units of a charge that discounts make free in a billing period."""
    return sum(
        (
            Fraction(discount.size)
            for discount in life.discounts
            if (discount.kind, discount.charge_code) == ("free_units", code)
            and (plan, month) in discounted(life, discount)
        ),
        Fraction(0),
    )


def is_paused(life: Life, day: date) -> bool:
    """Whether a local day is in a pause."""
    return any(start <= day and (end is None or day < end) for start, end in life.pauses)


def active_days(life: Life, start: datetime, end: datetime) -> int:
    """Days without pauses; the one of the start counts, the one of the end does not."""
    first, last = local_date(start, life.zone), local_date(end, life.zone)
    days = (first + timedelta(days=number) for number in range((last - first).days))
    return sum(not is_paused(life, day) for day in days)


def is_paused_throughout(life: Life, start: datetime, end: datetime) -> bool:
    """Whether no instant of a span is outside of the pauses."""
    days = local_date(start, life.zone), local_date(end - INSTANT, life.zone)
    count = (days[1] - days[0]).days + 1
    return all(is_paused(life, days[0] + timedelta(days=number)) for number in range(count))


def is_active(life: Life, at: datetime) -> bool:
    """Whether an event at the instant has a subscription to be billed to."""
    return not is_paused(life, local_date(at, life.zone)) and any(
        term.starts.at(life.zone) <= at and (not term.ends or at < term.ends.at(life.zone))
        for term in life.terms
    )


def window(
    life: Life, term: Term, price: Price, period: Period
) -> tuple[datetime, datetime] | None:
    """What of a period is owed at a price, if anything."""
    zone, start, end = life.zone, period.owed_from, period.ends_at
    first = local_date(term.starts.at(zone), zone)
    if price.version.starts_on:
        start = max(start, midnight(price.version.starts_on, zone))
    if price.version.ends_on:
        end = min(end, midnight(price.version.ends_on, zone))
    if price.phase[0]:
        start = max(start, midnight(months_later(first, price.phase[0]), zone))
    if price.phase[1] is not None:
        end = min(end, midnight(months_later(first, price.phase[1]), zone))
    return (start, end) if start < end else None


# --- quantities ---------------------------------------------------------------------------


def load(at: datetime, zone: str) -> str:
    """Band of the wall-clock time."""
    local = at.astimezone(ZoneInfo(zone))
    day = "holiday" if local.date() in HOLIDAYS else local.strftime("%a").lower()
    (bands,) = (bands for days, bands in LOADS if day in days)
    return next(band for until, band in bands if local.strftime("%H:%M") < until)


def band(size: Decimal | None) -> str | None:
    """Band of a size, its bound included; without a size there is none."""
    if size is None:
        return None
    return next(name for up_to, name in SIZES if up_to is None or size <= up_to)


def dimension_values(life: Life, meter: str, event: Event) -> dict[str, str | None]:
    """What tells the lines of a meter apart."""
    found = {"load": load(event.at, life.zone), "size": band(event.size)}
    return {name: found[name] for name in METERS[meter]}


def is_taken(scope: str, scopes: list[str], values: dict[str, str | None]) -> bool:
    """Whether a filter takes usage: its own value, or what no other filter has."""
    wanted = {f"{name}={value}" for name, value in values.items()}
    return scope in wanted if scope else not wanted & set(scopes)


def used(
    life: Life, charge: Charge, scope: str, span: tuple[datetime, datetime]
) -> dict[str, list[Fraction]]:
    """Quantities of the events in a span by dimension values; no usage has none."""
    assert charge.meter
    found: dict[str, list[Fraction]] = {}
    for event in life.events:
        if (
            event.is_level
            or not span[0] <= event.at < span[1]
            or not is_active(life, event.at)
        ):
            continue
        values = dimension_values(life, charge.meter, event)
        if is_taken(scope, [name for name, _ in charge.scopes], values):
            found.setdefault(json.dumps(values), []).append(Fraction(event.quantity))
    return found or {"{}": []}


def held_hours(life: Life, span: tuple[datetime, datetime]) -> Fraction:
    """Level times hours of a span; a level holds until the next one, over all else."""
    events = (event for event in life.events if event.is_level and is_active(life, event.at))
    # Of two at one instant the one that was sent last holds, which has the higher id.
    levels = sorted(((event.at, event.quantity) for event in events), key=lambda pair: pair[0])
    total = Fraction(0)
    for (at, level), (until, _) in itertools.pairwise([*levels, (NEVER, Decimal(0))]):
        held = min(until, span[1]) - max(at, span[0])
        if held > timedelta(0):
            total += Fraction(level) * Fraction(held // INSTANT, 3600 * 10**6)
    return total


def quantities(
    life: Life, charge: Charge, scope: str, span: tuple[datetime, datetime], period: Period
) -> dict[str, list[Fraction]]:
    """What a price is asked for, by dimension values, event by event where they add up."""
    if charge.meter == "held":
        hours = held_hours(life, span)
        if charge.is_prorated:
            whole = midnight(period.end_day, life.zone) - midnight(period.first_day, life.zone)
            hours /= Fraction(whole // INSTANT, 3600 * 10**6)
        return {"{}": [Fraction(quantize(hours, 12))]}
    found = used(life, charge, scope, span)
    if charge.meter == "biggest":
        return {values: [max(events, default=Fraction(0))] for values, events in found.items()}
    return found


# --- charges ------------------------------------------------------------------------------


def fee_shares(
    life: Life, term: Term, charge: Charge, period: Period
) -> Iterator[tuple[int, Price, tuple[datetime, datetime], Fraction]]:
    """Prices of a fee in a period with the share that is owed of each."""
    ((_, prices),) = charge.scopes
    whole = (period.end_day - period.first_day).days
    for number, price in enumerate(prices, 1):
        span = window(life, term, price, period)
        if span and charge.is_prorated:
            yield number, price, span, Fraction(active_days(life, *span), whole)
        elif span and span[0] == period.owed_from:
            yield number, price, (span[0], period.ends_at), Fraction(1)


@dataclass(frozen=True)
class Owed:
    """What one price asks for in a period for one set of dimension values, not yet rounded."""

    price_id: str
    span: tuple[datetime, datetime]
    values: str
    quantity: Fraction
    amount: Fraction


def last_day(zone: str, *owed: Owed) -> date:
    """The local day that decides about tax."""
    return local_date(max(part.span[1] for part in owed) - INSTANT, zone)


@dataclass(frozen=True)
class Charged:
    """One charge, or filter of it, in one of its periods."""

    term: Term
    charge: Charge
    charge_code: str
    prices: dict[str, Price]
    billing_period: str
    period: Period
    owed: tuple[Owed, ...]

    def lines(self, zone: str, currency: str) -> list[Line]:
        """As printed (rule 6); a line of zero is not."""
        found = [
            Line(
                self.billing_period,
                "charge",
                self.charge_code,
                owed.price_id,
                quantize(owed.amount, MINOR_UNITS[currency]),
                self.charge.category,
                last_day(zone, owed),
                owed.values,
                *owed.span,
                quantize(owed.quantity, 12),
                quantize(owed.amount, 24),
            )
            for owed in self.owed
        ]
        return [line for line in found if line.net_amount]


def owed_for_usage(
    life: Life,
    term: Term,
    charge: Charge,
    scope: str,
    prices: dict[str, Price],
    period: Period,
    extra: Fraction,
) -> Iterator[Owed]:
    """Usage of a period, price after price; the allowance is counted over all of them."""
    used_before: dict[str, Fraction] = {}
    for name, price in prices.items():
        span = window(life, term, price, period)
        if not span or is_paused_throughout(life, *span):
            continue
        for values, events in quantities(life, charge, scope, span, period).items():
            total, before = sum(events, Fraction(0)), used_before.get(values, Fraction(0))
            free = max(Fraction(price.version.included) + extra - before, Fraction(0))
            amount = price_of(price.version, total, free)
            if price.version.event_bounds:
                amount = by_event(price.version, events)
            used_before[values] = before + total
            yield Owed(name, span, values, total, amount)


def owed_for_fee(
    life: Life, term: Term, charge: Charge, prices: dict[str, Price], period: Period
) -> Iterator[Owed]:
    """A fee by the days of its prices, or once at the price with which the period starts."""
    days = (period.end_day - period.first_day).days
    for name, price in prices.items():
        span = window(life, term, price, period)
        share = Fraction(1)
        if span and charge.is_prorated:
            share = Fraction(active_days(life, *span), days)
        elif span and span[0] == period.owed_from:
            span = period.owed_from, period.ends_at
        else:
            continue
        yield Owed(name, span, "{}", share, share * Fraction(price.version.unit_price))


def charged(life: Life) -> Iterator[Charged]:
    """Everything the customer is charged, up to the last period."""
    for term in life.terms:
        plan = life.plans[term.plan]
        for charge_number, charge in enumerate(plan.charges):
            code = f"charge{charge_number}"
            for period in periods(life, term, charge.interval or plan.interval):
                if period.first_day.year > 2027:
                    break
                month = invoice_month(life, term, charge, period)
                if period.owed_from >= period.ends_at or month > LAST_PERIOD:
                    continue
                if is_paused_throughout(life, period.owed_from, period.ends_at):
                    continue
                extra = free_units(life, term.plan, code, month)
                names = (f"p{term.plan}-{code}-{number}" for number in itertools.count(1))
                for scope, versions in charge.scopes:
                    prices = {
                        name: price for price, name in zip(versions, names, strict=False)
                    }
                    found = owed_for_usage(life, term, charge, scope, prices, period, extra)
                    if not charge.meter:
                        found = owed_for_fee(life, term, charge, prices, period)
                    yield Charged(term, charge, code, prices, month, period, tuple(found))
