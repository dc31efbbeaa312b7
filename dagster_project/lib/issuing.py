"""Issuing: the one writer of the ledger of issued invoices.

What belongs here: the transaction that numbers and freezes drafts. Amounts are not computed
here; they are copied, row by row and to the digit, from the marts that finance reviewed. How a
document is rendered is not known here either, but nothing is numbered before it has been.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import duckdb

# Renders the invoices of a table, whose name it is given, with the numbers they have in it.
# Returns why some cannot be rendered, by invoice_id.
Render = Callable[[duckdb.DuckDBPyConnection, str], dict[str, str]]


@dataclass(frozen=True)
class Issue:
    """How many documents were issued, and why drafts were left out, by invoice_id."""

    count: int
    left_out: dict[str, str]


_LINKED_TABLES = {
    "issued_invoice_lines": "fct_invoice_lines",
    "issued_invoice_line_tiers": "fct_invoice_line_tiers",
    "issued_invoice_taxes": "fct_invoice_taxes",
}


def issue_period(
    connection: duckdb.DuckDBPyConnection, period: str, issued_at: datetime, render: Render
) -> Issue:
    """Number and freeze every draft up to one billing period that can be rendered.

    Drafts of periods that began earlier are issued with it, so that nothing which has ended is
    left behind. Invoices and credit notes have one gapless series each, in the order of
    customer, currency and period. Running it again issues only what has become a draft since,
    or was left out.

    Args:
        connection: Read-write connection to the warehouse, no transaction open.
        period: Billing period, ``YYYY-MM``.
        issued_at: UTC instant printed as the date of issue.
        render: Called before anything is numbered for good; again with later numbers moved up
            when something is left out.
    Returns: What was issued and what was not.
    Raises: duckdb.Error if a draft cannot be copied, or what ``render`` raises; nothing is
        issued then.
    Source: docs/billing_rules.md, rule 9; docs/engineering_decisions.md, "Nothing is numbered
    that cannot be rendered".
    """
    left_out: dict[str, str] = {}
    connection.execute("begin transaction")
    try:
        while True:
            _number(connection, period, issued_at, list(left_out))
            not_rendered = render(connection, "newly_issued")
            if not not_rendered:
                break
            left_out |= not_rendered
        connection.execute(
            "insert into ledger.issued_invoices by name select * from newly_issued"
        )
        for ledger_table, mart in _LINKED_TABLES.items():
            connection.execute(
                f"insert into ledger.{ledger_table} by name select * from marts.{mart}"
                " where invoice_id in (select invoice_id from newly_issued)"
            )
        _apply_credit(connection, period)
        row = connection.execute("select count(*) from newly_issued").fetchone()
        connection.execute("commit")
    except BaseException:
        # A commit that failed has left nothing to take back.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    return Issue(int(row[0]) if row else 0, left_out)


def _number(
    connection: duckdb.DuckDBPyConnection,
    period: str,
    issued_at: datetime,
    left_out: list[str],
) -> None:
    """Write the drafts as they will be issued into the table ``newly_issued``."""
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
            drafts.* replace (
                case drafts.document_type when 'credit_note' then 'CN-' else 'INV-' end
                || format('{:06d}',
                    coalesce(last_numbers.last_number, 0) + row_number() over (
                        partition by drafts.document_type
                        order by drafts.customer_id, drafts.currency_code,
                            drafts.billing_period, drafts.invoice_id
                    )) as invoice_number,
                'issued' as invoice_status,
                cast(? as timestamp) as issued_at,
                ? as issue_period
            )
        from marts.fct_invoices as drafts
        left join last_numbers using (document_type)
        where
            drafts.invoice_status = 'draft'
            and coalesce(drafts.issue_period, drafts.billing_period) <= ?
            and drafts.invoice_id not in (select invoice_id from ledger.issued_invoices)
            and drafts.invoice_id not in (select unnest(?::varchar[]))
        """,
        [issued_at.replace(tzinfo=None), period, period, left_out],
    )


def _apply_credit(connection: duckdb.DuckDBPyConnection, period: str) -> None:
    """Freeze the credit of what was issued, in the table ``newly_applied`` too.

    Units that leave nothing to be invoiced are used all the same, once their month is issued.
    """
    connection.execute(
        """
        create or replace temp table newly_applied as
        select drafts.* replace ('issued' as application_status)
        from marts.fct_credit_applications as drafts
        where
            drafts.invoice_id in (select invoice_id from newly_issued)
            or (
                drafts.invoice_id is null
                and drafts.application_status = 'draft'
                and drafts.billing_period <= ?
                and not exists (
                    from ledger.issued_credit_applications as issued
                    where
                        issued.customer_id = drafts.customer_id
                        and issued.application_number = drafts.application_number
                )
            )
        """,
        [period],
    )
    connection.execute(
        "insert into ledger.issued_credit_applications by name from newly_applied"
    )
