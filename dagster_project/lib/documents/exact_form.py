"""The JSON form of an invoice: every figure exact and as text, for machines that book it.

Language-free; the same data gives the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from dagster_project.lib.documents.formatting import plain_decimal
from dagster_project.lib.documents.records import Invoice, InvoiceLine

_PARTY_PREFIXES = ("customer", "seller")
# Which customer it is, not where they live: stays at the top beside the invoice's other keys.
_TOP_LEVEL = frozenset({"customer_id"})


def to_json(invoice: Invoice) -> str:
    """Write an invoice as JSON.

    Returns: Text ending in a newline. Amounts have at least the currency's minor units and
        quantities no needless zeros, both as strings; instants are RFC 3339 in UTC.
    """
    minor_units = invoice.row.minor_units
    form: dict[str, Any] = {}
    parties: dict[str, dict[str, Any]] = {prefix: {} for prefix in _PARTY_PREFIXES}
    for name, value in asdict(invoice.row).items():
        prefix, _, rest = name.partition("_")
        if prefix in parties and name not in _TOP_LEVEL:
            parties[prefix][rest] = value
        else:
            form[name] = _plain(name, value, minor_units)
    form["flags"] = list(invoice.row.flag_sentences)
    form.update(parties)
    form["lines"] = [_line(line, minor_units) for line in invoice.lines]
    form["taxes"] = [_record(tax, minor_units) for tax in invoice.taxes]
    form["credits"] = [_record(credit, minor_units) for credit in invoice.credits]
    return json.dumps(form, ensure_ascii=False, indent=2) + "\n"


def _line(line: InvoiceLine, minor_units: int) -> dict[str, Any]:
    record = _record(line.row, minor_units)
    record["dimension_values"] = json.loads(line.row.dimension_values or "{}")
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
        for name, value in asdict(record).items()
        if name != "invoice_id"
    }


def _plain(name: str, value: Any, minor_units: int) -> Any:
    """Turn a figure or instant into text and leave the rest as it is."""
    if isinstance(value, Decimal):
        return plain_decimal(value, minor_units if name.endswith("_amount") else 0)
    if isinstance(value, datetime):
        text = value.replace(tzinfo=UTC).isoformat()
        return text.replace("+00:00", "Z")
    return value
