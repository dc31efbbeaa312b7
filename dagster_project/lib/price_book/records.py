"""The rows of a price book as text.

What belongs here: the columns of every table, and reading them with their line numbers. What
a file has to be is in files.py, what a value has to be in fields.py and in the modules of the
tables.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.files import (
    UnusableFileError,
    check_first_line,
    check_header,
    check_parting,
    table_text,
    unread_files,
)

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "meters.csv": (
        "meter_code", "meter_name", "event_type", "aggregation", "value_property", "unit",
        "filter", "dimensions", "rounding_increment", "minimum_quantity",
    ),
    "plans.csv": ("plan_code", "plan_name", "currency_code", "billing_interval"),
    "prices.csv": (
        "price_id", "plan_code", "charge_code", "charge_name", "meter_code", "pricing_model",
        "unit_price", "package_size", "included_quantity", "minimum_amount",
        "maximum_amount", "dimension_filter", "billed", "prorated", "tax_category",
        "subscription_id", "valid_from", "valid_to",
    ),
    "price_tiers.csv": ("price_id", "up_to", "unit_price", "flat_amount"),
    "dimension_bands.csv": ("event_type", "dimension", "property", "up_to", "band"),
    "time_bands.csv": ("dimension", "days", "from_time", "to_time", "band"),
    "holidays.csv": ("dimension", "holiday_date", "holiday_name"),
    "currencies.csv": ("currency_code", "minor_units"),
    "tax_rates.csv": (
        "tax_category", "country_code", "tax_code", "rate", "valid_from", "valid_to",
    ),
    "seller.csv": (
        "seller_name", "address_line", "city", "postal_code", "country_code", "tax_id",
        "email", "payment_terms_days", "payment_details",
    ),
    "checks.csv": ("check_code", "blocks"),
    "quality_acknowledgements.csv": (
        "event_type", "silent_from", "silent_to", "reason", "acknowledged_by",
    ),
    "discounts.csv": ("discount_code", "discount_name", "discount_kind"),
    "commitments.csv": (
        "commitment_code", "commitment_name", "commitment_interval", "commitment_amount",
        "currency_code",
    ),
    "exchange_rates.csv": ("from_currency", "to_currency", "rate_date", "rate"),
    "sources.csv": (),
}  # fmt: skip
# A price book of the least that docs/input_format.md asks for has neither. What is left out is
# empty in the warehouse (lib/dbt_project.py).
OPTIONAL_FILES = frozenset(
    {
        "seller.csv",
        "checks.csv",
        "quality_acknowledgements.csv",
        "discounts.csv",
        "commitments.csv",
        "exchange_rates.csv",
        "dimension_bands.csv",
        "time_bands.csv",
        "holidays.csv",
        "sources.csv",
    }
)
OPTIONAL_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "meters.csv": ("unit_quantity",),
    "plans.csv": ("tax_included",),
    "prices.csv": (
        "billing_interval", "phase_from_month", "phase_to_month", "currency_code",
        "event_fee", "free_event_count", "event_minimum_amount", "event_maximum_amount",
        "price_quantity",
    ),
    "price_tiers.csv": ("package_size",),
    "seller.csv": ("reporting_currency_code",),
    "discounts.csv": (
        "discount_percent", "discount_amount", "free_quantity", "currency_code", "customer_id",
        "plan_code", "charge_code", "subscription_id", "valid_from", "valid_to",
        "period_count",
    ),
    "commitments.csv": (
        "subscription_id", "plan_code", "charge_code", "overage_factor", "tax_category",
        "valid_from", "valid_to",
    ),
    "sources.csv": ("source", "path_pattern", "timezone", "time_format"),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One record: the line on which it starts, and its fields as written."""

    file: str
    line: int
    fields: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        field = self.fields.get(column)
        if field is None and column in OPTIONAL_COLUMNS.get(self.file, ()):
            return ""
        return self.fields[column] if field is None else field

    def defect(self, column: str, message: str) -> Defect:
        """Name what is wrong in a column of this row."""
        return Defect(self.file, self.line, column, message)

    def warning(self, column: str, message: str) -> Defect:
        """Name what is odd in a column of this row, and may be meant."""
        return Defect(self.file, self.line, column, message, is_warning=True)


# Rows by file; an optional file that is not there is not in it.
Tables = Mapping[str, list[Row]]


@dataclass
class Reading:
    """A price book as it was read.

    ``broken`` keeps rows from being read, so that nothing can be compared; ``unread`` are the
    names that nobody reads.
    """

    tables: dict[str, list[Row]] = dataclasses.field(default_factory=dict)
    broken: list[Defect] = dataclasses.field(default_factory=list)
    unread: list[Defect] = dataclasses.field(default_factory=list)


def read_tables(folder: Path, files: Collection[str] = COLUMNS) -> Reading:
    """Read files of a price book, by default all, and name what keeps one from being read."""
    reading = Reading()
    for file in files:
        if file in OPTIONAL_FILES and not (folder / file).exists():
            continue
        reading.tables[file] = []
        if not (folder / file).is_file():
            message = f"{file} is missing from the price book"
            reading.broken.append(Defect(file, 1, "", message))
            continue
        try:
            _read(folder / file, reading)
        except UnusableFileError as error:
            reading.broken.append(Defect(file, error.line, "", str(error)))
    reading.unread += unread_files(folder, files)
    return reading


def _read(path: Path, reading: Reading) -> None:
    """Read one file, keeping the line on which each record starts.

    Raises: UnusableFileError if it is no table of text with a header.
    """
    file, text = path.name, table_text(path)
    optional = OPTIONAL_COLUMNS.get(file, ())
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for fields in reader:
            if header is None and any(fields):
                header = fields
                first_line = text.splitlines()[line - 1]
                check_first_line(first_line, header, (*COLUMNS[file], *optional))
                broken, unread = check_header(file, header, COLUMNS[file], optional)
                reading.broken += broken
                reading.unread += unread
            elif fields and header is not None:
                check_parting(fields, header, line)
                reading.broken += _check_shape(file, line, header, fields)
                row = Row(file, line, dict(zip(header, fields, strict=False)))
                reading.tables[file].append(row)
            line = reader.line_num + 1
    except csv.Error as error:
        message = f"the row is not readable as CSV ({error})"
        reading.broken.append(Defect(file, line, "", message))
    if header is None:
        message = "the file has no header, and nothing else: write the names of its columns"
        raise UnusableFileError(message)


def _check_shape(
    file: str, line: int, header: list[str], fields: list[str]
) -> Iterator[Defect]:
    if len(fields) != len(header):
        message = f"the row has {len(fields)} fields, the header {len(header)}"
        yield Defect(file, line, "", message)
    for column, field in zip(header, fields, strict=False):
        if field != field.strip():
            yield Defect(file, line, column, f"{field!r} has spaces around it")


def codes(tables: Tables, name: str) -> frozenset[str]:
    """The values of a file's first column, which is what other files refer to."""
    file = f"{name}.csv"
    return frozenset(row[COLUMNS[file][0]] for row in tables[file])
