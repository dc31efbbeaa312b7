"""Rules for rows that hold from one date or instant to another and follow each other."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.records import Row

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_INSTANT = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?([Zz]|[+-]\d{2}:\d{2})?"
)


@dataclass(frozen=True)
class Bound:
    """An end of a validity: a local date (midnight where the customer is) or an instant."""

    is_local: bool
    at: datetime


def parse_bound(text: str) -> Bound | None:
    """Parse an end of a validity; None when it is empty or not a date or instant."""
    try:
        if _DATE.fullmatch(text):
            return Bound(True, datetime.fromisoformat(text).replace(tzinfo=UTC))
        if _INSTANT.fullmatch(text):
            at = datetime.fromisoformat(text.upper())
            return Bound(False, (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC))
    except (ValueError, OverflowError):
        return None
    return None


def check_versions(rows: list[Row], key: tuple[str, ...]) -> Iterator[Defect]:
    """Check dates, and that the versions of one thing follow each other without a hole."""
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        yield from check_validity(row)
        if not _broken_bounds(row):
            groups[tuple(row[column] for column in key)].append(row)
    for versions in groups.values():
        # An empty valid_from comes first; the line number breaks ties.
        versions.sort(key=lambda row: (_starts_at(row), row.line))
        for earlier, later in pairwise(versions):
            yield from _check_succession(earlier, later)


def check_validity(row: Row) -> Iterator[Defect]:
    """Check that valid_from and valid_to can be read, and are in order."""
    for column in _broken_bounds(row):
        message = f"{row[column]!r} is not a date (YYYY-MM-DD) or an RFC 3339 instant"
        yield row.defect(column, message)
    start, end = parse_bound(row["valid_from"]), parse_bound(row["valid_to"])
    if start and end and end.at <= start.at:
        message = f"{row['valid_to']} is not after valid_from {row['valid_from']}"
        yield row.defect("valid_to", message)


def _broken_bounds(row: Row) -> list[str]:
    return [
        column
        for column in ("valid_from", "valid_to")
        if row[column] and parse_bound(row[column]) is None
    ]


def _starts_at(row: Row) -> datetime:
    bound = parse_bound(row["valid_from"])
    return bound.at if bound else datetime.min.replace(tzinfo=UTC)


def _check_succession(earlier: Row, later: Row) -> Iterator[Defect]:
    """Consecutive versions share the bound: where one ends the next one begins."""
    end, start = parse_bound(earlier["valid_to"]), parse_bound(later["valid_from"])
    where = f"the version on row {earlier.line}"
    if end is None:
        yield later.defect("valid_from", f"the version overlaps {where}, which never ends")
    elif start is None:
        yield later.defect("valid_from", f"the version overlaps {where}: both begin at once")
    elif end.is_local != start.is_local and abs(end.at - start.at).days < 2:
        message = (
            f"{later['valid_from']} and the end of {where}, {earlier['valid_to']}, are not "
            "the same: one is a local date, the other an instant"
        )
        yield later.defect("valid_from", message)
    elif start.at < end.at:
        message = f"the version overlaps {where}, which ends on {earlier['valid_to']}"
        yield later.defect("valid_from", message)
    elif start.at > end.at:
        message = f"there is a gap after {where}, which ends on {earlier['valid_to']}"
        yield later.defect("valid_from", message)
