"""The page on which finance reviews a billing period before issuing it.

English, without a server: one HTML file with its own search and sorting.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import quote

from babel import Locale

from dagster_project.lib.documents.formatting import Language, clean_text
from dagster_project.lib.documents.records import (
    Invoice,
    PreviousInvoice,
    previous_period,
)

_ENGLISH = Language("en", {}, Locale("en"), Locale("en", "GB"))


def build_index(
    period: str,
    invoices: Sequence[Invoice],
    stems: Sequence[str],
    previous: Sequence[PreviousInvoice],
) -> dict[str, Any]:
    """Make the strings of the review page.

    Args:
        period: Billing period, 'YYYY-MM'.
        invoices: Invoices of the period.
        stems: File name without suffix of each invoice, in the order of `invoices`.
        previous: What each customer was invoiced per currency in the month before.
    Returns: Rows, totals per currency and customers no longer invoiced; amounts formatted.
    """
    before = {(entry.customer_id, entry.currency_code): entry for entry in previous}
    here = {(invoice.row.customer_id, invoice.row.currency_code) for invoice in invoices}
    rows = [_row(invoice, stem, before) for invoice, stem in zip(invoices, stems, strict=True)]
    return {
        "period": period,
        "month": _ENGLISH.month(period),
        "previous_month": _ENGLISH.month(previous_period(period)),
        "rows": rows,
        "draft_count": sum(row["is_draft"] for row in rows),
        "issued_count": sum(not row["is_draft"] for row in rows),
        "flagged_count": sum(bool(row["flags"]) for row in rows),
        "totals": _totals(invoices, before),
        "missing": [
            {
                "customer_id": clean_text(entry.customer_id),
                "customer_name": clean_text(entry.customer_name),
                "currency_code": entry.currency_code,
                "net": _ENGLISH.number(entry.net_amount, entry.minor_units),
            }
            for key, entry in before.items()
            if key not in here
        ],
    }


def describe_change(
    amount: Decimal, previous_amount: Decimal | None, minor_units: int
) -> tuple[str, str]:
    """Compare with the month before.

    Returns: Difference in the currency, and in percent of the earlier amount with one decimal;
        ('new', '') without an earlier invoice, no percentage of zero.
    """
    if previous_amount is None:
        return "new", ""
    difference = amount - previous_amount
    sign = "+" if difference > 0 else ""
    text = sign + _ENGLISH.number(difference, minor_units)
    if not previous_amount:
        return text, ""
    percent = (difference * 100 / abs(previous_amount)).quantize(Decimal("0.1"), ROUND_HALF_UP)
    return text, f"{sign}{_ENGLISH.number(percent, 1)}%"


def _row(
    invoice: Invoice, stem: str, before: dict[tuple[str, str], PreviousInvoice]
) -> dict[str, Any]:
    row = invoice.row
    earlier = before.get((row.customer_id, row.currency_code))
    previous_amount = earlier.net_amount if earlier else None
    change, percent = describe_change(row.net_amount, previous_amount, row.minor_units)
    return {
        "number": clean_text(row.invoice_number),
        "href": quote(stem),
        "document_type": row.document_type,
        "is_draft": row.invoice_status != "issued",
        "customer_id": clean_text(row.customer_id),
        "customer_name": clean_text(row.customer_name),
        "currency_code": row.currency_code,
        "net": _ENGLISH.number(row.net_amount, row.minor_units),
        "net_key": _sort_key(row.net_amount),
        "tax": _ENGLISH.number(row.tax_amount, row.minor_units),
        "tax_key": _sort_key(row.tax_amount),
        "total": _ENGLISH.number(row.total_amount, row.minor_units),
        "total_key": _sort_key(row.total_amount),
        "change": change,
        "change_key": _sort_key(row.net_amount - (previous_amount or Decimal(0))),
        "percent": percent,
        "flags": [clean_text(sentence) for sentence in row.flag_sentences],
    }


def _sort_key(amount: Decimal) -> str:
    """Millionths of the currency as a whole number, which the page compares exactly."""
    return str(int(amount.scaleb(6)))


def _totals(
    invoices: Sequence[Invoice], before: dict[tuple[str, str], PreviousInvoice]
) -> list[dict[str, Any]]:
    """Add up each currency, and set it against the same currency of the month before."""
    groups: dict[str, list[Invoice]] = defaultdict(list)
    for invoice in invoices:
        groups[invoice.row.currency_code].append(invoice)
    earlier: dict[str, Decimal] = {}
    for (_, currency_code), entry in before.items():
        earlier[currency_code] = earlier.get(currency_code, Decimal(0)) + entry.net_amount
    totals = []
    for currency_code in sorted(groups):
        rows = [invoice.row for invoice in groups[currency_code]]
        minor_units = rows[0].minor_units
        net = sum((row.net_amount for row in rows), Decimal(0))
        change, percent = describe_change(net, earlier.get(currency_code), minor_units)
        amounts = {
            "net": net,
            "tax": sum((row.tax_amount for row in rows), Decimal(0)),
            "total": sum((row.total_amount for row in rows), Decimal(0)),
            "due": sum((row.due_amount for row in rows), Decimal(0)),
        }
        totals.append(
            {
                "currency_code": currency_code,
                "count": str(len(rows)),
                **{key: _ENGLISH.number(value, minor_units) for key, value in amounts.items()},
                "change": change,
                "percent": percent,
            }
        )
    return totals
