"""When silence is an outage, and when it is what customers do."""

from datetime import date, timedelta

import duckdb
import pytest

from dagster_project.lib.usage_frames import USUAL_EVENTS, read_usage_frames


def _warehouse(
    counts: dict[date, int], ended_at: str | None = None
) -> duckdb.DuckDBPyConnection:
    """A warehouse with the daily counts of one event type and one subscription."""
    connection = duckdb.connect()
    connection.execute(
        "create schema metering; create schema marts; create schema raw; create schema pricing"
    )
    connection.execute(
        "create table raw.usage_events (event_type varchar, event_at timestamp)"
    )
    connection.execute(
        "create table raw.load_files as select timestamp '2026-06-01' as loaded_at"
    )
    connection.execute(
        "create table pricing.quality_acknowledgements (event_type varchar,"
        " silent_from varchar, silent_to varchar, reason varchar, acknowledged_by varchar)"
    )
    connection.execute(
        "create table marts.fct_usage_daily (usage_date date, subscription_id varchar,"
        " meter_code varchar, quantity decimal(38, 12))"
    )
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
    [(USUAL_EVENTS, ["2026-01-20"]), (USUAL_EVENTS - 1, [])],
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


def _hourly(connection: duckdb.DuckDBPyConnection, count: int, silent_hour: str) -> None:
    """The same number of calls every hour from 1 to 20 January, but for one."""
    connection.execute(
        "insert into raw.usage_events select 'call', hour + to_minutes(number::int) from"
        " unnest(generate_series(timestamp '2026-01-01', timestamp '2026-01-20 23:00',"
        " interval 1 hour)) as hours(hour), range(?) as numbers(number)"
        " where hour <> ?::timestamp",
        [count, silent_hour],
    )


@pytest.mark.parametrize(
    ("usual", "hour", "expected"),
    [
        (USUAL_EVENTS, "2026-01-15 03:00", ["2026-01-15 03:00"]),
        (USUAL_EVENTS - 1, "2026-01-15 03:00", []),
        # A week has to pass before anybody knows what is usual.
        (USUAL_EVENTS, "2026-01-07 23:00", []),
    ],
)
def test_a_silent_hour_in_dense_usage_is_an_outage(
    usual: int, hour: str, expected: list[str]
) -> None:
    """An hour lost on a busy day leaves every day with events, and the bill too small."""
    connection = _warehouse(_days(500, length=20))
    _hourly(connection, usual, hour)
    frame = read_usage_frames(connection, "2026-01").watched_hours
    assert frame[frame["event_count"] == 0]["usage_hour"].tolist() == expected


def test_a_clock_that_runs_ahead_makes_no_outage_of_the_others() -> None:
    """Loaded at 0:10 with one message of 5:00: calls had no chance to be made by then."""
    connection = _warehouse(_days(500, length=20))
    _hourly(connection, USUAL_EVENTS, "2026-01-20 23:30")
    connection.execute("update raw.load_files set loaded_at = '2026-01-21 00:10'")
    connection.execute(
        "insert into raw.usage_events values ('sms', timestamp '2026-01-21 05:00')"
    )
    frame = read_usage_frames(connection, "2026-01").watched_hours
    assert frame[frame["event_count"] == 0].empty


@pytest.mark.parametrize(
    ("acknowledgement", "expected"),
    [
        (("call", "2026-01-20", "2026-01-21"), []),
        ((None, "2026-01-19T12:00:00Z", "2026-01-20T00:00:01Z"), []),
        (("sms", "2026-01-20", "2026-01-21"), ["2026-01-20"]),
        (("call", "2026-01-19", "2026-01-20"), ["2026-01-20"]),
    ],
)
def test_an_acknowledged_outage_is_told_and_does_not_block(
    acknowledgement: tuple[str | None, str, str], expected: list[str]
) -> None:
    """A month with an outage that cannot be cured could otherwise never be issued."""
    connection = _warehouse(_days(50) | {date(2026, 1, 20): 0})
    connection.execute(
        "insert into pricing.quality_acknowledgements values (?, ?, ?, 'flood', 'CFO')",
        acknowledgement,
    )
    assert _silent(connection) == expected
    told = read_usage_frames(connection, "2026-01").acknowledged
    assert told == ([] if expected else ["call, 2026-01-20: flood (CFO)"])


def test_absurd_days_and_negative_totals_of_a_meter_are_told() -> None:
    """A unit changed from seconds to milliseconds bills a thousand times too much."""
    connection = _warehouse(_days(50))
    connection.executemany(
        "insert into marts.fct_usage_daily values (?, ?, ?, ?)",
        [
            *((day, "s1", "minutes", "100.5") for day in _days(1, length=10)),
            (date(2026, 1, 11), "s1", "minutes", "1005"),
            (date(2026, 1, 12), "s1", "minutes", "10050.000001"),
            (date(2026, 1, 12), "s2", "minutes", "-0.000000000001"),
            # Too little history to tell.
            (date(2026, 1, 1), "s1", "calls", "1"),
            (date(2026, 1, 2), "s1", "calls", "1000"),
        ],
    )
    frame = read_usage_frames(connection, "2026-01").meter_days
    odd = frame[(frame["absurd_count"] > 0) | (frame["negative_count"] > 0)]
    assert odd.values.tolist() == [["minutes", "2026-01-12", 1, 1]]
