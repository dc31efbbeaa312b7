"""A second reading of what stands between charges and the amount due.

What belongs here: bounds of charges and taxes over the charges of lives.py, in exact fractions
and loops, and the totals of every invoice.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from tests.oracle.bills import quantize
from tests.oracle.lives import MINOR_UNITS, Charged, Life, Line, active_days, charged, window

# Code and percentage by country and category; a category without any adds no tax.
TAXES: dict[tuple[str, str], dict[str, Decimal]] = {
    ("DE", "standard"): {"DE-19": Decimal(19)},
    ("DE", "reduced"): {"DE-7": Decimal(7)},
    ("US", "standard"): {"US-STATE": Decimal("8.875"), "US-CITY": Decimal("2.125")},
}


@dataclass(frozen=True)
class Totals:
    """What an invoice comes to."""

    billing_period: str
    net_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    due_amount: Decimal


def plain(line_type: str, part: Charged, net: Decimal) -> Line:
    """A line that is no charge: one of what it is for, without price and usage."""
    return Line(
        part.billing_period,
        line_type,
        part.charge_code,
        "",
        net,
        part.charge.category,
    )


def bound_lines(life: Life, part: Charged, lines: list[Line]) -> list[Line]:
    """Maximum and then minimum of one charge or filter in a period, by days (rule 7)."""
    places, days = MINOR_UNITS[life.currency], part.period.end_day - part.period.first_day
    least, most, capped = Fraction(0), None, Fraction(0)
    total = sum((Fraction(line.net_amount) for line in lines), Fraction(0))
    for name, price in part.prices.items():
        if not (span := window(life, part.term, price, part.period)):
            continue
        share = Fraction(active_days(life, *span), days.days)
        least += share * Fraction(price.minimum or 0)
        if price.maximum is not None:
            most = (most or Fraction(0)) + share * Fraction(price.maximum)
            capped += sum(Fraction(line.net_amount) for line in lines if line.price_id == name)
    found = []
    if most is not None and capped > most:
        found.append(plain("maximum", part, quantize(most - capped, places)))
        total += Fraction(found[-1].net_amount)
    if least > total:
        found.append(plain("minimum", part, quantize(least - total, places)))
    return [line for line in found if line.net_amount]


def taxes(life: Life, lines: list[Line]) -> Fraction:
    """Tax of an invoice, each code rounded by itself over all categories that have it."""
    taxable: dict[tuple[str, Decimal], Fraction] = {}
    for line in lines:
        for code in TAXES.get((life.country, line.tax_category), {}).items():
            taxable[code] = taxable.get(code, Fraction(0)) + Fraction(line.net_amount)
    places = MINOR_UNITS[life.currency]
    rounded = (
        quantize(amount * Fraction(rate) / 100, places)
        for (_, rate), amount in taxable.items()
    )
    return sum(map(Fraction, rounded), Fraction(0))


def settle(life: Life) -> tuple[list[Line], list[Totals]]:
    """Every line and every invoice of a life."""
    places, lines = MINOR_UNITS[life.currency], []
    for part in charged(life):
        printed = part.lines(life.currency)
        lines += printed + bound_lines(life, part, printed)
    shown, totals = [], []
    for month in sorted({line.billing_period for line in lines}):
        billed = [line for line in lines if line.billing_period == month]
        net = sum((Fraction(line.net_amount) for line in billed), Fraction(0))
        tax = taxes(life, billed)
        if net == 0 and tax == 0:
            continue
        shown += billed
        amounts = [quantize(amount, places) for amount in (net, tax, net + tax, net + tax)]
        totals.append(Totals(month, *amounts))
    return sorted(shown), totals
