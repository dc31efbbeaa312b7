"""Rules for dimension filters: which prices of one charge take the same usage.

A filter is ``property=value|value;property2=value``; a value that ends in ``*`` takes
whatever begins with what stands before the star. Two prices of one charge that hold at the
same time may both take an event only where one of them says more: a longer prefix, a whole
value, or anything at all against the price without a filter, which takes the rest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import combinations, product

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import filter_pairs
from dagster_project.lib.price_book.records import Row, Tables
from dagster_project.lib.price_book.versions import parse_bound

Filter = Mapping[str, frozenset[str]]


def check_dimension_filters(tables: Tables) -> Iterator[Defect]:
    """Check each filter of prices.csv, and that no two of a charge take the same usage."""
    dimensions = {
        row["meter_code"]: row["dimensions"].split("|") for row in tables["meters.csv"]
    }
    charges: dict[tuple[str, ...], list[tuple[Row, Filter]]] = defaultdict(list)
    for row in tables["prices.csv"]:
        if not row["dimension_filter"]:
            continue
        found = list(filter_pairs(row, "dimension_filter"))
        if not found:
            found += _check_patterns(row, dimensions.get(row["meter_code"], []))
        yield from found
        if not found:
            key = (row["plan_code"], row["charge_code"], row["subscription_id"])
            charges[key].append((row, _parse(row)))
    for prices in charges.values():
        yield from _check_overlaps(prices)


def _parse(row: Row) -> Filter:
    pairs = (pair.split("=", 1) for pair in row["dimension_filter"].split(";"))
    return {name: frozenset(values.split("|")) for name, values in pairs}


def _check_patterns(row: Row, dimensions: list[str]) -> Iterator[Defect]:
    for name, values in _parse(row).items():
        if name not in dimensions:
            message = f"{name!r} is not a dimension of the meter {row['meter_code']!r}"
            yield row.defect("dimension_filter", message)
        for value in sorted(values):
            if "*" in value[:-1]:
                message = f"{value!r} has a star that is not at its end"
                yield row.defect("dimension_filter", message)


def _check_overlaps(prices: list[tuple[Row, Filter]]) -> Iterator[Defect]:
    """Compare the filters of one charge with each other.

    Filters of one property overlap only where they share a value to the letter, which is
    looked up: a book of telephone prefixes has thousands. Others are compared in pairs.
    """
    by_value: dict[tuple[str, str], list[tuple[Row, Filter]]] = defaultdict(list)
    several: list[tuple[Row, Filter]] = []
    for row, parsed in prices:
        for name, values in parsed.items():
            for value in sorted(values) if len(parsed) == 1 else ():
                by_value[name, value].append((row, parsed))
        several += [(row, parsed)] if len(parsed) > 1 else []
    names = {tuple(parsed) for _, parsed in prices if len(parsed) == 1}
    groups = list(by_value.values())
    if several or len(names) > 1:
        groups = [prices]
    for group in groups:
        for (earlier, one), (later, other) in combinations(group, 2):
            # Versions of one filter follow each other; versions.py looks after them.
            same = earlier["dimension_filter"] == later["dimension_filter"]
            if not same and _hold_at_once(earlier, later) and _is_ambiguous(one, other):
                message = (
                    f"{later['dimension_filter']!r} takes usage that the price on row "
                    f"{earlier.line}, {earlier['dimension_filter']!r}, takes too"
                )
                yield later.defect("dimension_filter", message)


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
    signs = [
        {_compare(u, v) for u, v in product(one[name], other[name])} - {None}
        for name in sorted(shared)
    ]
    if not all(signs):
        return False
    if set(one) != set(other) or all(0 in found for found in signs):
        return True
    return any(1 in a and -1 in b for a in signs for b in signs if a is not b)


def _compare(one: str, other: str) -> int | None:
    """1 where the first pattern says more, -1 where the second does, None without overlap."""
    if one == other:
        return 0
    if other.endswith("*") and one.removesuffix("*").startswith(other[:-1]):
        return 1
    if one.endswith("*") and other.removesuffix("*").startswith(one[:-1]):
        return -1
    return None
