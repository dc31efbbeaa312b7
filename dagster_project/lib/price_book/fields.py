"""Rules for one field, whatever table it is in; each yields a defect for what breaks it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from dagster_project.lib.price_book.records import Defect, Row

MONEY_DIGITS, QUANTITY_DIGITS, DECIMAL_PLACES = 14, 26, 12

_DECIMAL = re.compile(r"(-?)(\d+)(?:\.(\d+))?")


def required(row: Row, *columns: str) -> Iterator[Defect]:
    """Refuse empty columns."""
    for column in columns:
        if not row[column]:
            yield row.defect(column, f"{column} is empty")


def empty(row: Row, reason: str, *columns: str) -> Iterator[Defect]:
    """Refuse what is filled in although nothing reads it."""
    for column in columns:
        if row[column]:
            yield row.defect(column, f"{column} has to be empty {reason}")


def truth(row: Row, column: str) -> Iterator[Defect]:
    """Refuse what is neither true nor false nor empty."""
    if row[column].lower() not in ("", "true", "false"):
        yield row.defect(column, f"{column} {row[column]!r} is neither true nor false")


def one_of(row: Row, column: str, known: Iterable[str]) -> Iterator[Defect]:
    """Refuse a code outside a closed list."""
    code = row[column]
    if not code:
        yield row.defect(column, f"{column} is empty")
    elif code not in known:
        yield row.defect(column, f"{column} {code!r} is unknown")


def refers(row: Row, column: str, known: frozenset[str], where: str) -> Iterator[Defect]:
    """Refuse a code that the table it refers to does not have."""
    if row[column] and row[column] not in known:
        yield row.defect(column, f"{column} {row[column]!r} is not in {where}")


def unique(rows: list[Row], column: str) -> Iterator[Defect]:
    """Refuse a key that is empty or there twice."""
    first: dict[str, int] = {}
    for row in rows:
        yield from required(row, column)
        if row[column] and row[column] in first:
            message = f"{column} {row[column]!r} is already on row {first[row[column]]}"
            yield row.defect(column, message)
        first.setdefault(row[column], row.line)


def number(row: Row, column: str) -> Decimal | None:
    """The exact value of a field, or None when it is empty or not a plain decimal."""
    return Decimal(row[column]) if _DECIMAL.fullmatch(row[column]) else None


def decimal(
    row: Row,
    column: str,
    digits: int,
    *,
    above: str = "",
    at_least: str = "",
    places: int = DECIMAL_PLACES,
) -> Iterator[Defect]:
    """Refuse what DECIMAL(digits + places, places) cannot hold, or what is out of bounds."""
    text = row[column]
    if not text:
        return
    match = _DECIMAL.fullmatch(text)
    if not match or not text.isascii():
        yield row.defect(column, f"{text!r} is not a plain decimal number")
        return
    if len(match[2].lstrip("0")) > digits:
        yield row.defect(column, f"{text} has more than {digits} digits before the point")
    if len(match[3] or "") > places:
        yield row.defect(column, f"{text} has more than {places} decimal places")
    if above and Decimal(text) <= Decimal(above):
        yield row.defect(column, f"{column} {text} is not above {above}")
    if at_least and Decimal(text) < Decimal(at_least):
        yield row.defect(column, f"{column} {text} is below {at_least}")


def names(row: Row, column: str) -> Iterator[Defect]:
    """Check property names joined by ``|``."""
    if not row[column]:
        return
    names = row[column].split("|")
    if any(not name.strip() for name in names):
        yield row.defect(column, f"{row[column]!r} names nothing between its bars")
    yield from _exact(row, column, names)
    for name, times in Counter(names).items():
        if name and times > 1:
            yield row.defect(column, f"{name!r} is named {times} times")


def _exact(row: Row, column: str, names: Iterable[str]) -> Iterator[Defect]:
    for name in names:
        if name.strip() and name != name.strip():
            yield row.defect(column, f"{name!r} has spaces around it")


def filter_pairs(row: Row, column: str) -> Iterator[Defect]:
    """Check ``property=value`` pairs joined by ``;``, alternatives by ``|``."""
    if not row[column]:
        return
    properties: list[str] = []
    for pair in row[column].split(";"):
        name, equals, values = pair.partition("=")
        if not pair.strip():
            yield row.defect(column, f"{row[column]!r} names nothing beside a semicolon")
            continue
        if not equals:
            yield row.defect(column, f"{pair!r} is not a property=value pair")
            continue
        if not name.strip():
            yield row.defect(column, f"{pair!r} names nothing before its equals sign")
        if any(not value.strip() for value in values.split("|")):
            yield row.defect(column, f"{pair!r} names nothing as a value")
        yield from _exact(row, column, [name, *values.split("|")])
        properties.append(name)
    for name, times in Counter(properties).items():
        if name and times > 1:
            yield row.defect(column, f"{name!r} is named {times} times, and both must hold")
