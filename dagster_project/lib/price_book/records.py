"""The rows of a price book as text, and what can be wrong with them.

What belongs here: the columns of every table, reading them with their line numbers, and the
defects. What a value has to be is in fields.py and in the modules of the tables.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

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
    "quality_acknowledgements.csv": (
        "event_type", "silent_from", "silent_to", "reason", "acknowledged_by",
    ),
    "discounts.csv": ("discount_code", "discount_name", "discount_kind"),
    "commitments.csv": (
        "commitment_code", "commitment_name", "commitment_interval", "commitment_amount",
        "currency_code",
    ),
    "exchange_rates.csv": ("from_currency", "to_currency", "rate_date", "rate"),
}  # fmt: skip
# Ours, not the contract's: a price book written by its letter has neither. What is left out is
# empty in the warehouse (lib/dbt_project.py).
OPTIONAL_FILES = frozenset(
    {
        "seller.csv",
        "quality_acknowledgements.csv",
        "discounts.csv",
        "commitments.csv",
        "exchange_rates.csv",
        "dimension_bands.csv",
        "time_bands.csv",
        "holidays.csv",
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
}  # fmt: skip


@dataclass(frozen=True)
class Defect:
    """One thing wrong in one place; ``row`` is the line in the file, the header being 1.

    ``column`` is empty when the defect is the whole row's or file's.
    """

    file: str
    row: int
    column: str
    message: str

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        return f"{self.file}, row {self.row}{column}: {self.message}."


@dataclass(frozen=True)
class Row:
    """One record: the line on which it starts, and its fields as written."""

    file: str
    line: int
    fields: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        if column in OPTIONAL_COLUMNS.get(self.file, ()):
            return self.fields.get(column, "")
        return self.fields[column]

    def defect(self, column: str, message: str) -> Defect:
        """Name what is wrong in a column of this row."""
        return Defect(self.file, self.line, column, message)


# Rows by file; an optional file that is not there is not in it.
Tables = Mapping[str, list[Row]]


def read_tables(folder: Path) -> tuple[dict[str, list[Row]], list[Defect]]:
    """Read the files of a price book, and name what keeps one from being read."""
    tables: dict[str, list[Row]] = {}
    defects: list[Defect] = []
    for file in COLUMNS:
        if file in OPTIONAL_FILES and not (folder / file).exists():
            continue
        tables[file], found = _read(folder / file)
        defects += found
    return tables, defects


def _read(path: Path) -> tuple[list[Row], list[Defect]]:
    """Read one file, keeping the line on which each record starts."""
    file = path.name
    if not path.is_file():
        return [], [Defect(file, 1, "", f"{file} is missing from the price book")]
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return [], [Defect(file, line, "", "the text is not UTF-8")]
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[Row] = []
    defects: list[Defect] = []
    header: list[str] | None = None
    line = 1
    try:
        for fields in reader:
            if header is None:
                header = fields
                defects += _check_header(file, header)
            elif fields:
                defects += _check_shape(file, line, header, fields)
                rows.append(Row(file, line, dict(zip(header, fields, strict=False))))
            line = reader.line_num + 1
    except csv.Error as error:
        defects.append(Defect(file, line, "", f"the row is not readable as CSV ({error})"))
    if header is None:
        defects.append(Defect(file, 1, "", "the file has no header"))
    return rows, defects


def _check_header(file: str, header: list[str]) -> Iterator[Defect]:
    for column in COLUMNS[file]:
        if column not in header:
            yield Defect(file, 1, column, f"the column {column} is missing")
    for column, times in Counter(header).items():
        if times > 1:
            yield Defect(file, 1, column, f"the column {column} is there {times} times")


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
