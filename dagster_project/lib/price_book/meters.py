"""Rules for meters: what is counted."""

from __future__ import annotations

from collections.abc import Iterator

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import (
    QUANTITY_DIGITS,
    decimal,
    names,
    one_of,
    required,
    unique,
)
from dagster_project.lib.price_book.filters import check_filter
from dagster_project.lib.price_book.records import Tables

AGGREGATIONS = (
    *("count", "sum", "max", "min", "latest"),
    *("unique_count", "time_weighted", "percentile_95"),
)
# Their quantities of parts of a period add up to that of the whole; those of others do not.
ADDED_UP = ("count", "sum")


def check_meters(tables: Tables) -> Iterator[Defect]:
    """Check meters.csv."""
    rows = tables["meters.csv"]
    yield from unique(rows, "meter_code")
    for row in rows:
        yield from required(row, "meter_name", "event_type", "unit")
        yield from one_of(row, "aggregation", AGGREGATIONS)
        if row["aggregation"] in AGGREGATIONS and row["aggregation"] != "count":
            yield from required(row, "value_property")
        yield from check_filter(row, "filter")
        yield from names(row, "dimensions")
        yield from decimal(row, "rounding_increment", QUANTITY_DIGITS, above="0")
        yield from decimal(row, "minimum_quantity", QUANTITY_DIGITS, at_least="0")
        yield from decimal(row, "unit_quantity", QUANTITY_DIGITS, above="0")
