"""What the command shows about an installation: loads, and billing periods.

Reads only. Amounts leave as text: a table shows them, nothing is computed from them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import duckdb

from dagster_project.lib.engines import warehouse_of
from dagster_project.lib.findings import Findings, read_findings
from dagster_project.lib.invoice_summary import (
    EarlierPeriod,
    earlier_periods,
    invoice_counts,
    money_by_currency,
)
from dagster_project.lib.publishing import DATABASE
from dagster_project.lib.settings import Settings
from dagster_project.lib.warehouse import (
    is_lock_conflict,
    is_locked,
    open_warehouse,
    table_names,
)

# Repeats and records that cannot be read have no time of use that could be trusted.
NO_PERIOD = "no period"


@dataclass(frozen=True)
class PeriodRow:
    """One billing period: counts, and totals as text with their currency.

    ``events_by_fate`` counts landed records by the UTC month of use; it is None when the
    warehouse was busy and only the published marts could be read.
    """

    period: str
    drafts: int
    issued: int
    money: list[str]
    events_by_fate: dict[str, int] | None = field(default_factory=dict)


def last_load(settings: Settings) -> int:
    """Number of the last load, 0 before the first."""
    with _readable(settings) as connection:
        if connection is None or not _has_table(connection, "raw", "load_files"):
            return 0
        row = connection.execute(
            "select coalesce(max(load_id), 0) from raw.load_files"
        ).fetchone()
    return int(row[0]) if row else 0


def loads_since(settings: Settings, load_id: int) -> list[tuple[str, int, int, int, int]]:
    """Kind, files, records, events and rejects of what was loaded after ``load_id``."""
    with _readable(settings) as connection:
        if connection is None:
            return []
        rows = connection.execute(
            "select file_kind, count(*), sum(record_count)::bigint, sum(event_count)::bigint,"
            " sum(rejected_count)::bigint"
            " from raw.load_files where load_id > ? group by file_kind order by file_kind",
            [load_id],
        ).fetchall()
    return [(kind, *(int(value or 0) for value in counts)) for kind, *counts in rows]


def unread_columns(settings: Settings, load_id: int) -> list[tuple[str, str, str | None]]:
    """Columns that nobody reads of files loaded after ``load_id``.

    Returns: File, column, and the known column that it resembles, if any; the same where it
        is there more than once.
    """
    with _readable(settings) as connection:
        if connection is None or not _has_table(connection, "raw", "unread_columns"):
            return []
        return connection.execute(
            "select source_file, column_name, meant_column"
            " from raw.unread_columns inner join raw.load_files using (file_id)"
            " where load_id > ? order by file_id, column_name",
            [load_id],
        ).fetchall()


def period_rows(settings: Settings, periods: list[str] | None) -> list[PeriodRow]:
    """State of the given billing periods, or of all that have an invoice or usage.

    Read from the warehouse, or from the published marts while another run writes it.
    """
    with _readable(settings) as connection:
        if connection is not None and _has_table(connection, "marts", "fct_invoices"):
            return _rows(connection, periods, "marts")
    published = settings.publish_dir / DATABASE
    if connection is None and published.exists():
        with open_warehouse(published, read_only=True) as reader:
            return _rows(reader, periods, "marts")
    return []


def findings_of(settings: Settings, period: str) -> list[Findings]:
    """What has to be looked at before anybody is billed for a period, as of the last build."""
    with _readable(settings) as connection:
        if connection is None or not _has_table(connection, "marts", "fct_invoice_findings"):
            return []
        return read_findings(connection, period)


def rows_of_earlier_periods(settings: Settings, period: str) -> list[EarlierPeriod]:
    """What a month issues, or would issue, of periods that began before it."""
    with _readable(settings) as connection:
        return [] if connection is None else earlier_periods(connection, period)


def _rows(
    connection: duckdb.DuckDBPyConnection, periods: list[str] | None, schema: str
) -> list[PeriodRow]:
    fates: dict[str, dict[str, int]] | None = None
    if _has_table(connection, "metering", "met_event_fates"):
        fates = {}
        for period, fate, count in connection.execute(
            "select coalesce(strftime(event_date, '%Y-%m'), ?), fate, sum(event_count)::bigint"
            " from metering.met_event_fates group by all order by all",
            [NO_PERIOD],
        ).fetchall():
            fates.setdefault(period, {})[fate] = int(count)
    if periods is None:
        known = connection.execute(
            "select distinct coalesce(issue_period, billing_period)"
            f" from {schema}.fct_invoices"
        ).fetchall()
        periods = sorted({period for (period,) in known} | set(fates or ()))
    rows = []
    for period in periods:
        counts = invoice_counts(connection, period, schema)
        money = money_by_currency(connection, period, schema)
        rows.append(
            PeriodRow(
                period=period,
                drafts=counts.get("draft", 0),
                issued=counts.get("issued", 0),
                money=[f"{amount} {code}" for code, amount in money.items()],
                events_by_fate=None if fates is None else fates.get(period, {}),
            )
        )
    return rows


@contextmanager
def _readable(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """The warehouse read-only, or None when it is not there or another run writes it."""
    warehouse = warehouse_of(settings)
    # The files of Spark could be read any time, but while a run writes they do not belong
    # together; a DuckDB file cannot be opened then.
    is_busy = settings.target == "spark" and is_locked(settings.writer_lock)
    if is_busy or not warehouse.exists:
        yield None
        return
    try:
        opened = warehouse.connect(read_only=True, patience_seconds=3)
        connection = opened.__enter__()
    except duckdb.IOException as error:
        if not is_lock_conflict(error):
            raise
        yield None
        return
    try:
        yield connection
    finally:
        opened.__exit__(None, None, None)


def _has_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    return (schema, table) in table_names(connection)
