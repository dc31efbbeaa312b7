"""Invoices as the marts hold them, read some at a time: memory does not grow with them.

Frozen records with exact decimals and naive UTC instants; nothing here formats or rounds. All
queries go through one connection, since what is being issued is seen by its transaction alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import duckdb

INVOICES = "marts.fct_invoices"
# The month in whose folder and on whose index an invoice is.
MONTH = "coalesce(issue_period, billing_period)"
# Lines and tiers that a document prints; one with more is summed up. A printed row takes about
# 0.1 MB of the PDF engine, and nobody reads the thousandth.
PRINTED_ROWS = 1000
# What is held at a time, in rows of lines and tiers or in invoices.
_ROWS_AT_A_TIME = 2000
_INVOICES_AT_A_TIME = 200
# Quantities are added up below it alone: of larger ones a hundred could overflow.
_ADDABLE = "1000000000000000000"


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
    """Prepaid credit that an invoice uses: an amount in its currency, or units of a charge.

    Below zero it is given back.
    """

    invoice_id: str
    grant_id: str
    applied_amount: Decimal | None
    applied_quantity: Decimal | None
    subscription_id: str | None
    charge_code: str | None
    unit: str | None
    paid_billing_period: str | None


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
    price_quantity: Decimal | None
    prepaid_quantity: Decimal | None


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
    issue_period: str | None

    @property
    def flag_sentences(self) -> tuple[str, ...]:
        """What finance should look at before issuing, one sentence each."""
        sentences = (sentence.strip() for sentence in (self.flags or "").split(";"))
        return tuple(sentence for sentence in sentences if sentence)


@dataclass(frozen=True)
class InvoiceLine:
    """A line with its tiers, or the sum of `line_count` lines, which has none."""

    row: LineRow
    tiers: tuple[InvoiceTier, ...] = ()
    line_count: int = 1
    subscription_count: int = 1


@dataclass(frozen=True)
class Invoice:
    """One invoice or credit note with what is printed on it: its lines, or sums of them."""

    row: InvoiceRow
    lines: tuple[InvoiceLine, ...]
    taxes: tuple[InvoiceTax, ...]
    credits: tuple[InvoiceCredit, ...]
    is_long: bool = False

    @property
    def line_count(self) -> int:
        """How many lines there are, printed one by one or in sums."""
        return sum(line.line_count for line in self.lines)


@dataclass(frozen=True, slots=True)
class ListedInvoice:
    """What is held of every invoice of a period: `printed_rows` are its lines and tiers."""

    invoice_id: str
    invoice_number: str | None
    invoice_status: str
    document_type: str
    customer_id: str
    month: str
    currency_code: str
    total_amount: Decimal
    content_hash: str | None
    printed_rows: int

    @property
    def is_long(self) -> bool:
        """Whether its document sums up the lines."""
        return self.printed_rows > PRINTED_ROWS


@dataclass(frozen=True)
class PreviousInvoice:
    """What a customer was invoiced in one currency in the billing period before."""

    customer_id: str
    customer_name: str | None
    currency_code: str
    minor_units: int
    net_amount: Decimal


@dataclass(frozen=True)
class CurrencyTotal:
    """The invoices of a period in one currency, added up."""

    currency_code: str
    minor_units: int
    invoice_count: int
    net_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    due_amount: Decimal
    previous_net_amount: Decimal | None


Row = TypeVar("Row")

_PREVIOUS = f"""
    select
        customer_id,
        min(customer_name) as customer_name,
        currency_code,
        max(minor_units) as minor_units,
        sum(net_amount)::decimal(28, 6) as net_amount
    from marts.fct_invoices
    where {MONTH} = ?
    group by customer_id, currency_code
