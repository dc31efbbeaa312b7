"""Rules for one field, whatever table it is in; each yields a defect for what breaks it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal

from dagster_project.lib.exact_numbers import exact_number
from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.records import Row

MONEY_DIGITS, QUANTITY_DIGITS, DECIMAL_PLACES = 14, 26, 12

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


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
    """The exact value of a field, or None when it is empty or not a number."""
    return exact_number(row[column])


def whole(row: Row, column: str, digits: int) -> int | None:
    """A field as a whole number from 0 on of so many digits, or None when it is no such."""
    value = number(row, column)
    if value is None or value < 0 or _places(value) or _digits(value) > digits:
        return None
    return int(value)


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
    for message in unheld(text, digits, places):
        yield row.defect(column, message)
    value = exact_number(text)
    if value is None:
        return
    if above and value <= Decimal(above):
        yield row.defect(column, f"{column} {text} is not above {above}")
    if at_least and value < Decimal(at_least):
        yield row.defect(column, f"{column} {text} is below {at_least}")


def unheld(text: str, digits: int, places: int = DECIMAL_PLACES) -> Iterator[str]:
    """Say why a text is no number that DECIMAL(digits + places, places) can hold."""
    value = exact_number(text)
    if value is None:
        yield f"{text!r} is not a plain decimal number"
        return
    if _digits(value) > digits:
        yield f"{text} has more than {digits} digits before the point"
    if _places(value) > places:
        yield f"{text} has more than {places} decimal places"


def not_below_zero(row: Row, *columns: str) -> Iterator[Defect]:
    """Point out prices that give money for what is used: they may be meant."""
    for column in columns:
        value = number(row, column)
        if value is not None and value < 0:
            yield row.warning(column, f"{column} {row[column]} is below zero")


def _digits(value: Decimal) -> int:
    """How many digits a number has before its point, without zeros in front."""
    return max(value.adjusted() + 1, 0) if value else 0


def _places(value: Decimal) -> int:
    """How many digits a number has behind its point, without zeros at its end."""
    _, digits, exponent = value.as_tuple()
    written = "".join(map(str, digits))
    zeros = len(written) - len(written.rstrip("0"))
    return max(-int(exponent) - zeros, 0) if value else 0


def names(row: Row, column: str) -> Iterator[Defect]:
    """Check property names joined by ``|``."""
    if not row[column]:
        return
    names = row[column].split("|")
    if any(not name.strip() for name in names):
        yield row.defect(column, f"{row[column]!r} names nothing between its bars")
    yield from exactly_named(row, column, names)
    for name, times in Counter(names).items():
        if name and times > 1:
            yield row.defect(column, f"{name!r} is named {times} times")


def exactly_named(row: Row, column: str, names: Iterable[str]) -> Iterator[Defect]:
    """Refuse names and values of which nobody could tell where they end."""
    for name in names:
        if name.strip() and name != name.strip():
            yield row.defect(column, f"{name!r} has spaces around it")
        # A value has them escaped; of a name nobody could tell what was meant.
        if _CONTROL.search(name.strip()):
            yield row.defect(column, f"{name!r} has a line break or another control character")
