"""Rules for acknowledged outages."""

from __future__ import annotations

from collections.abc import Iterator

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import required
from dagster_project.lib.price_book.records import Tables
from dagster_project.lib.price_book.versions import parse_bound


def check_acknowledgements(tables: Tables) -> Iterator[Defect]:
    """Check quality_acknowledgements.csv, which a price book may leave out."""
    for row in tables.get("quality_acknowledgements.csv", []):
        yield from required(row, "silent_from", "silent_to", "reason", "acknowledged_by")
        bounds = {column: parse_bound(row[column]) for column in ("silent_from", "silent_to")}
        for column, bound in bounds.items():
            if row[column] and bound is None:
                message = f"{row[column]!r} is not a date (YYYY-MM-DD) or an RFC 3339 instant"
                yield row.defect(column, message)
        start, end = bounds["silent_from"], bounds["silent_to"]
        if start and end and end.at <= start.at:
            message = f"{row['silent_to']} is not after silent_from {row['silent_from']}"
            yield row.defect("silent_to", message)
