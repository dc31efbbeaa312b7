"""The machine-readable forms of an invoice: JSON with every figure, CSV with every line.

Language-free, exact, and written piece by piece; the same data gives the same bytes.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from dagster_project.lib.documents.formatting import plain_decimal
from dagster_project.lib.documents.records import Invoice, InvoiceLine, LineRow

_PARTY_PREFIXES = ("customer", "seller")
# Which customer it is, not where they live: stays at the top beside the invoice's other keys.
_TOP_LEVEL = frozenset({"customer_id"})
# Where the head of the JSON ends; what comes before has no lists of unknown length.
_LINES = '  "lines": ['
_CSV_COLUMNS = (
    *("line_number", "line_type", "subscription_id", "charge_code", "charge_name", "price_id"),
    *("meter_code", "description", "dimension_values", "adjusted_billing_period"),
    *("period_from", "period_to", "quantity", "included_quantity", "unit", "unit_price"),
    *("net_amount", "currency_code", "tax_category", "tax_rate"),
)
# What a spreadsheet would take for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_json(file: TextIO, invoice: Invoice, lines: Iterable[InvoiceLine]) -> None:
    """Write an invoice as JSON, holding one line at a time.

    Amounts have at least the currency's minor units and quantities no needless zeros, both as
    strings; instants are RFC 3339 in UTC.
    """
    units = invoice.row.minor_units
    form: dict[str, Any] = {}
    parties: dict[str, dict[str, Any]] = {prefix: {} for prefix in _PARTY_PREFIXES}
    for name, value in _items(invoice.row):
        prefix, _, rest = name.partition("_")
        if prefix in parties and name not in _TOP_LEVEL:
            parties[prefix][rest] = value
        else:
            form[name] = _plain(name, value, units)
    form["flags"] = list(invoice.row.flag_sentences)
    form.update(parties)
    file.write(_text(form).removesuffix("\n}"))
    for name, records in (
        ("lines", (_line(line, units) for line in lines)),
        ("taxes", (_record(tax, units) for tax in invoice.taxes)),
        ("credits", (_record(credit, units) for credit in invoice.credits)),
    ):
        file.write(f',\n  "{name}": [')
        end = "]"
        for number, record in enumerate(records):
            text = _text(record).replace("\n", "\n    ")
            file.write(f"{',' if number else ''}\n    {text}")
            end = "\n  ]"
        file.write(end)
    file.write("\n}\n")


def read_head(path: Path) -> dict[str, Any]:
    """Read everything that stands before the lines of a JSON document.

    Raises: ValueError if it is no document of ours.
    """
    head = ""
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.startswith(_LINES):
                head = head.rstrip().removesuffix(",") + "}"
                break
            head += line
    form = json.loads(head)
    if not isinstance(form, dict):
        raise ValueError(f"{path.name} does not hold an object.")
    return form


def write_csv(file: TextIO, lines: Iterable[InvoiceLine], minor_units: int) -> None:
    """Write lines as CSV in the writing of the JSON, under a header of the marts' columns."""
    writer = csv.writer(file)
    writer.writerow(_CSV_COLUMNS)
    for line in lines:
        writer.writerow(_cell(line.row, name, minor_units) for name in _CSV_COLUMNS)


def dimension_values(text: str | None) -> dict[str, Any] | str:
    """Read the dimension values of a line.

    Returns: Values by name; the text itself where it is no object, as in lines that were
        issued before names were escaped and stay as they are.
    """
    try:
        values = json.loads(text or "{}")
    except ValueError:
        return text or ""
    return values if isinstance(values, dict) else str(text)


def _cell(row: LineRow, name: str, minor_units: int) -> str:
    value = getattr(row, name)
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if value is None else str(_plain(name, value, minor_units))


def _text(form: dict[str, Any]) -> str:
    return json.dumps(form, ensure_ascii=False, indent=2)


def _line(line: InvoiceLine, minor_units: int) -> dict[str, Any]:
    record = _record(line.row, minor_units)
    record["dimension_values"] = dimension_values(line.row.dimension_values)
    record["tiers"] = [
        {
            name: value
            for name, value in _record(tier, minor_units).items()
            if name != "line_number"
        }
        for tier in line.tiers
    ]
    return record


def _record(record: Any, minor_units: int) -> dict[str, Any]:
    return {
        name: _plain(name, value, minor_units)
        for name, value in _items(record)
        if name != "invoice_id"
    }


def _items(record: Any) -> Iterator[tuple[str, Any]]:
    """Names and values in the order of the fields; they hold no records, so none is copied."""
    return ((field.name, getattr(record, field.name)) for field in fields(record))


def _plain(name: str, value: Any, minor_units: int) -> Any:
    """Turn a figure or instant into text and leave the rest as it is."""
    if isinstance(value, Decimal):
        return plain_decimal(value, minor_units if name.endswith("_amount") else 0)
    if isinstance(value, datetime):
        text = value.replace(tzinfo=UTC).isoformat()
        return text.replace("+00:00", "Z")
    return value
