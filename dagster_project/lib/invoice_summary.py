"""Small readings of the invoice marts for metadata and the tables of the command.

Amounts leave as text or Decimal, never as binary numbers.
"""

import re
from dataclasses import dataclass
from decimal import Decimal

import duckdb

_MARKUP = re.compile(r"[][\\`*_{}()#+!|<>~&]")


def money_by_currency(
    connection: duckdb.DuckDBPyConnection, period: str, schema: str = "marts"
) -> dict[str, str]:
    """Total of the invoices of a period, tax included, as text in minor units."""
    rows = connection.execute(
        "select currency_code, sum(total_amount), max(minor_units)"
        f" from {schema}.fct_invoices where coalesce(issue_period, billing_period) = ?"
        " group by currency_code order by currency_code",
        [period],
    ).fetchall()
    return {code: f"{amount:,.{units}f}" for code, amount, units in rows}


def invoice_counts(
    connection: duckdb.DuckDBPyConnection, period: str, schema: str = "marts"
) -> dict[str, int]:
    """Number of invoices of a period by status."""
    return dict(
        connection.execute(
            f"select invoice_status, count(*) from {schema}.fct_invoices"
            " where coalesce(issue_period, billing_period) = ?"
            " group by invoice_status order by invoice_status",
            [period],
        ).fetchall()
    )


@dataclass(frozen=True)
class EarlierPeriod:
    """What a month issues of a period that began before it, in one currency.

    ``adjustment_count`` counts lines, ``document_count`` invoices and credit notes with lines
    of the period; ``net_amount`` is that of these lines, as text in minor units.
    """

    billing_period: str
    invoice_status: str
    adjustment_count: int
    document_count: int
    credit_note_count: int
    net_amount: str
    currency_code: str


def earlier_periods(
    connection: duckdb.DuckDBPyConnection, period: str, schema: str = "marts"
) -> list[EarlierPeriod]:
    """What belongs to the month ``period`` though it is of periods that began earlier."""
    rows = connection.execute(
        f"""
        select
            coalesce(lines.adjusted_billing_period, invoices.billing_period) as earlier_period,
            invoices.invoice_status,
            count(*) filter (lines.line_type = 'adjustment'),
            count(distinct invoices.invoice_id),
            count(distinct invoices.invoice_id)
                filter (invoices.document_type = 'credit_note'),
            sum(lines.net_amount),
            max(invoices.minor_units),
            invoices.currency_code
        from {schema}.fct_invoice_lines as lines
        inner join {schema}.fct_invoices as invoices using (invoice_id)
        where
            coalesce(invoices.issue_period, invoices.billing_period) = ?
            and coalesce(lines.adjusted_billing_period, invoices.billing_period) < ?
        group by earlier_period, invoices.invoice_status, invoices.currency_code
        order by earlier_period, invoices.invoice_status, invoices.currency_code
        """,
        [period, period],
    ).fetchall()
    return [
        EarlierPeriod(
            earlier, status, adjustments, documents, credit_notes, f"{net:,.{units}f}", code
        )
        for earlier, status, adjustments, documents, credit_notes, net, units, code in rows
    ]


def net_by_period(
    connection: duckdb.DuckDBPyConnection, last_period: str, currency_code: str
) -> list[tuple[str, Decimal]]:
    """Net amount of up to twelve periods that end with ``last_period``, in one currency."""
    rows = connection.execute(
        "select billing_period, sum(net_amount), max(minor_units)"
        " from marts.fct_invoices where billing_period <= ? and currency_code = ?"
        " group by billing_period order by billing_period desc limit 12",
        [last_period, currency_code],
    ).fetchall()
    return [
        (period, amount.quantize(Decimal(1).scaleb(-units)))
        for period, amount, units in reversed(rows)
    ]


def preview_table(
    connection: duckdb.DuckDBPyConnection, period: str, row_limit: int = 15
) -> str:
    """The largest invoices of a period as a markdown table."""
    rows = connection.execute(
        "select coalesce(invoice_number, 'draft'), customer_name, currency_code,"
        " net_amount, tax_amount, total_amount, minor_units"
        " from marts.fct_invoices where coalesce(issue_period, billing_period) = ?"
        " order by total_amount desc, invoice_id limit ?",
        [period, row_limit],
    ).fetchall()
    lines = ["| Number | Customer | Net | Tax | Total | |", "|---|---|--:|--:|--:|---|"]
    for number, customer, currency, net, tax, total, units in rows:
        # A name is customer's text: nothing in it may become markup.
        name = _MARKUP.sub(r"\\\g<0>", (customer or "").replace("\n", " "))
        amounts = " | ".join(f"{amount:,.{units}f}" for amount in (net, tax, total))
        lines.append(f"| {number} | {name} | {amounts} | {currency} |")
    return "\n".join(lines)
