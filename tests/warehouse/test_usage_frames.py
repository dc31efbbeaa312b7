"""When silence is an outage, and when it is what customers do."""

from datetime import date, timedelta

import duckdb
import pytest

from dagster_project.lib.usage_frames import USUAL_EVENTS_A_DAY, read_usage_frames


def _warehouse(
    counts: dict[date, int], ended_at: str | None = None
) -> duckdb.DuckDBPyConnection:
    """A warehouse with the daily counts of one event type and one subscription."""
    connection = duckdb.connect()
    connection.execute("create schema metering; create schema marts")
    connection.execute(
        "create table metering.met_event_fates"
        " (event_type varchar, event_date date, fate varchar, event_count bigint)"
    )
    rows = [("call", day, "rated", count) for day, count in counts.items() if count]
    if rows:
        connection.executemany(
            "insert into metering.met_event_fates values (?, ?, ?, ?)", rows
        )
    connection.execute(
        "create table metering.met_usage_assigned as"
        " select 'call' as event_type, 's1' as subscription_id"
    )
    connection.execute(
        "create table marts.dim_subscriptions as"
        " select 's1' as subscription_id, ?::timestamp as ended_at",
        [ended_at],
    )
    connection.execute(
        "create table marts.fct_invoices"
        " (billing_period varchar, period_from timestamp, period_to timestamp)"
    )
    return connection


def _days(count: int, first: date = date(2026, 1, 1), length: int = 31) -> dict[date, int]:
    return {first + timedelta(days=number): count for number in range(length)}


def _silent(connection: duckdb.DuckDBPyConnection) -> list[str]:
    frame = read_usage_frames(connection, "2026-01").watched_days
    return frame[frame["event_count"] == 0]["usage_day"].tolist()


@pytest.mark.parametrize(
    ("usual", "expected"),
    [(USUAL_EVENTS_A_DAY, ["2026-01-20"]), (USUAL_EVENTS_A_DAY - 1, [])],
)
def test_a_silent_day_after_steady_usage_is_an_outage(usual: int, expected: list[str]) -> None:
    """The customer would be billed too little, and again when the events arrive late."""
    counts = _days(usual) | {date(2026, 1, 20): 0}
    assert _silent(_warehouse(counts)) == expected


def test_a_weekend_without_usage_is_no_outage() -> None:
    """Offices that rest on Sunday would otherwise never get an invoice."""
    counts = {day: 0 if day.weekday() == 6 else 50 for day in _days(50)}
    assert _silent(_warehouse(counts)) == []


def test_a_subscription_that_ended_is_no_outage() -> None:
    """The last customer of a product who leaves must not block everybody's invoices."""
    counts = _days(50, length=15)
    connection = _warehouse(counts, ended_at="2026-01-16")
    connection.execute(
        "insert into metering.met_event_fates values ('sms', '2026-01-31', 'rated', 1)"
    )
    assert _silent(connection) == []


def test_a_type_that_stops_while_others_go_on_is_an_outage() -> None:
    """A meter that dies for good looks like a customer who stopped; it has to be asked."""
    connection = _warehouse(_days(50, length=15))
    connection.execute(
        "insert into metering.met_event_fates values ('sms', '2026-01-31', 'rated', 1)"
    )
    assert _silent(connection) == ["2026-01-16"]


def test_no_usage_at_all_is_no_error() -> None:
    """A month of recurring fees alone is billed like any other."""
    frames = read_usage_frames(_warehouse({}), "2026-01")
    assert frames.watched_days.empty
    assert frames.days.empty
    assert frames.last_days.empty
