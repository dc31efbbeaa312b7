"""A second reading of what stands between charges and the amount due.

What belongs here: bounds of charges, commitments, discounts, taxes and prepaid credit over the
charges of lives.py, in exact fractions and loops, and the totals of every invoice.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction

from tests.oracle.bills import local_date, midnight, quantize
from tests.oracle.lives import (
    INSTANT,
    LAST_PERIOD,
    MINOR_UNITS,
    Charged,
    Commitment,
    Life,
    Line,
    Period,
    active_days,
    billed_to,
    billing_periods,
    discounted,
    in_turn,
    last_day,
    periods,
    prepaid,
)

# Code and percentage by country and category, from one day until another; a category without
# any adds no tax.
TAXES: dict[tuple[str, str], list[tuple[str, Decimal, date | None, date | None]]] = {
    ("DE", "standard"): [
        ("DE", Decimal(19), None, date(2025, 11, 1)),
        ("DE", Decimal(16), date(2025, 11, 1), date(2025, 12, 15)),
        ("DE", Decimal("20.5"), date(2025, 12, 15), date(2026, 2, 1)),
        ("DE", Decimal(18), date(2026, 2, 1), date(2026, 3, 1)),
        ("DE-NEW", Decimal(21), date(2026, 3, 1), None),
    ],
    ("DE", "reduced"): [
        ("DE", Decimal(7), None, date(2026, 2, 10)),
        ("DE", Decimal(5), date(2026, 2, 10), None),
    ],
    ("US", "standard"): [
        ("US-STATE", Decimal("8.875"), None, None),
        ("US-CITY", Decimal("2.125"), date(2025, 11, 20), date(2026, 3, 1)),
        ("US-MTA", Decimal("0.5"), date(2026, 1, 1), date(2026, 4, 30)),
    ],
}


@dataclass(frozen=True)
class Totals:
    """What an invoice comes to."""

    billing_period: str
    net_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    due_amount: Decimal


@dataclass(frozen=True)
class Settled:
    """All that is sent to a customer: lines, invoices, and what grants pay of them."""

    lines: list[Line]
    totals: list[Totals]
    credits: list[tuple[str, int, Decimal]]


# A line with the number of its plan, and what discounts are of: billing period, charge, plan
# and tax category.
Entry = tuple[int, Line]
Key = tuple[str, str, int, str]


def plain(line_type: str, part: Charged, net: Decimal, ends: date) -> Line:
    """A line that is no charge: one of what it is for, without price and usage."""
    category = part.charge.category
    return Line(part.billing_period, line_type, part.charge_code, "", net, category, ends)


def bound_lines(life: Life, part: Charged, lines: list[Line]) -> list[Line]:
    """Maximum and then minimum of one charge or filter in a period, by days (rule 7)."""
    places, days = MINOR_UNITS[life.currency], part.period.end_day - part.period.first_day
    capped_ids: set[str] = set()
    least, most = Fraction(0), None
    total = sum((Fraction(line.net_amount) for line in lines), Fraction(0))
    for held in part.held:
        price, share = held.price, Fraction(active_days(life, *held.span), days.days)
        least += share * Fraction(price.minimum or 0)
        if price.maximum is not None:
            most = (most or Fraction(0)) + share * Fraction(price.maximum)
            capped_ids.add(held.name)
    capped_lines = [line for line in lines if line.price_id in capped_ids]
    capped = sum((Fraction(line.net_amount) for line in capped_lines), Fraction(0))
    found = []
    if most is not None and capped > most:
        given_back = Fraction(quantize(most - capped, places))
        for end, net in by_rates(life, capped_lines, given_back):
            found.append(plain("maximum", part, net, end))
        total += given_back
    if least > total and part.has_ended:
        missing = quantize(least - total, places)
        found.append(plain("minimum", part, missing, last_day(life.zone, *part.owed)))
    return [line for line in found if line.net_amount]


def rates(life: Life, line: Line) -> list[tuple[str, Decimal]]:
    """Codes and percentages in force on the last day of a line."""
    return [
        (code, rate)
        for code, rate, start, end in TAXES.get((life.country, line.tax_category), [])
        if (not start or start <= line.last_day) and (not end or line.last_day < end)
    ]


def taxes(life: Life, lines: list[Line]) -> Fraction:
    """Tax of an invoice, each rate of a code rounded by itself over all that have it."""
    taxable: dict[tuple[str, Decimal], Fraction] = {}
    for line in lines:
        for code in rates(life, line):
            taxable[code] = taxable.get(code, Fraction(0)) + Fraction(line.net_amount)
    places = MINOR_UNITS[life.currency]
    rounded = (
        quantize(amount * Fraction(rate) / 100, places)
        for (_, rate), amount in taxable.items()
    )
    return sum(map(Fraction, rounded), Fraction(0))


def commitment_lines(life: Life, number: int, lines: list[Entry]) -> Iterator[Entry]:
    """What a commitment adds to the invoices of what it covers, before discounts."""
    deal, places = life.commitments[number], MINOR_UNITS[life.currency]
    ends, going_on = last_days(life, deal)
    for committed, months in committed_periods(life, deal):
        spent_before = Fraction(0)
        for month in months:
            spent = sum(
                Fraction(line.net_amount)
                for plan, line in lines
                if (plan, line.billing_period) == (deal.plan, month)
                and deal.charge_code in (None, line.charge_code)
            )
            missing = committed - spent_before - spent
            before = max(spent_before - committed, Fraction(0))
            beyond = (max(-missing, Fraction(0)) - before) * (Fraction(deal.factor or 1) - 1)
            spent_before += spent
            is_over = month == months[-1] and month not in going_on
            owed = {"overage": beyond, "true_up": missing if is_over else 0}
            for line_type, amount in owed.items():
                net = quantize(Fraction(amount), places)
                if net and (line_type == "overage" or net > 0):
                    yield (
                        deal.plan,
                        Line(
                            month, line_type, f"k{number}", "", net, deal.category, ends[month]
                        ),
                    )


def last_days(life: Life, deal: Commitment) -> tuple[dict[str, date], set[str]]:
    """The last day of every invoice of a plan, the shortest of its periods.

    And the invoices whose period is billed by the month and goes on.
    """
    (term,) = (term for term in life.terms if term.plan == deal.plan)
    shortest: dict[str, Period] = {}
    going_on: dict[str, bool] = {}
    for month, period in billing_periods(life, term):
        days = (period.end_day - period.first_day).days
        interval = "month" if days < 32 else "quarter" if days < 100 else "year"
        goes_on = billed_to(life, term, interval, period) < period.ends_at
        known = shortest.get(month)
        if not known or (period.ends_at, goes_on) < (known.ends_at, going_on[month]):
            shortest[month], going_on[month] = period, goes_on
    last = {
        month: local_date(period.ends_at - INSTANT, life.zone)
        for month, period in shortest.items()
    }
    return last, {month for month, goes_on in going_on.items() if goes_on}


def committed_periods(life: Life, deal: Commitment) -> Iterator[tuple[Fraction, list[str]]]:
    """What is committed for which invoices: those of a term, or of each period by its days."""
    (term,) = (term for term in life.terms if term.plan == deal.plan)
    invoiced = list(billing_periods(life, term))
    if deal.term:
        start, end = (midnight(day, life.zone) for day in deal.term)
        months = {month for month, period in invoiced if start <= period.starts_at < end}
        yield Fraction(deal.amount), sorted(months)
        return
    for whole in periods(life, term, life.plans[term.plan].interval):
        months = {
            month
            for month, period in invoiced
            if whole.starts_at <= period.starts_at < whole.ends_at
        }
        days = active_days(life, whole.owed_from, whole.ends_at)
        share = Fraction(days, (whole.end_day - whole.first_day).days)
        if days > 0:
            yield share * Fraction(deal.amount), sorted(months)


def percentage_lines(
    life: Life, left: dict[Key, Fraction], holds: list[set[tuple[int, str]]]
) -> Iterator[tuple[Key, Fraction]]:
    """Percentages of each charge, which add up to 100 at most; `left` is what they leave."""
    places = MINOR_UNITS[life.currency]
    for key, amount in list(left.items()):
        month, code, plan, _ = key
        percent, taken = Fraction(0), Fraction(0)
        for discount, periods_held in zip(life.discounts, holds, strict=True):
            if discount.kind != "percentage" or (plan, month) not in periods_held:
                continue
            if discount.charge_code in (None, code):
                percent = min(percent + Fraction(discount.size), Fraction(100))
                so_far = Fraction(quantize(amount * percent / 100, places))
                yield key, taken - so_far
                taken = so_far
        left[key] = amount - taken


def fixed_lines(
    life: Life, left: dict[Key, Fraction], holds: list[set[tuple[int, str]]]
) -> Iterator[tuple[Key, Fraction]]:
    """Fixed amounts of every invoice, shared out by the largest remainder, in their order."""
    places = MINOR_UNITS[life.currency]
    unit, rest = Fraction(1, 10**places), dict(left)
    fixed = [
        pair for pair in zip(life.discounts, holds, strict=True) if pair[0].kind == "fixed"
    ]
    for month in sorted({key[0] for key in left}):
        for discount, periods_held in fixed:
            shares = {
                key: amount
                for key, amount in sorted(left.items())
                if key[0] == month
                and amount > 0
                and (key[2], month) in periods_held
                and discount.charge_code in (None, key[1])
            }
            whole = sum(shares.values(), Fraction(0))
            taken = min(Fraction(quantize(Fraction(discount.size), places)), whole)
            cents = {key: taken * share / whole // unit for key, share in shares.items()}
            over = {key: taken * share / whole % unit for key, share in shares.items()}
            missing = int(taken / unit - sum(cents.values()))
            for key in sorted(over, key=lambda key: (-over[key], key))[:missing]:
                cents[key] += 1
            for key, count in cents.items():
                off = min(count * unit, rest[key])
                rest[key] -= off
                yield key, -off


def by_rates(life: Life, lines: list[Line], off: Fraction) -> Iterator[tuple[date, Decimal]]:
    """A reduction shared out over what has the same tax rates, by the last day of each."""
    places = MINOR_UNITS[life.currency]
    amounts: dict[tuple[tuple[str, Decimal], ...], Fraction] = {}
    ends: dict[date, Fraction] = {}
    for line in lines:
        key = tuple(rates(life, line))
        amounts[key] = amounts.get(key, Fraction(0)) + Fraction(line.net_amount)
    for key, amount in amounts.items():
        if amount:
            same = (line.last_day for line in lines if tuple(rates(life, line)) == key)
            ends[max(same)] = amount
    whole, so_far, taken = sum(ends.values()), Fraction(0), Fraction(0)
    for end, amount in sorted(ends.items()):
        so_far += amount
        due = Fraction(math.trunc(off * so_far / whole * 10**places), 10**places)
        yield end, quantize(due - taken, places)
        taken = due


def discount_lines(life: Life, lines: list[Entry]) -> Iterator[Entry]:
    """Percentages of every charge of an invoice, then fixed amounts of the invoice."""
    of: dict[Key, list[Line]] = {}
    for plan, line in lines:
        key = (line.billing_period, line.charge_code, plan, line.tax_category)
        of.setdefault(key, []).append(line)
    left = {key: sum(Fraction(line.net_amount) for line in of[key]) for key in of}
    holds = [discounted(life, discount) for discount in life.discounts]
    found = [*percentage_lines(life, left, holds)]
    found += fixed_lines(life, left, holds)
    for key, off in found:
        month, code, plan, category = key
        for end, net in by_rates(life, of[key], off) if off else ():
            if net:
                yield plan, Line(month, "discount", code, "", net, category, end)


def use_credit(
    life: Life, lines: list[Line], due: Fraction, begins: date, left: list[Fraction]
) -> dict[int, Fraction]:
    """What each grant pays of an invoice; `left` is what it leaves of the grants."""
    owed: dict[str | None, Fraction] = {None: due}
    for line in lines:
        code = line.charge_code
        owed[code] = owed.get(code, Fraction(0)) + Fraction(line.net_amount)
    used = {}
    for number in in_turn(life):
        grant = life.grants[number]
        if grant.units or (grant.expires and grant.expires <= begins):
            continue
        for_this = owed.get(grant.charge_code, Fraction(0))
        used[number] = max(min(left[number], for_this, owed[None]), Fraction(0))
        left[number] -= used[number]
        for code in {None, grant.charge_code}:
            owed[code] = owed.get(code, Fraction(0)) - used[number]
    return {number: amount for number, amount in used.items() if amount}


def owed_lines(life: Life, parts: list[Charged]) -> list[Line]:
    """Charges with their bounds, then commitments, then discounts (rule 8)."""
    lines: list[Entry] = []
    for part in parts:
        printed = part.lines(life.zone)
        printed += bound_lines(life, part, printed)
        lines += [(part.term.plan, line) for line in printed]
    added = [commitment_lines(life, number, lines) for number in range(len(life.commitments))]
    lines += [
        entry
        for entries in added
        for entry in entries
        if entry[1].billing_period <= LAST_PERIOD
    ]
    return [line for _, line in [*lines, *discount_lines(life, lines)]]


def settle(life: Life) -> Settled:
    """Every line, invoice and use of credit of a life."""
    places, (parts, units) = MINOR_UNITS[life.currency], prepaid(life)
    lines = owed_lines(life, parts)
    begin: dict[str, date] = {}
    for term in life.terms:
        for month, period in billing_periods(life, term):
            day = local_date(period.starts_at, life.zone)
            begin[month] = min(begin.get(month, day), day)
    left = [Fraction(quantize(Fraction(grant.worth), places)) for grant in life.grants]
    found = Settled([], [], [(month, n, quantize(taken, 12)) for month, n, taken in units])
    for month in sorted({line.billing_period for line in lines}):
        billed = [line for line in lines if line.billing_period == month]
        net = sum((Fraction(line.net_amount) for line in billed), Fraction(0))
        tax = taxes(life, billed)
        if net == 0 and tax == 0:
            continue
        used = use_credit(life, billed, net + tax, begin[month], left)
        due = net + tax - sum(used.values())
        amounts = [quantize(amount, places) for amount in (net, tax, net + tax, due)]
        found.lines.extend(billed)
        found.totals.append(Totals(month, *amounts))
        found.credits.extend((month, n, quantize(x, places)) for n, x in used.items())
    found.lines.sort()
    found.credits.sort()
    return found
