"""Rules for filters of meters and prices: how one is written, and which take the same usage.

A filter is conditions joined by ``;``, all of which have to hold: ``property=value|value``,
``property!=value|value``, or a comparison with one number, ``property>=value``. A value that
ends in ``*`` stands for whatever begins with what is before the star. Two prices of one charge
that hold at the same time may both take an event only where one of them says more: a whole
value, a longer prefix, any value against a mere comparison, or anything at all against the
price without a filter, which takes the rest.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import combinations, pairwise, product

from dagster_project.lib.exact_numbers import exact_number
from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import QUANTITY_DIGITS, exactly_named, unheld
from dagster_project.lib.price_book.records import Row, Tables
from dagster_project.lib.price_book.versions import parse_bound

# As stg_pricing__filters reads a condition: the first operator is the one that counts.
_CONDITION = re.compile(r"(.*?)(!=|>=|<=|=|>|<)(.*)", re.DOTALL)
# What may be meant as one operator, and is none.
_WRITTEN_OPERATOR = re.compile(r"([!~]*?)(!=|>=|<=|=|>|<)([!~=<>]*)")


@dataclass(frozen=True)
class Condition:
    """One condition of a filter; a comparison has one value."""

    name: str
    operator: str
    values: tuple[str, ...]

    @property
    def is_comparison(self) -> bool:
        """Whether numbers are compared, and not looked for."""
        return self.operator not in ("=", "!=")


@dataclass(frozen=True)
class Wanted:
    """What a filter asks of one property; without values, any that the others leave."""

    values: frozenset[str]
    unwanted: frozenset[str]
    bounds: tuple[tuple[str, Decimal], ...]

    def may_take(self, value: str) -> bool:
        """Whether a value, or one that begins with a prefix, can meet the other conditions."""
        if value.endswith("*"):
            return True
        number = exact_number(value)
        if self.bounds and (number is None or not _is_within(number, self.bounds)):
            return False
        return _as_compared(value) not in map(_as_compared, self.unwanted)


Filter = Mapping[str, Wanted]


def conditions_of(text: str) -> list[Condition]:
    """Take a filter apart; what is no condition is left out, and refused by check_filter."""
    found = map(_CONDITION.fullmatch, text.split(";"))
    return [
        Condition(parts[1], parts[2], tuple(parts[3].split("|"))) for parts in found if parts
    ]


def check_filter(row: Row, column: str) -> Iterator[Defect]:
    """Check how a filter is written, of a meter or a price."""
    if not row[column]:
        return
    for text in row[column].split(";"):
        parts = _CONDITION.fullmatch(text)
        if not text.strip():
            yield row.defect(column, f"{row[column]!r} names nothing beside a semicolon")
        elif not parts:
            yield row.defect(column, f"{text!r} is not a property=value pair")
        elif unknown := _unknown_operator(text, parts[1]):
            yield row.defect(column, f"{text!r} has the unknown operator {unknown}")
        else:
            yield from _check_condition(row, column, text)
    conditions = conditions_of(row[column])
    named = Counter((condition.name, condition.operator) for condition in conditions)
    for (name, operator), times in named.items():
        if name and times > 1:
            message = f"{name!r} is named {times} times with {operator}, and both must hold"
            yield row.defect(column, message)


def _unknown_operator(text: str, name: str) -> str:
    """The operator as written, where it is none of those that are known."""
    written = _WRITTEN_OPERATOR.match(text, len(name.rstrip("!~")))
    if not written or not (written[1] or written[3]):
        return ""
    # A value may begin with a sign, as a band named <1K does.
    rest = text[written.end() :].split("|")[0]
    is_value = not written[1] and written[2] in ("=", "!=") and written[3] in ("<", ">")
    return "" if is_value and exact_number(rest) is None else written[0]


def _check_condition(row: Row, column: str, text: str) -> Iterator[Defect]:
    (condition,) = conditions_of(text)
    if not condition.name.strip():
        message = f"{text!r} names nothing before its {condition.operator}"
        yield row.defect(column, message)
    if any(not value.strip() for value in condition.values):
        yield row.defect(column, f"{text!r} names nothing as a value")
        return
    yield from exactly_named(row, column, [condition.name, *condition.values])
    if not condition.is_comparison:
        for value in condition.values:
            if "*" in value[:-1]:
                yield row.defect(column, f"{value!r} has a star that is not at its end")
    elif len(condition.values) > 1:
        yield row.defect(column, f"{text!r} compares with more than one number")
    else:
        for message in unheld(condition.values[0], QUANTITY_DIGITS):
            yield row.defect(column, message)


def check_dimension_filters(tables: Tables) -> Iterator[Defect]:
    """Check each filter of prices.csv, and that no two of a charge take the same usage."""
    dimensions = {
        row["meter_code"]: row["dimensions"].split("|") for row in tables["meters.csv"]
    }
    charges: dict[tuple[str, ...], list[tuple[Row, Filter]]] = defaultdict(list)
    for row in tables["prices.csv"]:
        if not row["dimension_filter"]:
            continue
        found = list(check_filter(row, "dimension_filter"))
        if not found:
            found += _check_names(row, dimensions.get(row["meter_code"], []))
        yield from found
        if not found:
            key = (row["plan_code"], row["charge_code"], row["subscription_id"])
            charges[key].append((row, _parse(row["dimension_filter"])))
    for prices in charges.values():
        yield from _check_overlaps(prices)


def _parse(text: str) -> Filter:
    conditions = conditions_of(text)

    def named(name: str, operator: str) -> frozenset[str]:
        return frozenset(
            value
            for condition in conditions
            if (condition.name, condition.operator) == (name, operator)
            for value in condition.values
        )

    def bounds(name: str) -> tuple[tuple[str, Decimal], ...]:
        return tuple(
            (condition.operator, Decimal(condition.values[0]))
            for condition in conditions
            if condition.name == name and condition.is_comparison
        )

    return {
        name: Wanted(named(name, "="), named(name, "!="), bounds(name))
        for name in dict.fromkeys(condition.name for condition in conditions)
    }


def _check_names(row: Row, dimensions: list[str]) -> Iterator[Defect]:
    for name in _parse(row["dimension_filter"]):
        if name not in dimensions:
            message = f"{name!r} is not a dimension of the meter {row['meter_code']!r}"
            yield row.defect("dimension_filter", message)


def _check_overlaps(prices: list[tuple[Row, Filter]]) -> Iterator[Defect]:
    """Compare the filters of one charge with each other."""
    for (earlier, one), (later, other) in _pairs(prices):
        # Versions of one filter follow each other; versions.py looks after them.
        same = earlier["dimension_filter"] == later["dimension_filter"]
        if not same and _hold_at_once(earlier, later) and _is_ambiguous(one, other):
            message = (
                f"{later['dimension_filter']!r} takes usage that the price on row "
                f"{earlier.line}, {earlier['dimension_filter']!r}, takes too"
            )
            yield later.defect("dimension_filter", message)


def _pairs(
    prices: list[tuple[Row, Filter]],
) -> Iterator[tuple[tuple[Row, Filter], tuple[Row, Filter]]]:
    """Pairs of filters that may be ambiguous, the earlier row first.

    Values of one property are so only where they are the same, which is looked up: a book of
    telephone prefixes has thousands. Everything else is compared in pairs.
    """
    if len({tuple(parsed) for _, parsed in prices}) > 1 or len(prices[0][1]) > 1:
        yield from combinations(prices, 2)
        return
    by_value: dict[str | Decimal, list[tuple[Row, Filter]]] = defaultdict(list)
    for price in prices:
        (wanted,) = price[1].values()
        for value in dict.fromkeys(map(_as_compared, sorted(wanted.values))):
            by_value[value].append(price)
        if not wanted.values:
            for other in prices:
                if other is not price:
                    yield (price, other) if price[0].line < other[0].line else (other, price)
    for group in by_value.values():
        yield from combinations(group, 2)


def _hold_at_once(one: Row, other: Row) -> bool:
    def span(row: Row) -> tuple[datetime, datetime]:
        start, end = parse_bound(row["valid_from"]), parse_bound(row["valid_to"])
        return (
            start.at if start else datetime.min.replace(tzinfo=UTC),
            end.at if end else datetime.max.replace(tzinfo=UTC),
        )

    (start, end), (other_start, other_end) = span(one), span(other)
    return start < other_end and other_start < end


def _is_ambiguous(one: Filter, other: Filter) -> bool:
    """Whether some event is taken by both, and neither says more about it."""
    shared = set(one) & set(other)
    signs = [_signs(one[name], other[name]) for name in sorted(shared)]
    if not all(signs):
        return False
    if set(one) != set(other) or all(0 in found for found in signs):
        return True
    return any(1 in a and -1 in b for a in signs for b in signs if a is not b)


def _signs(one: Wanted, other: Wanted) -> set[int]:
    """Which of two says more about a value that both take, for each that there may be."""
    if not _may_both_hold(one.bounds + other.bounds):
        return set()
    if one.values and other.values:
        compared = (
            _compare(u, v)
            for u, v in product(one.values, other.values)
            if other.may_take(u) and one.may_take(v)
        )
        return {sign for sign in compared if sign is not None}
    if one.values or other.values:
        sign, listed, compared_with = (1, one, other) if one.values else (-1, other, one)
        # Any value at all says no more than a comparison.
        taken = filter(compared_with.may_take, listed.values)
        return {0 if value == "*" else sign for value in taken}
    return {0}


def _compare(one: str, other: str) -> int | None:
    """1 where the first pattern says more, -1 where the second does, None without overlap."""
    if _as_compared(one) == _as_compared(other):
        return 0
    if other.endswith("*") and one.removesuffix("*").startswith(other[:-1]):
        return 1
    if one.endswith("*") and other.removesuffix("*").startswith(one[:-1]):
        return -1
    return None


def _as_compared(value: str) -> str | Decimal:
    """A value as metering compares it: 30, 30.0 and 3e1 are one."""
    number = exact_number(value)
    return value if number is None else number


def _is_within(number: Decimal, bounds: tuple[tuple[str, Decimal], ...]) -> bool:
    holds = {
        ">": lambda bound: number > bound,
        ">=": lambda bound: number >= bound,
        "<": lambda bound: number < bound,
        "<=": lambda bound: number <= bound,
    }
    return all(holds[operator](bound) for operator, bound in bounds)


def _may_both_hold(bounds: tuple[tuple[str, Decimal], ...]) -> bool:
    """Whether some number is within all bounds: one of them, or between two."""
    limits = sorted({bound for _, bound in bounds})
    between = [(low + high) / 2 for low, high in pairwise(limits)]
    outside = [limits[0] - 1, limits[-1] + 1] if limits else []
    candidates = [*limits, *between, *outside]
    return not bounds or any(_is_within(number, bounds) for number in candidates)
