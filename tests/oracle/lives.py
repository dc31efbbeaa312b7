"""A second reading of the rules about time: a customer's life billed with fractions and loops.

What belongs here: what a made-up customer with terms, trials, pauses, phases, bands and levels
is, and the lines it is charged. What is agreed beside the prices is in deals.py.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.bills import (
    EXACT_PLACES,
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
    "sevenths": ("load",),
    "biggest": (),
    "biggest_by_size": ("size",),
    "lowest": (),
    "last": ("load",),
    "ninety": (),
    "users": ("size",),
    "held": (),
    "held_parts": (),
}
# What does not count in what is metered; the rest adds up.
UNITS = {"sevenths": Decimal(7), "last": Decimal("0.25"), "held_parts": Decimal("0.3")}
LEVELS = ("held", "held_parts")
WHOLE = {
    "biggest": "max",
    "biggest_by_size": "max",
    "lowest": "min",
    "last": "latest",
    "ninety": "percentile_95",
    "users": "unique_count",
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
    user: str


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
    at, is_month = period.starts_at, (charge.interval or plan.interval) == "month"
    if charge.is_in_advance and is_month and at != term.starts.at(life.zone):
        at -= INSTANT
    elif not charge.is_in_advance and charge.interval:
        at = period.ends_at - INSTANT
    for billed in periods(life, term, interval):
        if billed.starts_at <= at < billed.ends_at:
            return local_date(billed.starts_at, life.zone).strftime("%Y-%m")
    raise AssertionError


def billed_to(life: Life, term: Term, interval: str, period: Period) -> datetime:
    """Up to where a period is billed: one with a longer invoice of its own month by month."""
    own = MONTHS[life.plans[term.plan].interval]
    if 1 < MONTHS[interval] <= own:
        first = date.fromisoformat(f"{LAST_PERIOD}-01")
        return min(period.ends_at, midnight(months_later(first, 1), life.zone))
    return period.ends_at


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


def taken(sale: Sale, scope: str, span: tuple[datetime, datetime]) -> dict[str, list[Event]]:
    """The events in a span that a filter takes, in their order, by dimension values."""
    assert sale.charge.meter
    found: dict[str, list[Event]] = {}
    for event in sorted(sale.life.events, key=lambda event: event.at):
        if (
            event.is_level
            or not span[0] <= event.at < span[1]
            or not is_active(sale.life, event.at)
        ):
            continue
        values = dimension_values(sale.life, sale.charge.meter, event)
        if is_taken(scope, valid_at(sale, event.at), values):
            found.setdefault(json.dumps(values), []).append(event)
    return found


def takes(
    sale: Sale, scope: str, span: tuple[datetime, datetime], values: str
) -> list[tuple[datetime, datetime]]:
    """The parts of a span in which a filter takes usage of these dimension values."""
    windows = (window(sale.life, sale.term, o.price, sale.period) for o in sale.offers)
    bounds = {bound for found in windows if found for bound in found} | {*span}
    within = sorted(bound for bound in bounds if span[0] <= bound <= span[1])
    return [
        part
        for part in itertools.pairwise(within)
        if is_taken(scope, valid_at(sale, part[0]), json.loads(values))
    ]


def whole_quantity(meter: str, events: list[Event]) -> Fraction:
    """The one quantity of all events, in their order, that cannot be added up."""
    quantities = [event.quantity for event in events]
    match WHOLE[meter]:
        case "max":
            return Fraction(max(quantities))
        case "min":
            return Fraction(min(quantities))
        case "latest":
            return Fraction(quantities[-1])
        case "unique_count":
            return Fraction(len({event.user for event in events}))
    rank = math.ceil(Fraction(len(events) * 95, 100))
    return Fraction(sorted(quantities)[rank - 1])


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


def level_quantity(sale: Sale, span: tuple[datetime, datetime]) -> Fraction:
    """Level times hours, or the part that a span has in the average of the full period."""
    hours = held_hours(sale.life, span)
    if sale.charge.is_prorated:
        days, zone = (sale.period.first_day, sale.period.end_day), sale.life.zone
        whole = midnight(days[1], zone) - midnight(days[0], zone)
        hours /= Fraction(whole // INSTANT, 3600 * 10**6)
    return hours


@dataclass
class Usage:
    """What one price is asked for in a period for one set of dimension values.

    `quantity` is in units of the meter and of it the `share` is charged; `events` are the
    quantities that it is made of where they add up.
    """

    scope: str
    held: Held
    values: str
    quantity: Fraction
    begins: datetime
    events: tuple[Fraction, ...] = ()
    days: int = 0
    share: Fraction = Fraction(1)


def is_held(life: Life, span: tuple[datetime, datetime]) -> bool:
    """Whether a level holds in a span, which is usage without an event."""
    levels = (e.at for e in life.events if e.is_level and is_active(life, e.at))
    return any(True for _ in unpaused(life, max(min(levels, default=NEVER), span[0]), span[1]))


def usages(sale: Sale, until: datetime) -> list[Usage]:
    """Usage of a period under all prices of a charge, in the order in which they begin.

    It is billed until then; without usage nothing is owed before the end.
    """
    meter = sale.charge.meter
    assert meter
    held = [
        (scope, replace(held, span=(held.span[0], min(held.span[1], until))))
        for scope in dict.fromkeys(offer.scope for offer in sale.offers)
        for held in held_prices(sale, scope)
        if not is_paused_throughout(sale.life, *held.span) and held.span[0] < until
    ]
    if meter in LEVELS:
        found = [
            Usage(scope, h, "{}", level_quantity(sale, h.span), h.span[0])
            for scope, h in held
            if until >= sale.period.ends_at or is_held(sale.life, h.span)
        ]
    elif meter in WHOLE:
        found = whole_usages(sale, meter, held, until)
    else:
        found = []
        for scope, h in held:
            nothing = {"{}": []} if until >= sale.period.ends_at else {}
            for values, events in (taken(sale, scope, h.span) or nothing).items():
                quantities = tuple(Fraction(event.quantity) for event in events)
                begins = takes(sale, scope, h.span, values)[0][0] if events else h.span[0]
                total = sum(quantities, Fraction(0))
                found.append(Usage(scope, h, values, total, begins, quantities))
    for usage in found:
        usage.quantity /= Fraction(UNITS.get(meter, 1))
    return sorted(found, key=lambda usage: (usage.begins, usage.held.span[0], usage.held.name))


def whole_usages(
    sale: Sale, meter: str, held: list[tuple[str, Held]], until: datetime
) -> list[Usage]:
    """What cannot be added up, measured over all prices, with the share of each of them."""
    seen: dict[str, list[Event]] = {}
    for scope, h in held:
        for values, events in taken(sale, scope, h.span).items():
            seen.setdefault(values, []).extend(events)
    found = []
    for scope, h in held:
        used = []
        for values, events in seen.items():
            if parts := takes(sale, scope, h.span, values):
                ordered = [event for event in sale.life.events if event in events]
                ordered.sort(key=lambda event: event.at)
                usage = Usage(scope, h, values, whole_quantity(meter, ordered), parts[0][0])
                usage.days = sum(active_days(sale.life, *part) for part in parts)
                used.append(usage)
        nothing = Usage(scope, h, "{}", Fraction(0), h.span[0])
        nothing.days = active_days(sale.life, *h.span)
        found += used or [nothing] * (until >= sale.period.ends_at)
    for usage in found:
        same = [
            other
            for other in found
            if other.values == usage.values
            and (usage.values in seen or other.scope == usage.scope)
        ]
        total = sum(other.days for other in same)
        if sale.charge.is_prorated:
            days = (sale.period.end_day - sale.period.first_day).days
            usage.share = Fraction(usage.days, days)
        elif total:
            usage.share = Fraction(usage.days, total)
        else:
            key = [(u.begins, u.held.span[0], u.held.name) for u in (*same, usage)]
            usage.share = Fraction(max(key) == key[-1])
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
    share: Fraction = Fraction(1)

    @property
    def payable(self) -> Fraction:
        """Units that a grant can pay for; events that are priced one by one have none."""
        if self.version is None or self.version.event_bounds:
            return Fraction(0)
        left = Fraction(quantize(max(self.quantity - self.free, Fraction(0)), 12))
        return Fraction(quantize(left * self.share, 12))


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
    billed_to: datetime

    @property
    def has_ended(self) -> bool:
        """Whether what is owed for all of the period is owed by now."""
        return self.billed_to == self.period.ends_at

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
                quantize(owed.amount, EXACT_PLACES),
            )
            for owed in self.owed
        ]
        return [line for line in found if line.net_amount]


def owed_for_usage(
    sale: Sale, extra: Fraction, freed: Callable[[str], Fraction], until: datetime
) -> Iterator[tuple[Usage, Owed, Fraction]]:
    """Usage of a period and what of it was free of the allowance that goes on with the plan.

    The allowance is counted over all prices, less what was free on the plans before.
    """
    used_before: dict[str, Fraction] = {}
    events_before: dict[tuple[str, str], int] = {}
    is_whole = sale.charge.meter in WHOLE
    for usage in usages(sale, until):
        version, values = usage.held.price.version, usage.values
        free = Fraction(version.included) + extra
        if not is_whole:
            free -= used_before.get(values, Fraction(0))
        if not (is_whole and sale.charge.is_prorated):
            free -= freed(values)
        free = max(free, Fraction(0))
        amount = price_of(version, usage.quantity, free) * usage.share
        if version.event_bounds:
            units = Fraction(UNITS.get(sale.charge.meter or "", 1))
            events = [quantity / units for quantity in usage.events]
            before = events_before.get((usage.scope, values), 0)
            amount = by_event(version, events, before)
            events_before[usage.scope, values] = before + len(events)
        used = max(usage.quantity, Fraction(0))
        used_before[values] = used_before.get(values, Fraction(0)) + used
        is_counted = not (is_whole and sale.charge.is_prorated)
        owed = Owed(
            usage.held.name,
            usage.held.span,
            values,
            usage.quantity,
            amount,
            version=version,
            free=free,
            share=usage.share,
        )
        yield usage, owed, min(used, free) if is_counted else Fraction(0)


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
    # What was free on earlier plans, by charge, period, measure and dimension values.
    freed: dict[tuple[object, ...], Fraction] = {}
    for term in life.terms:
        plan = life.plans[term.plan]
        freed_here: dict[tuple[object, ...], Fraction] = {}
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
                until = billed_to(life, term, charge.interval or plan.interval, period)
                is_fee_in_arrears = not charge.meter and not charge.is_in_advance
                if is_fee_in_arrears and until < period.ends_at:
                    continue
                extra = free_units(life, term.plan, code, month)
                sale = Sale(life, term, charge, offers_of(term, code, charge), period)
                scopes = dict.fromkeys(offer.scope for offer in sale.offers)
                found: dict[str, list[Owed]] = {scope: [] for scope in scopes}
                if charge.meter:
                    is_level = charge.meter in LEVELS
                    measure = (
                        UNITS.get(charge.meter, Decimal(1)),
                        is_level,
                        is_level and charge.is_prorated,
                    )
                    key = (code, period.first_day, period.end_day, measure)
                    for usage, owed, free in owed_for_usage(
                        sale,
                        extra,
                        lambda values, key=key: freed.get((*key, values), Fraction(0)),
                        until,
                    ):
                        found[usage.scope].append(owed)
                        before = freed_here.get((*key, usage.values), Fraction(0))
                        freed_here[*key, usage.values] = (
                            max(before, free) if charge.meter in WHOLE else before + free
                        )
                for scope in scopes:
                    held = held_prices(sale, scope)
                    if charge.meter:
                        held = [price for price in held if price.span[0] < until]
                    parts = found[scope] if charge.meter else owed_for_fee(sale)
                    yield Charged(
                        term, charge, code, tuple(held), month, period, tuple(parts), until
                    )
        for each, free in freed_here.items():
            freed[each] = freed.get(each, Fraction(0)) + free


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
            free = owed.quantity if taken == owed.payable else owed.free + taken / owed.share
            amount = price_of(owed.version, owed.quantity, free) * owed.share
            parts = list(found[at].owed)
            parts[number] = replace(owed, amount=amount)
            found[at] = replace(found[at], owed=tuple(parts))
    used = [(month, number, taken) for (month, number), taken in uses.items() if taken]
    return charged(life, found), used
