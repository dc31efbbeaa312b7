"""Invoices as the marts hold them, read with one query per mart whatever their number.

Frozen records with exact decimals and naive UTC instants; nothing here formats or rounds.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import duckdb


@dataclass(frozen=True)
class InvoiceTier:
    """A tier of a line: quantities in the line's unit, prices in the invoice currency."""

    invoice_id: str
    line_number: int
    tier_number: int
    tier_from: Decimal | None
    tier_up_to: Decimal | None
    quantity: Decimal
    unit_price: Decimal | None
    flat_amount: Decimal | None
    exact_amount: Decimal


@dataclass(frozen=True)
class InvoiceTax:
    """The tax of one rate: `tax_rate` in percent, amounts in the invoice currency."""

    invoice_id: str
    tax_code: str | None
    tax_category: str | None
    tax_rate: Decimal
    taxable_amount: Decimal
    tax_amount: Decimal


@dataclass(frozen=True)
class InvoiceCredit:
    """Prepaid credit that an invoice uses, in the invoice currency."""

    invoice_id: str
    grant_id: str
    applied_amount: Decimal


@dataclass(frozen=True)
class LineRow:
    """A row of `fct_invoice_lines`; instants are naive UTC, periods half-open."""

    invoice_id: str
    line_number: int
    line_type: str
    subscription_id: str | None
    charge_code: str | None
    charge_name: str | None
    price_id: str | None
    meter_code: str | None
    meter_name: str | None
    pricing_model: str | None
    dimension_values: str | None
    period_from: datetime
    period_to: datetime
    quantity: Decimal | None
    included_quantity: Decimal | None
    unit: str | None
    unit_price: Decimal | None
    exact_amount: Decimal
    net_amount: Decimal
    tax_category: str | None
    tax_rate: Decimal | None
    currency_code: str
    description: str | None
    adjusted_billing_period: str | None
    gross_amount: Decimal | None
    discount_code: str | None
    tax_codes: str | None


@dataclass(frozen=True)
class InvoiceRow:
    """A row of `fct_invoices`; a draft has no number and no `issued_at`."""

    invoice_id: str
    invoice_number: str | None
    invoice_status: str
    document_type: str
    customer_id: str
    billing_period: str
    period_from: datetime
    period_to: datetime
    currency_code: str
    minor_units: int
    net_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    credit_amount: Decimal | None
    due_amount: Decimal
    issued_at: datetime | None
    content_hash: str | None
    has_flags: bool | None
    flags: str | None
    customer_name: str | None
    customer_email: str | None
    customer_address_line: str | None
    customer_city: str | None
    customer_postal_code: str | None
    customer_country_code: str | None
    customer_tax_id: str | None
    customer_tax_treatment: str | None
    locale: str | None
    timezone: str | None
    seller_name: str | None
    seller_address_line: str | None
    seller_city: str | None
    seller_postal_code: str | None
    seller_country_code: str | None
    seller_tax_id: str | None
    seller_email: str | None
    seller_payment_details: str | None
    payment_terms_days: int | None

    @property
    def flag_sentences(self) -> tuple[str, ...]:
        """What finance should look at before issuing, one sentence each."""
        sentences = (sentence.strip() for sentence in (self.flags or "").split(";"))
        return tuple(sentence for sentence in sentences if sentence)


@dataclass(frozen=True)
class InvoiceLine:
    """A line with its tiers, in the order of the price book."""

    row: LineRow
    tiers: tuple[InvoiceTier, ...]


@dataclass(frozen=True)
class Invoice:
    """One invoice or credit note with everything printed on it."""

    row: InvoiceRow
    lines: tuple[InvoiceLine, ...]
    taxes: tuple[InvoiceTax, ...]
    credits: tuple[InvoiceCredit, ...]


@dataclass(frozen=True)
class PreviousInvoice:
    """What a customer was invoiced in one currency in the billing period before."""

    customer_id: str
    customer_name: str | None
    currency_code: str
    minor_units: int
    net_amount: Decimal


Row = TypeVar("Row")


def read_invoices(connection: duckdb.DuckDBPyConnection, period: str) -> list[Invoice]:
    """Read every invoice of a billing period, drafts and issued, in five queries.

    Args:
        connection: Warehouse with the marts.
        period: Billing period, 'YYYY-MM'.
    Returns: Invoices by customer, currency and number; the rest in printing order.
    """
    tiers: dict[tuple[str, int], list[InvoiceTier]] = defaultdict(list)
    for tier in _read(
        connection,
        InvoiceTier,
        "fct_invoice_line_tiers",
        period,
        "invoice_id, line_number, tier_number",
    ):
        tiers[tier.invoice_id, tier.line_number].append(tier)
    lines: dict[str, list[InvoiceLine]] = defaultdict(list)
    for line in _read(
        connection, LineRow, "fct_invoice_lines", period, "invoice_id, line_number"
    ):
        line_tiers = tuple(tiers.get((line.invoice_id, line.line_number), ()))
        lines[line.invoice_id].append(InvoiceLine(line, line_tiers))
    taxes: dict[str, list[InvoiceTax]] = defaultdict(list)
    for tax in _read(
        connection,
        InvoiceTax,
        "fct_invoice_taxes",
        period,
        "invoice_id, tax_rate desc, tax_code, tax_category, taxable_amount",
    ):
        taxes[tax.invoice_id].append(tax)
    applied: dict[str, list[InvoiceCredit]] = defaultdict(list)
    for credit in _read(
        connection, InvoiceCredit, "fct_credit_applications", period, "invoice_id, grant_id"
    ):
        applied[credit.invoice_id].append(credit)
    rows = _read(
        connection,
        InvoiceRow,
        "fct_invoices",
        period,
        "customer_id, currency_code, invoice_number nulls last, invoice_id",
    )
    return [
        Invoice(
            row,
            tuple(lines.get(row.invoice_id, ())),
            tuple(taxes.get(row.invoice_id, ())),
            tuple(applied.get(row.invoice_id, ())),
        )
        for row in rows
    ]


def read_previous_invoices(
    connection: duckdb.DuckDBPyConnection, period: str
) -> list[PreviousInvoice]:
    """Read what each customer was invoiced per currency in the month before `period`.

    Returns: One record per customer and currency; several documents are added up.
    """
    rows = connection.execute(
        """
        select
            customer_id,
            min(customer_name) as customer_name,
            currency_code,
            max(minor_units) as minor_units,
            sum(net_amount)::decimal(28, 6) as net_amount
        from marts.fct_invoices
        where billing_period = ?
        group by customer_id, currency_code
        order by customer_id, currency_code
        """,
        [previous_period(period)],
    ).fetchall()
    return [PreviousInvoice(*row) for row in rows]


def previous_period(period: str) -> str:
    """Name the month before: '2026-01' gives '2025-12'."""
    year, month = int(period[:4]), int(period[5:7])
    return f"{year - 1:04d}-12" if month == 1 else f"{year:04d}-{month - 1:02d}"


def _read(
    connection: duckdb.DuckDBPyConnection,
    record: type[Row],
    table: str,
    period: str,
    order: str,
) -> list[Row]:
    """Read the rows of a mart that belong to a period; the record's fields are the columns."""
    columns = ", ".join(field.name for field in fields(record))  # type: ignore[arg-type]
    rows: list[tuple[Any, ...]] = connection.execute(
        f"select {columns} from marts.{table} where invoice_id in"
        " (select invoice_id from marts.fct_invoices where billing_period = ?)"
        f" order by {order}",
        [period],
    ).fetchall()
    return [record(*row) for row in rows]
