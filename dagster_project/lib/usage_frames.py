"""What the quality suites look at, as small frames of counts aggregated in SQL.

What belongs here: queries over metering tables and marts, by billing period. Quantities and
money do not leave SQL here: a pandas column would make binary numbers of them. They are
compared there, and what leaves are counts, ratios and flags.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import pandas as pd

# Silence is an outage when each day, or hour, of the week before had this many events: with
# fewer, silence is something that customers do.
# Source: docs/billing_decisions.md, "Silence is an outage".
USUAL_EVENTS = 20
_TRAILING_DAYS = 7
# A day is absurd beyond this many times the greatest day of the four weeks before.
ABSURD_GROWTH = 10


@dataclass(frozen=True)
class UsageFrames:
    """Frames of one billing period.

    ``watched_days``, ``watched_hours``: event_type, usage_day or usage_hour (UTC),
    usual_count (smallest count of the week before), event_count; only those in which usage is
    expected and whose silence nobody has acknowledged.
    ``acknowledged``: a sentence for each silent day or hour that somebody has acknowledged.
    ``volumes``: event_type, event_count, trailing_count (mean of up to three months before),
    ratio; only types that have a trailing month.
    ``days``: usage_day, event_count, known_share (of usable events, by known subject).
    ``meter_days``: meter_code, usage_day, negative_count (subscriptions whose total of the day
    is below zero), absurd_count (1 where the day is absurd against the four weeks before).
    ``last_days``: one row: silent_days, whole days without any usage before the period's end.
    """

    watched_days: "pd.DataFrame"
    watched_hours: "pd.DataFrame"
    acknowledged: list[str]
    volumes: "pd.DataFrame"
    days: "pd.DataFrame"
    meter_days: "pd.DataFrame"
    last_days: "pd.DataFrame"


def read_usage_frames(connection: duckdb.DuckDBPyConnection, period: str) -> UsageFrames:
    """Read what the suites need of one billing period, ``YYYY-MM``.

    The days are those of the invoices of the period, so that an anniversary period that runs
    into the next month is watched to its end; without invoices, the days of the month.
    """
    first, last = _span(connection, period)
    connection.execute(
        """
        create or replace temp table quality_daily as
        select event_type, event_date as usage_day, sum(event_count)::bigint as event_count,
            sum(case when fate not in ('unknown_subject') then event_count else 0 end)::bigint
                as known_count
        from metering.met_event_fates
        where event_date is not null
            and fate not in ('voided', 'rejected', 'duplicate', 'conflicting_duplicate')
        group by event_type, event_date
        """
    )
    # Hours are in no model: counted from the events of the period alone, whatever their fate.
    connection.execute(
        f"""
        create or replace temp table quality_hourly as
        select event_type, date_trunc('hour', event_at) as usage_hour, count(*) as event_count
        from raw.usage_events
        where event_at >= ?::date - interval {_TRAILING_DAYS + 1} day and event_at < ?::date
        group by all
        """,
        [first, last],
    )
    days = _watch(connection, "day", first, last)
    hours = _watch(connection, "hour", first, last)
    # A day that is silent as a whole is told once.
    silent = days[days["event_count"] == 0]
    hour_days = hours["event_type"] + " " + hours["usage_hour"].str[:10]
    hours = hours[~hour_days.isin(silent["event_type"] + " " + silent["usage_day"])]
    acknowledged = [
        f"{row.event_type}, {getattr(row, f'usage_{unit}')}: {row.acknowledgement}"
        for unit, frame in (("day", days), ("hour", hours))
        for row in frame[frame["acknowledgement"].notna()].itertuples()
        if row.event_count == 0
    ]
    days, hours = (
        frame[frame["acknowledgement"].isna()]
        .drop(columns="acknowledgement")
        .reset_index(drop=True)
        for frame in (days, hours)
    )
    return UsageFrames(
        watched_days=days,
        watched_hours=hours,
        acknowledged=acknowledged,
        volumes=_volumes(connection, period),
        days=_days(connection, first, last),
        meter_days=_meter_days(connection, first, last),
        last_days=_last_days(connection, period),
    )


def _watch(
    connection: duckdb.DuckDBPyConnection, unit: str, first: date, last: date
) -> "pd.DataFrame":
    """Count the days or hours of the period in which usage is expected."""
    table = "quality_daily" if unit == "day" else "quality_hourly"
    trailing = _TRAILING_DAYS * (1 if unit == "day" else 24)
    text_format = "%Y-%m-%d" if unit == "day" else "%Y-%m-%d %H:00"
    return connection.execute(
        f"""
        with counts as (
            select event_type, cast(usage_{unit} as timestamp) as usage_at, event_count
            from {table}
        ),
        spans as (
            select event_type, min(usage_at) as first_at,
                -- The newest one is still filling up; it says nothing yet. A clock that runs
                -- ahead does not make the others late.
                least(
                    (select max(usage_at) from counts),
                    (select date_trunc('{unit}', max(loaded_at)) from raw.load_files)
                ) as newest_at
            from counts
            group by event_type
        ),
        -- A type whose subscriptions have all ended falls silent rightly.
        active_until as (
            select assigned.event_type,
                max(coalesce(subscriptions.ended_at, timestamp '9999-01-01')) as ended_at
            from metering.met_usage_assigned as assigned
            inner join marts.dim_subscriptions as subscriptions
                on assigned.subscription_id = subscriptions.subscription_id
            group by assigned.event_type
        ),
        every_slot as (
            select event_type, unnest(generate_series(
                first_at, newest_at - interval 1 {unit}, interval 1 {unit}
            )) as usage_at
            from spans
        ),
        calendar as (
            select every_slot.event_type, every_slot.usage_at
            from every_slot
            left join active_until on every_slot.event_type = active_until.event_type
            where active_until.ended_at is null
                or every_slot.usage_at < active_until.ended_at
        ),
        counted as (
            select calendar.event_type, calendar.usage_at,
                coalesce(counts.event_count, 0) as event_count
            from calendar
            left join counts
                on calendar.event_type = counts.event_type
                and calendar.usage_at = counts.usage_at
        ),
        usual as (
            select *,
                min(event_count) over before as usual_count,
                count(*) over before as trailing_count
            from counted
            window before as (
                partition by event_type order by usage_at
                rows between {trailing} preceding and 1 preceding
            )
        ),
        watched as (
            select * from usual
            where trailing_count = {trailing} and usual_count >= {USUAL_EVENTS}
                and usage_at >= ?::date and usage_at < ?::date
        )
        select
            watched.event_type,
            strftime(watched.usage_at, '{text_format}') as usage_{unit},
            watched.usual_count,
            watched.event_count,
            min(acknowledged.reason || ' (' || acknowledged.acknowledged_by || ')')
                as acknowledgement
        from watched
        left join pricing.quality_acknowledgements as acknowledged
            on coalesce(acknowledged.event_type, watched.event_type) = watched.event_type
            and watched.usage_at
                >= timezone('UTC', cast(acknowledged.silent_from as timestamptz))
            and watched.usage_at < timezone('UTC', cast(acknowledged.silent_to as timestamptz))
        group by all
        order by watched.event_type, usage_{unit}
        """,
        [first, last],
    ).df()


def _volumes(connection: duckdb.DuckDBPyConnection, period: str) -> "pd.DataFrame":
    return connection.execute(
        """
        with monthly as (
            select event_type, date_trunc('month', usage_day) as usage_month,
                sum(event_count) as event_count
            from quality_daily group by all
        ),
        months_before as (
            select event_type, avg(event_count) as trailing_count
            from monthly
            where usage_month < ?::date and usage_month >= ?::date - interval 3 month
            group by event_type
            -- Of a handful of events, half or twice says nothing.
            having avg(event_count) >= 100
        )
        select
            months_before.event_type,
            coalesce(monthly.event_count, 0)::bigint as event_count,
            months_before.trailing_count,
            coalesce(monthly.event_count, 0) / months_before.trailing_count as ratio
        from months_before
        left join monthly
            on months_before.event_type = monthly.event_type and monthly.usage_month = ?::date
        order by months_before.event_type
        """,
        [f"{period}-01"] * 3,
    ).df()


def _days(connection: duckdb.DuckDBPyConnection, first: date, last: date) -> "pd.DataFrame":
    return connection.execute(
        """
        select strftime(usage_day, '%Y-%m-%d') as usage_day,
            sum(event_count)::bigint as event_count,
            sum(known_count) / sum(event_count) as known_share
        from quality_daily where usage_day >= ? and usage_day < ?
        group by usage_day order by usage_day
        """,
        [first, last],
    ).df()


def _meter_days(
    connection: duckdb.DuckDBPyConnection, first: date, last: date
) -> "pd.DataFrame":
    """Compare each meter's days exactly; six places are enough, and leave room for the sum."""
    return connection.execute(
        f"""
        with totals as (
            select meter_code, usage_date,
                sum(cast(quantity as decimal(38, 6))) as total_quantity,
                count(*) filter (where quantity < 0) as negative_count
            from marts.fct_usage_daily
            where usage_date >= ?::date - interval 28 day and usage_date < ?::date
            group by meter_code, usage_date
        ),
        compared as (
            select *,
                max(total_quantity) over before as greatest_quantity,
                count(*) over before as trailing_count
            from totals
            window before as (
                partition by meter_code order by usage_date
                range between interval 28 day preceding and interval 1 day preceding
            )
        )
        select meter_code, strftime(usage_date, '%Y-%m-%d') as usage_day, negative_count,
            case
                when trailing_count >= {_TRAILING_DAYS} and greatest_quantity > 0
                    and total_quantity > {ABSURD_GROWTH} * greatest_quantity then 1
                else 0
            end as absurd_count
        from compared
        where usage_date >= ?::date
        order by meter_code, usage_day
        """,
        [first, last, first],
    ).df()


def _last_days(connection: duckdb.DuckDBPyConnection, period: str) -> "pd.DataFrame":
    return (
        connection.execute(
            "select greatest(date_diff('day', max(usage_day), month_end) - 1, 0)::bigint"
            " as silent_days from quality_daily,"
            " (select (?::date + interval 1 month)::date as month_end)"
            " where usage_day < month_end group by month_end",
            [f"{period}-01"],
        )
        .df()
        .dropna()
    )


def _span(connection: duckdb.DuckDBPyConnection, period: str) -> tuple[date, date]:
    row = connection.execute(
        """
        select
            least(cast(min(period_from) as date), ?::date),
            greatest(cast(max(period_to) as date), (?::date + interval 1 month)::date)
        from marts.fct_invoices where billing_period = ?
        """,
        [f"{period}-01", f"{period}-01", period],
    ).fetchone()
    assert row is not None  # noqa: S101  an aggregate has one row
    return row[0], row[1]
