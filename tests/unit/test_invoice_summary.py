"""What Dagster shows of the invoices of a period."""

import duckdb

from dagster_project.lib.invoice_summary import preview_table


def test_a_name_is_shown_as_it_is_written() -> None:
    """A customer could put a link or a picture in front of those who review."""
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.execute(
        "create table marts.fct_invoices as"
        " select 'i' as invoice_id, null::varchar as invoice_number,"
        " '![a|b](http://c) <d> &e;' as customer_name, 'EUR' as currency_code,"
        " 1.5::decimal(28, 6) as net_amount, 0 as tax_amount, 1.5::decimal(28, 6)"
        " as total_amount, 2 as minor_units, '2026-01' as billing_period,"
        " '2026-01' as issue_period"
    )
    (*_, row) = preview_table(connection, "2026-01").splitlines()
    assert row == (r"| draft | \!\[a\|b\]\(http://c\) \<d\> \&e; | 1.50 | 0.00 | 1.50 | EUR |")
