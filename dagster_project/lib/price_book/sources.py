"""Rules for sources.csv: the zone and the format of times that say neither themselves.

What belongs here: checking the rows, and handing them to the load in the form it works with.
Which row holds for which file is decided in lib/ingest/times.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb

from dagster_project.lib.ingest.times import EPOCHS, TimeRule
from dagster_project.lib.path_patterns import literal_length, patterns_overlap
from dagster_project.lib.price_book.records import Defect, Row, Tables, read_tables

FILE = "sources.csv"


class UnsoundSourcesError(ValueError):
    """A sources.csv that no load can go by; the message names its first defect."""


def read_time_rules(folder: Path) -> list[TimeRule]:
    """Read sources.csv of a price book that is checked, or will be; it may leave it out.

    Raises: UnsoundSourcesError, since a load cannot be taken back.
    """
    reading = read_tables(folder, [FILE])
    unread = (defect for defect in reading.unread if not defect.is_warning)
    for defect in (*reading.broken, *unread, *check_sources(reading.tables)):
        raise UnsoundSourcesError(f"The price book is not sound: {defect}")
    return [
        TimeRule(row["source"], row["timezone"], row["time_format"], row["path_pattern"])
        for row in reading.tables.get(FILE, [])
    ]


def check_sources(tables: Tables) -> Iterator[Defect]:
    """Check sources.csv: zones and formats are known, and no two rows hold for one record."""
    rows = tables.get(FILE, [])
    if not rows:
        return
    with duckdb.connect() as connection:
        for row in rows:
            yield from _check_row(row, connection)
    for number, row in enumerate(rows):
        for earlier in rows[:number]:
            if _are_equal(row, earlier):
                message = (
                    f"a record may be of this row and of row {earlier.line}, and neither is"
                    " more specific"
                )
                yield row.defect("path_pattern" if row["path_pattern"] else "source", message)
                break


def _check_row(row: Row, connection: duckdb.DuckDBPyConnection) -> Iterator[Defect]:
    zone, form = row["timezone"], row["time_format"]
    if not zone and not form:
        yield row.defect("timezone", "neither timezone nor time_format is filled")
    if (
        zone
        and not connection.execute(
            "select 1 from pg_timezone_names() where name = ?", [zone]
        ).fetchone()
    ):
        yield row.defect("timezone", f"{zone!r} is not a time zone of the IANA list")
    if form and form not in EPOCHS and not _tells_the_day(form, connection):
        message = (
            f"{form!r} is not a format that tells a day: write it like %d/%m/%Y %H:%M, or as"
            f" one of {', '.join(EPOCHS)}"
        )
        yield row.defect("time_format", message)
    if row["path_pattern"].startswith(("/", "usage/")):
        message = f"{row['path_pattern']!r} has to be the path below usage/, without it"
        yield row.defect("path_pattern", message)


def _tells_the_day(form: str, connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a time that is written in a format is of the same day when it is read again."""
    instant = "timestamptz '2026-11-23 12:00:00+00'"
    try:
        row = connection.execute(
            f"select try_strptime(strftime({instant}, $1), $1)::date = date '2026-11-23'",
            [form],
        ).fetchone()
    except duckdb.Error:
        return False
    return row == (True,)


def _are_equal(row: Row, other: Row) -> bool:
    one, two = row["path_pattern"], other["path_pattern"]
    return (
        row["source"] == other["source"]
        and bool(one) == bool(two)
        and literal_length(one) == literal_length(two)
        and patterns_overlap(one, two)
    )