"""


def list_invoices(
    connection: duckdb.DuckDBPyConnection, period: str | None, invoices: str = INVOICES
) -> list[ListedInvoice]:
    """List the invoices of a billing period, drafts and issued.

    Args:
        connection: Warehouse with the marts.
        period: Billing period, 'YYYY-MM', or None for all rows of `invoices`.
        invoices: The table of invoices: the mart, or what is about to be issued.
    Returns: Invoices by period, customer, currency and number.
    """
    rows = connection.execute(
        f"""
        with listed as (
            select * from {invoices} where {MONTH} = ? or ? is null
        ),
        printed as (
            select invoice_id from marts.fct_invoice_lines
            where invoice_id in (select invoice_id from listed)
            union all
            select invoice_id from marts.fct_invoice_line_tiers
            where invoice_id in (select invoice_id from listed)
        ),
        counts as (select invoice_id, count(*) as printed_rows from printed group by all)
        select
            invoice_id, invoice_number, invoice_status, document_type, customer_id,
            {MONTH}, currency_code, total_amount, content_hash, coalesce(printed_rows, 0)
        from listed
        left join counts using (invoice_id)
        order by
            {MONTH}, customer_id, currency_code, invoice_number nulls last, invoice_id
        """,
        [period, period],
    ).fetchall()
    return [ListedInvoice(*row) for row in rows]


def read_rows(
    connection: duckdb.DuckDBPyConnection, ids: Sequence[str], invoices: str = INVOICES
) -> list[InvoiceRow]:
    """Read some invoices without their lines, in the order of `ids`."""
    rows = {row.invoice_id: row for row in _read(connection, InvoiceRow, invoices, ids)}
    return [rows[invoice_id] for invoice_id in ids]


def read_invoices(
    connection: duckdb.DuckDBPyConnection,
    listed: Sequence[ListedInvoice],
    invoices: str = INVOICES,
) -> list[Invoice]:
    """Read some invoices in the order given, each with its lines or the sums of a long one.

    All of them are in memory at once; `batches` keeps them few.
    """
    ids = [entry.invoice_id for entry in listed]
    short = [entry.invoice_id for entry in listed if not entry.is_long]
    lines = _read_lines(connection, short)
    for entry in listed:
        if entry.is_long:
            lines[entry.invoice_id] = _read_sums(connection, entry.invoice_id)
    taxes: dict[str, list[InvoiceTax]] = defaultdict(list)
    order = "invoice_id, tax_rate desc, tax_code, tax_category, taxable_amount"
    for tax in _read(connection, InvoiceTax, "marts.fct_invoice_taxes", ids, order=order):
        taxes[tax.invoice_id].append(tax)
    applied: dict[str, list[InvoiceCredit]] = defaultdict(list)
    table = "marts.fct_credit_applications"
    order = "invoice_id, grant_id, paid_billing_period, subscription_id, charge_code, unit"
    for credit in _read(connection, InvoiceCredit, table, ids, order=order):
        applied[credit.invoice_id].append(credit)
    return [
        Invoice(
            row,
            tuple(lines.get(row.invoice_id, ())),
            tuple(taxes.get(row.invoice_id, ())),
            tuple(applied.get(row.invoice_id, ())),
            entry.is_long,
        )
        for row, entry in zip(read_rows(connection, ids, invoices), listed, strict=True)
    ]


def line_pages(
    connection: duckdb.DuckDBPyConnection, invoice_id: str
) -> Iterator[list[InvoiceLine]]:
    """Read all lines of one invoice with their tiers, some at a time, in printing order."""
    last = 0
    while True:
        numbers = connection.execute(
            "select line_number from marts.fct_invoice_lines"
            " where invoice_id = ? and line_number > ? order by line_number limit ?",
            [invoice_id, last, _ROWS_AT_A_TIME],
        ).fetchall()
        if not numbers:
            return
        span = (last + 1, numbers[-1][0])
        yield _read_lines(connection, [invoice_id], span)[invoice_id]
        last = span[1]


def batches(listed: Iterable[ListedInvoice]) -> Iterator[list[ListedInvoice]]:
    """Cut a list of invoices into those that are read and rendered together."""
    batch: list[ListedInvoice] = []
    rows = 0
    for entry in listed:
        batch.append(entry)
        rows += min(entry.printed_rows, PRINTED_ROWS)
        if rows >= _ROWS_AT_A_TIME or len(batch) >= _INVOICES_AT_A_TIME:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def _read_lines(
    connection: duckdb.DuckDBPyConnection,
    ids: Sequence[str],
    span: tuple[int, int] | None = None,
) -> dict[str, list[InvoiceLine]]:
    """Read lines, of all numbers or from one to another, by invoice and in printing order."""
    tiers: dict[tuple[str, int], list[InvoiceTier]] = defaultdict(list)
    order = "invoice_id, line_number, tier_number"
    table = "marts.fct_invoice_line_tiers"
    for tier in _read(connection, InvoiceTier, table, ids, span, order=order):
        tiers[tier.invoice_id, tier.line_number].append(tier)
    lines: dict[str, list[InvoiceLine]] = defaultdict(list)
    order = "invoice_id, line_number"
    for row in _read(connection, LineRow, "marts.fct_invoice_lines", ids, span, order=order):
        line_tiers = tuple(tiers.get((row.invoice_id, row.line_number), ()))
        lines[row.invoice_id].append(InvoiceLine(row, line_tiers))
    return lines


# What lines of one sum have in common, the finest first that is short enough to be printed. A
# parent of thousands of subscriptions is summed up by charge.
_SAME_CHARGE = ("line_type", "adjusted_billing_period", "charge_code", "charge_name", "unit")
_SAME_SPAN = ("period_from", "period_to")
_SUMS = (
    (*_SAME_CHARGE, *_SAME_SPAN, "subscription_id"),
    (*_SAME_CHARGE, *_SAME_SPAN),
    _SAME_CHARGE,
)
_SUMMED = {
    "period_from": "min(period_from)",
    "period_to": "max(period_to)",
    "net_amount": "sum(net_amount)",
    "exact_amount": "sum(net_amount)",
    "gross_amount": "sum(gross_amount)",
    **{
        name: f"case when min(period_from) = max(period_from)"
        f" and min(period_to) = max(period_to) and max(abs({name})) < {_ADDABLE}"
        f" then sum({name}) filter (where abs({name}) < {_ADDABLE}) end"
        for name in ("quantity", "included_quantity", "prepaid_quantity")
    },
}


def _read_sums(connection: duckdb.DuckDBPyConnection, invoice_id: str) -> list[InvoiceLine]:
    """Add up the lines of an invoice; what differs within a sum is empty in it.

    Quantities are added up within one span only: over a change of price the next line may be
    about the same ones again.
    """
    lines = "from marts.fct_invoice_lines where invoice_id = ?"
    for keys in _SUMS:
        columns = ", ".join(keys)
        groups = connection.execute(
            f"select count(*) from (select distinct {columns} {lines})", [invoice_id]
        ).fetchone()
        if groups and groups[0] <= PRINTED_ROWS:
            break
    same = "case when min({0}) = max({0}) and count({0}) = count(*) then min({0}) end"
    names = [field.name for field in fields(LineRow)]
    summed = {
        name: "invoice_id"
        if name == "invoice_id"
        else "row_number() over (order by min(line_number))"
        if name == "line_number"
        else _SUMMED.get(name) or (name if name in keys else same.format(name))
        for name in names
    }
    rows = connection.execute(
        f"select {', '.join(summed.values())}, count(*), count(distinct subscription_id)"
        f" {lines} group by invoice_id, {columns} order by min(line_number)",
        [invoice_id],
    ).fetchall()
    return [InvoiceLine(LineRow(*row[:-2]), (), *row[-2:]) for row in rows]


def read_previous_invoices(
    connection: duckdb.DuckDBPyConnection, period: str, customer_ids: Sequence[str]
) -> list[PreviousInvoice]:
    """Read what some customers were invoiced per currency in the month before `period`.

    Returns: One record per customer and currency; several documents are added up.
    """
    rows = connection.execute(
        f"{_PREVIOUS} having customer_id in (select unnest(?::varchar[]))",
        [previous_period(period), list(customer_ids)],
    ).fetchall()
    return [PreviousInvoice(*row) for row in rows]


def read_missing_invoices(
    connection: duckdb.DuckDBPyConnection, period: str
) -> Iterator[PreviousInvoice]:
    """Read who was invoiced in the month before and is not in `period`.

    No other query may be made until all of them are read.
    """
    rows = connection.execute(
        f"with previous as ({_PREVIOUS}) from previous"
        f" anti join (from marts.fct_invoices where {MONTH} = ?)"
        " using (customer_id, currency_code) order by customer_id, currency_code",
        [previous_period(period), period],
    )
    while some := rows.fetchmany(_INVOICES_AT_A_TIME):
        yield from (PreviousInvoice(*row) for row in some)


def read_totals(connection: duckdb.DuckDBPyConnection, period: str) -> list[CurrencyTotal]:
    """Add up the invoices of a period by currency, beside the net of the month before."""
    rows = connection.execute(
        f"""
        with previous as (
            select currency_code, sum(net_amount) as previous_net_amount
            from marts.fct_invoices where {MONTH} = ? group by currency_code
        )
        select
            currency_code, max(minor_units), count(*), sum(net_amount), sum(tax_amount),
            sum(total_amount), sum(due_amount), any_value(previous_net_amount)
        from marts.fct_invoices left join previous using (currency_code)
        where {MONTH} = ? group by currency_code order by currency_code
        """,
        [previous_period(period), period],
    ).fetchall()
    return [CurrencyTotal(*row) for row in rows]


def previous_period(period: str) -> str:
    """Name the month before: '2026-01' gives '2025-12'."""
    year, month = int(period[:4]), int(period[5:7])
    return f"{year - 1:04d}-12" if month == 1 else f"{year:04d}-{month - 1:02d}"


def _read(
    connection: duckdb.DuckDBPyConnection,
    record: type[Row],
    table: str,
    ids: Sequence[str],
    span: tuple[int, int] | None = None,
    *,
    order: str = "invoice_id",
) -> list[Row]:
    """Read the rows of some invoices; the record's fields are the columns."""
    columns = ", ".join(field.name for field in fields(record))  # type: ignore[arg-type]
    numbers = " and line_number between ? and ?" if span else ""
    rows: list[tuple[Any, ...]] = connection.execute(
        f"select {columns} from {table} where invoice_id in (select unnest(?::varchar[]))"
        f"{numbers} order by {order}",
        [list(ids), *(span or ())],
    ).fetchall()
    return [record(*row) for row in rows]
