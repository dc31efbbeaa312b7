"""The page on which finance reviews a billing period before issuing it.

English, without a server: one HTML file with its own search and sorting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from urllib.parse import quote

import duckdb
from babel import Locale

from dagster_project.lib.documents.formatting import Language, clean_text
from dagster_project.lib.documents.records import (
    MONTH,
    CurrencyTotal,
    InvoiceRow,
    ListedInvoice,
    PreviousInvoice,
    batches,
    previous_period,
    read_missing_invoices,
    read_previous_invoices,
    read_rows,
    read_totals,
)

_ENGLISH = Language("en", {}, Locale("en"), Locale("en", "GB"))


# Text and suffix of the links beside the page; the last is there for long invoices.
_LINKS = (("PDF", ".pdf"), ("JSON", ".json"), ("CSV", ".csv"))


def build_index(
    connection: duckdb.DuckDBPyConnection,
    period: str,
    listed: Sequence[tuple[ListedInvoice, str]],
    not_rendered: dict[str, str],
) -> dict[str, Any]:
    """Make the strings of the review page.

    Args:
        connection: Warehouse with the marts.
        period: Billing period, 'YYYY-MM'.
        listed: Invoices of the period, each with its file name without suffix.
        not_rendered: Why an invoice has no document, by its invoice_id.
    Returns: Totals per currency, and rows and customers no longer invoiced, which are read
        while the page is written, one after the other; amounts formatted.
    """
    counts = connection.execute(
        "select count(*), count(*) filter (where invoice_status = 'issued'),"
        " count(*) filter (where trim(coalesce(flags, ''), '; ') <> ''"
        " or list_contains(?::varchar[], invoice_id))"
        f" from marts.fct_invoices where {MONTH} = ?",
        [list(not_rendered), period],
    ).fetchone()
    all_count, issued_count, flagged_count = counts or (0, 0, 0)
    return {
        "period": period,
        "month": _ENGLISH.month(period),
        "previous_month": _ENGLISH.month(previous_period(period)),
        "rows": _rows(connection, period, listed, not_rendered),
        "all_count": all_count,
        "draft_count": all_count - issued_count,
        "issued_count": issued_count,
        "flagged_count": flagged_count,
        "totals": [_total(total) for total in read_totals(connection, period)],
        "has_missing": any(True for _ in read_missing_invoices(connection, period)),
        "missing": (
            {
                "customer_id": clean_text(entry.customer_id),
                "customer_name": clean_text(entry.customer_name),
                "currency_code": entry.currency_code,
                "net": _ENGLISH.number(entry.net_amount, entry.minor_units),
            }
            for entry in read_missing_invoices(connection, period)
        ),
    }


def _rows(
    connection: duckdb.DuckDBPyConnection,
    period: str,
    listed: Sequence[tuple[ListedInvoice, str]],
    not_rendered: dict[str, str],
) -> Iterator[dict[str, Any]]:
    stems = {entry.invoice_id: stem for entry, stem in listed}
    for batch in batches(entry for entry, _ in listed):
        rows = read_rows(connection, [entry.invoice_id for entry in batch])
        customers = [row.customer_id for row in rows]
        before = {
            (entry.customer_id, entry.currency_code): entry
            for entry in read_previous_invoices(connection, period, customers)
        }
        for entry, row in zip(batch, rows, strict=True):
            reason = not_rendered.get(row.invoice_id)
            yield _row(row, stems[row.invoice_id], before) | {
                "suffixes": _LINKS if entry.is_long else _LINKS[:-1],
                "not_rendered": reason and clean_text(reason),
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
    row: InvoiceRow, stem: str, before: dict[tuple[str, str], PreviousInvoice]
) -> dict[str, Any]:
    earlier = before.get((row.customer_id, row.currency_code))
    previous_amount = earlier.net_amount if earlier else None
    change, percent = describe_change(row.net_amount, previous_amount, row.minor_units)
    return {
        "number": clean_text(row.invoice_number),
        "href": quote(stem),
        "document_type": row.document_type,
        # Of a period that began earlier and is issued with this month.
        "earlier_period": row.billing_period
        if row.billing_period != (row.issue_period or row.billing_period)
        else "",
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


def _total(total: CurrencyTotal) -> dict[str, str]:
    """One currency, set against the same currency of the month before."""
    units = total.minor_units
    change, percent = describe_change(total.net_amount, total.previous_net_amount, units)
    return {
        "currency_code": total.currency_code,
        "count": str(total.invoice_count),
        "net": _ENGLISH.number(total.net_amount, units),
        "tax": _ENGLISH.number(total.tax_amount, units),
        "total": _ENGLISH.number(total.total_amount, units),
        "due": _ENGLISH.number(total.due_amount, units),
        "change": change,
        "percent": percent,
    }
