"""Rules for dimensions read from an event: bands of its size and of its local time."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import date

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import QUANTITY_DIGITS, decimal, refers, required
from dagster_project.lib.price_book.filters import conditions_of
from dagster_project.lib.price_book.prices import check_tier_order
from dagster_project.lib.price_book.records import Row, Tables

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HOLIDAY = "holiday"
MINUTES_OF_A_DAY = 24 * 60


def _names_read(tables: Tables) -> set[tuple[str, str]]:
    """Event types with what their meters have as a dimension, or only in a filter."""
    return {
        (row["event_type"], name)
        for row in tables["meters.csv"]
        for name in (
            *row["dimensions"].split("|"),
            *(condition.name for condition in conditions_of(row["filter"])),
        )
    }


def check_dimension_bands(tables: Tables) -> Iterator[Defect]:
    """Check dimension_bands.csv: bands of one dimension are tiers of one property."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    names = _names_read(tables)
    for row in tables.get("dimension_bands.csv", []):
        yield from required(row, "event_type", "dimension", "property", "band")
        yield from decimal(row, "up_to", QUANTITY_DIGITS)
        key = (row["event_type"], row["dimension"])
        if key not in names:
            message = f"no meter of {row['event_type']!r} has the dimension {key[1]!r}"
            yield row.defect("dimension", message)
        groups[key].append(row)
    for rows in groups.values():
        yield from check_tier_order(rows)
        for row in rows[1:]:
            if row["property"] != rows[0]["property"]:
                message = f"{row['property']!r} is not the property of row {rows[0].line}"
                yield row.defect("property", message)


def check_time_bands(tables: Tables) -> Iterator[Defect]:
    """Check time_bands.csv: each minute of each weekday is in exactly one band."""
    sized = {row["dimension"] for row in tables.get("dimension_bands.csv", [])}
    names = frozenset(name for _, name in _names_read(tables))
    calendars: dict[str, list[Row]] = defaultdict(list)
    for row in tables.get("time_bands.csv", []):
        found = list(required(row, "dimension", "days", "from_time", "to_time", "band"))
        found += refers(row, "dimension", names, "the dimensions of meters.csv")
        if row["dimension"] in sized:
            message = f"{row['dimension']!r} is already in dimension_bands.csv"
            found.append(row.defect("dimension", message))
        for code in row["days"].split("|"):
            if code and code not in (*WEEKDAYS, HOLIDAY):
                found.append(row.defect("days", f"{code!r} is no day of the week"))
        for column in ("from_time", "to_time"):
            if row[column] and _minutes(row[column]) is None:
                message = f"{row[column]!r} is not a time of day (HH:MM)"
                found.append(row.defect(column, message))
        yield from found
        if not found:
            calendars[row["dimension"]].append(row)
    for rows in calendars.values():
        yield from _check_days(rows)


def _check_days(rows: list[Row]) -> Iterator[Defect]:
    days: dict[str, list[Row]] = {day: [] for day in WEEKDAYS}
    for row in rows:
        for day in row["days"].split("|"):
            days.setdefault(day, []).append(row)
    for day, spans in days.items():
        reached = 0
        for row in sorted(spans, key=lambda row: (row["from_time"], row.line)):
            start, end = _minutes(row["from_time"]) or 0, _minutes(row["to_time"]) or 0
            if end <= start:
                yield row.defect(
                    "to_time", f"{row['to_time']} is not after {row['from_time']}"
                )
            if start != reached:
                what = "overlaps the band before it" if start < reached else "leaves a gap"
                yield row.defect("from_time", f"on {day} the band {what}")
            reached = max(reached, end)
        if reached != MINUTES_OF_A_DAY:
            message = f"on {day} the bands of {rows[0]['dimension']!r} do not reach 24:00"
            yield (spans or rows)[-1].defect("to_time", message)


def check_holidays(tables: Tables) -> Iterator[Defect]:
    """Check holidays.csv: dates of calendars that have bands for holidays."""
    calendars = frozenset(
        row["dimension"]
        for row in tables.get("time_bands.csv", [])
        if HOLIDAY in row["days"].split("|")
    )
    seen: set[tuple[str, str]] = set()
    for row in tables.get("holidays.csv", []):
        yield from required(row, "dimension", "holiday_date")
        yield from refers(row, "dimension", calendars, "the calendars with bands for holidays")
        key = (row["dimension"], row["holiday_date"])
        if key in seen:
            yield row.defect("holiday_date", f"{key[1]} is there twice")
        seen.add(key)
        try:
            if len(key[1]) != len("2026-01-01"):
                raise ValueError
            date.fromisoformat(key[1])
        except ValueError:
            yield row.defect("holiday_date", f"{key[1]!r} is not a date (YYYY-MM-DD)")


def _minutes(clock: str) -> int | None:
    """Minutes since midnight, None for what is no time of day; 24:00 is its end."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]|24:00", clock):
        return None
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
