"""Where the list of billing months begins, known without opening the warehouse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from dagster_project.lib.replaced import replaced
from dagster_project.lib.settings import DEFAULT_FIRST_PERIOD, Settings


def first_period(settings: Settings) -> str:
    """The first billing month, ``YYYY-MM``.

    It is the one that is set; else the earliest that a load, a draft or a person has named,
    though none before the default, which is also the answer as long as nobody has named one.
    """
    if settings.first_period != DEFAULT_FIRST_PERIOD:
        return settings.first_period
    return max(_noted(settings) or settings.first_period, settings.first_period)


def note_period(settings: Settings, period: str | None) -> None:
    """Keep a month in which there is something to bill, if it is the earliest so far.

    Args:
        settings: The installation.
        period: ``YYYY-MM``, or None when there is none. This month and one of the future, of
            a source whose clock runs ahead, count as the month before: that one is drafted
            by the schedule, as it may have fees.
    """
    if period is None:
        return
    month_before = datetime.now(UTC).replace(day=1) - timedelta(days=1)
    period = min(period, f"{month_before:%Y-%m}")
    noted = _noted(settings)
    if noted is not None and noted <= period:
        return
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    with replaced(_file(settings)) as new:
        new.write_text(f"{period}\n", encoding="utf-8")


def first_month_of_usage(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The UTC month of the first event, ``YYYY-MM``, None when there is none."""
    row = connection.execute(
        "select strftime(min(event_at), '%Y-%m') from raw.usage_events"
    ).fetchone()
    return row[0] if row else None


def first_month_of_invoices(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The first billing month of the marts, ``YYYY-MM``; fees may begin before any usage."""
    row = connection.execute("select min(billing_period) from marts.fct_invoices").fetchone()
    return row[0] if row else None


def _noted(settings: Settings) -> str | None:
    file = _file(settings)
    return file.read_text(encoding="utf-8").strip() if file.exists() else None


def _file(settings: Settings) -> Path:
    return settings.dagster_home / "first_period"
