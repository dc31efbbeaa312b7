"""Issuing: the one writer of the ledger of issued invoices.

What belongs here: the transaction that numbers and freezes drafts. Amounts are not computed
here; they are copied, row by row and to the digit, from the marts that finance reviewed.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

import duckdb

_LINKED_TABLES = {
    "issued_invoice_lines": "fct_invoice_lines",
    "issued_invoice_line_tiers": "fct_invoice_line_tiers",
    "issued_invoice_taxes": "fct_invoice_taxes",
    "issued_credit_applications": "fct_credit_applications",
}


def issue_period(
    connection: duckdb.DuckDBPyConnection, period: str, issued_at: datetime
) -> int:
    """Number and freeze every draft of one billing period, all of them or none.

    Invoices and credit notes have one gapless series each, in the order of customer and
    currency. Running it again issues only what has become a draft since.

    Args:
        connection: Read-write connection to the warehouse, no transaction open.
        period: Billing period, ``YYYY-MM``.
        issued_at: UTC instant printed as the date of issue.
    Returns: Number of documents issued.
    Raises: duckdb.Error if a draft cannot be copied; nothing is issued then.
    Source: CONTRACT, billing rule 9.
    """
    connection.execute("begin transaction")
    try:
        connection.execute(
            """
            create or replace temp table newly_issued as
            with last_numbers as (
                select
                    document_type,
                    max(cast(split_part(invoice_number, '-', 2) as bigint)) as last_number
                from ledger.issued_invoices
                group by document_type
            )
            select
                drafts.invoice_id,
                case drafts.document_type when 'credit_note' then 'CN-' else 'INV-' end
                || format('{:06d}',
                    coalesce(last_numbers.last_number, 0) + row_number() over (
                        partition by drafts.document_type
                        order by drafts.customer_id, drafts.currency_code, drafts.invoice_id
                    )) as invoice_number
            from marts.fct_invoices as drafts
            left join last_numbers using (document_type)
            where
                drafts.invoice_status = 'draft'
                and drafts.billing_period = ?
                and drafts.invoice_id not in (select invoice_id from ledger.issued_invoices)
            """,
            [period],
        )
        connection.execute(
            """
            insert into ledger.issued_invoices by name
            select
                drafts.* replace (
                    newly_issued.invoice_number as invoice_number,
                    'issued' as invoice_status,
                    cast(? as timestamp) as issued_at
                )
            from marts.fct_invoices as drafts
            inner join newly_issued using (invoice_id)
            """,
            [issued_at.replace(tzinfo=None)],
        )
        for ledger_table, mart in _LINKED_TABLES.items():
            connection.execute(
                f"insert into ledger.{ledger_table} by name select * from marts.{mart}"
                " where invoice_id in (select invoice_id from newly_issued)"
            )
        row = connection.execute("select count(*) from newly_issued").fetchone()
        connection.execute("commit")
    except BaseException:
        # A commit that failed has left nothing to take back.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    return int(row[0]) if row else 0
