"""A second reading of the rules about time: a customer's life billed with fractions and loops.

What belongs here: what a made-up customer with terms, trials, pauses, phases, bands and levels
is, and the lines it is charged. What is agreed beside the prices is in deals.py.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.bills import (
    Version,
    by_event,
    local_date,
    midnight,
    months_later,
    price_of,
    quantize,
    share_out,
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
    """A fee where it has no meter; prices by filter, of which "" takes the rest.

    Negotiated prices have a filter as well and hold from one date to another.
    """

    meter: str | None
    interval: str | None
    is_in_advance: bool
    is_prorated: bool
    category: str
    scopes: tuple[tuple[str, tuple[Price, ...]], ...]
    negotiated: tuple[tuple[str, Price], ...] = ()


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
    """Prepaid credit, in money or in so many units of one charge or of all."""

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


def unpaused(
    life: Life, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """What the pauses leave of a span, local day by day."""
    day = local_date(start, life.zone)
    while start < end:
        following = min(midnight(day + timedelta(days=1), life.zone), end)
        if not is_paused(life, day):
            yield start, following
        start, day = following, day + timedelta(days=1)


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


@dataclass(frozen=True)
class Offer:
    """A price under its name, of a plan or negotiated."""

    name: str
    scope: str
    price: Price
    is_negotiated: bool


@dataclass(frozen=True)
class Held:
    """A price in a span in which it holds."""

    name: str
    price: Price
    span: tuple[datetime, datetime]


@dataclass(frozen=True)
class Sale:
    """A charge of a term in one of its periods, and all of its prices."""

    life: Life
    term: Term
    charge: Charge
    offers: list[Offer]
    period: Period


def offers_of(term: Term, code: str, charge: Charge) -> list[Offer]:
    """All prices of a charge in the order in which they are written."""
    prices = [(scope, price, False) for scope, prices in charge.scopes for price in prices]
    prices += [(scope, price, True) for scope, price in charge.negotiated]
    return [
        Offer(f"p{term.plan}-{code}-{number}", *each) for number, each in enumerate(prices, 1)
    ]


def holder(scope: str, offers: list[Offer]) -> Offer | None:
    """Of offers that are valid at once the one of a filter: what is negotiated goes first.

    Without a filter it replaces the whole charge, but not what else is negotiated.
    """
    own = sorted((o for o in offers if o.scope == scope), key=lambda o: not o.is_negotiated)
    if not own or own[0].is_negotiated:
        return own[0] if own else None
    replaces_all = any(o.is_negotiated and not o.scope for o in offers)
    return None if replaces_all else own[0]


def valid_at(sale: Sale, at: datetime) -> list[Offer]:
    """Offers that are valid at an instant of the period."""
    spans = (
        (offer, window(sale.life, sale.term, offer.price, sale.period))
        for offer in sale.offers
    )
    return [offer for offer, span in spans if span and span[0] <= at < span[1]]


def held_prices(sale: Sale, scope: str) -> list[Held]:
    """Prices of a filter in the period, one after the other; one may come back."""
    windows = (window(sale.life, sale.term, o.price, sale.period) for o in sale.offers)
    spans = [span for span in windows if span]
    found: list[Held] = []
    for start, end in itertools.pairwise(sorted({bound for span in spans for bound in span})):
        offer = holder(scope, valid_at(sale, start))
        if offer and found and (found[-1].name, found[-1].span[1]) == (offer.name, start):
            start = found.pop().span[0]
        if offer:
            found.append(Held(offer.name, offer.price, (start, end)))
    return found


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


def is_taken(scope: str, offers: list[Offer], values: dict[str, str | None]) -> bool:
    """Whether a filter takes usage: its own value, or what no other filter has."""
    wanted = {f"{name}={value}" for name, value in values.items()}
    others = {offer.scope for offer in offers if holder(offer.scope, offers)}
    return scope in wanted if scope else not wanted & others


def used(sale: Sale, scope: str, span: tuple[datetime, datetime]) -> dict[str, list[Fraction]]:
    """Quantities of the events in a span in their order by dimension values, or none."""
    assert sale.charge.meter
    found: dict[str, list[Fraction]] = {}
    for event in sorted(sale.life.events, key=lambda event: event.at):
        if (
            event.is_level
            or not span[0] <= event.at < span[1]
            or not is_active(sale.life, event.at)
        ):
            continue
        values = dimension_values(sale.life, sale.charge.meter, event)
        if is_taken(scope, valid_at(sale, event.at), values):
            found.setdefault(json.dumps(values), []).append(Fraction(event.quantity))
    return found or {"{}": []}


def held_hours(life: Life, span: tuple[datetime, datetime]) -> Fraction:
    """Level times hours of a span; a level holds until the next one, but in no pause."""
    events = (event for event in life.events if event.is_level and is_active(life, event.at))
    # Of two at one instant the one that was sent last holds, which has the higher id.
    levels = sorted(((event.at, event.quantity) for event in events), key=lambda pair: pair[0])
    total = Fraction(0)
    for (at, level), (until, _) in itertools.pairwise([*levels, (NEVER, Decimal(0))]):
        for start, end in unpaused(life, max(at, span[0]), min(until, span[1])):
            total += Fraction(level) * Fraction((end - start) // INSTANT, 3600 * 10**6)
    return total


def quantities(
    sale: Sale, scope: str, span: tuple[datetime, datetime]
) -> dict[str, list[Fraction]]:
    """What a price is asked for, by dimension values, event by event where they add up."""
    if sale.charge.meter == "held":
        hours = held_hours(sale.life, span)
        if sale.charge.is_prorated:
            days, zone = (sale.period.first_day, sale.period.end_day), sale.life.zone
            whole = midnight(days[1], zone) - midnight(days[0], zone)
            hours /= Fraction(whole // INSTANT, 3600 * 10**6)
        return {"{}": [Fraction(quantize(hours, 12))]}
    found = used(sale, scope, span)
    if sale.charge.meter == "biggest":
        return {values: [max(events, default=Fraction(0))] for values, events in found.items()}
    return found


# --- charges ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Owed:
    """What one price asks for in a period for one set of dimension values.

    ``net`` is its share in the charge, which is rounded once (rule 6).
    """

    price_id: str
    span: tuple[datetime, datetime]
    values: str
    quantity: Fraction
    amount: Fraction
    net: Decimal = Decimal(0)
    version: Version | None = None
    free: Fraction = Fraction(0)

    @property
    def payable(self) -> Fraction:
        """Units that a grant can pay for; events that are priced one by one have none."""
        if self.version is None or self.version.event_bounds:
            return Fraction(0)
        return max(self.quantity - self.free, Fraction(0))


def last_day(zone: str, *owed: Owed) -> date:
    """The local day that decides about tax."""
    return local_date(max(part.span[1] for part in owed) - INSTANT, zone)


@dataclass(frozen=True)
class Charged:
    """One charge, or filter of it, in one of its periods."""

    term: Term
    charge: Charge
    charge_code: str
    held: tuple[Held, ...]
    billing_period: str
    period: Period
    owed: tuple[Owed, ...]

    def lines(self, zone: str) -> list[Line]:
        """As printed (rule 6); a line of zero is not."""
        found = [
            Line(
                self.billing_period,
                "charge",
                self.charge_code,
                owed.price_id,
                owed.net,
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


def owed_for_usage(sale: Sale, scope: str, extra: Fraction) -> Iterator[Owed]:
    """Usage of a period, price after price; the allowance is counted over all of them."""
    used_before: dict[str, Fraction] = {}
    events_before: dict[str, int] = {}
    for held in held_prices(sale, scope):
        price, span = held.price, held.span
        if is_paused_throughout(sale.life, *span):
            continue
        found = quantities(sale, scope, span)
        for values, events in found.items():
            total, before = sum(events, Fraction(0)), used_before.get(values, Fraction(0))
            free = max(Fraction(price.version.included) + extra - before, Fraction(0))
            amount = price_of(price.version, total, free)
            if price.version.event_bounds:
                amount = by_event(price.version, events, events_before.get(values, 0))
                events_before[values] = events_before.get(values, 0) + len(events)
            used_before[values] = before + max(total, Fraction(0))
            yield Owed(held.name, span, values, total, amount, price.version, free)


def owed_for_fee(sale: Sale) -> Iterator[Owed]:
    """A fee by the days of its prices, or once at the price with which the period starts."""
    period = sale.period
    days = (period.end_day - period.first_day).days
    for held in held_prices(sale, ""):
        span, share = held.span, Fraction(1)
        if sale.charge.is_prorated:
            if is_paused_throughout(sale.life, *span):
                continue
            share = Fraction(active_days(sale.life, *span), days)
        elif span[0] == period.owed_from:
            span = period.owed_from, period.ends_at
        else:
            continue
        amount = share * Fraction(held.price.version.unit_price)
        yield Owed(held.name, span, "{}", share, amount)


def charged(life: Life, parts: list[Charged]) -> list[Charged]:
    """What the customer is charged, each charge rounded once."""
    nets: dict[tuple[int, int], Decimal] = {}
    charges: dict[tuple[str, str, str, date], list[tuple[int, int]]] = {}
    for n, part in enumerate(parts):
        key = (part.term.plan, part.charge_code, part.billing_period, part.period.first_day)
        charges.setdefault(key, []).extend((n, number) for number in range(len(part.owed)))
    for places in charges.values():
        places.sort(key=lambda at: tie(parts[at[0]].owed[at[1]]))
        amounts = [parts[n].owed[number].amount for n, number in places]
        shares = share_out(amounts, MINOR_UNITS[life.currency])
        nets.update(zip(places, shares, strict=True))
    return [
        replace(
            part,
            owed=tuple(replace(o, net=nets[n, number]) for number, o in enumerate(part.owed)),
        )
        for n, part in enumerate(parts)
    ]


def tie(owed: Owed) -> tuple[datetime, str, str]:
    """The order of equal remainders."""
    return owed.span[0], owed.values, owed.price_id


def unrounded(life: Life) -> Iterator[Charged]:
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
                sale = Sale(life, term, charge, offers_of(term, code, charge), period)
                for scope in dict.fromkeys(offer.scope for offer in sale.offers):
                    found = (
                        owed_for_usage(sale, scope, extra)
                        if charge.meter
                        else owed_for_fee(sale)
                    )
                    held = held_prices(sale, scope)
                    yield Charged(term, charge, code, tuple(held), month, period, tuple(found))


# --- prepaid units ------------------------------------------------------------------------


def in_turn(life: Life) -> list[int]:
    """Grants as they are used: for one charge first, by priority, then by expiry."""
    return sorted(
        range(len(life.grants)),
        key=lambda number: (
            life.grants[number].charge_code is None,
            (priority := life.grants[number].priority) is None,
            priority,
            life.grants[number].expires or date.max,
            number,
        ),
    )


def prepaid(life: Life) -> tuple[list[Charged], list[tuple[str, int, Fraction]]]:
    """All charges, less the units that grants pay for, and what each grant pays in a month."""
    found = list(unrounded(life))
    left = {n: Fraction(grant.units) for n, grant in enumerate(life.grants) if grant.units}
    lines: dict[tuple[str, str], list[tuple[Any, int, int]]] = {}
    for at, part in enumerate(found):
        for number, owed in enumerate(part.owed):
            if owed.payable > 0:
                started = part.term.starts.at(life.zone)
                order = (owed.span[0], owed.values, owed.price_id, started)
                key = (part.billing_period, part.charge_code)
                lines.setdefault(key, []).append((order, at, number))
    uses: dict[tuple[str, int], Fraction] = {}
    for (month, code), entries in sorted(lines.items()):
        owed_lines = [found[at].owed[number] for _, at, number in sorted(entries)]
        begins = min(owed.span[0] for owed in owed_lines)
        short = sum((owed.payable for owed in owed_lines), Fraction(0))
        units = Fraction(0)
        for number in (number for number in in_turn(life) if number in left):
            grant = life.grants[number]
            is_over = grant.expires and midnight(grant.expires, life.zone) <= begins
            if grant.charge_code in (None, code) and not is_over:
                taken = min(left[number], short - units)
                left[number] -= taken
                units += taken
                uses[month, number] = uses.get((month, number), Fraction(0)) + taken
        for _, at, number in sorted(entries):
            owed = found[at].owed[number]
            taken = min(units, owed.payable)
            units -= taken
            assert owed.version
            amount = price_of(owed.version, owed.quantity, owed.free + taken)
            parts = list(found[at].owed)
            parts[number] = replace(owed, amount=amount)
            found[at] = replace(found[at], owed=tuple(parts))
    used = [(month, number, taken) for (month, number), taken in uses.items() if taken]
    return charged(life, found), used
