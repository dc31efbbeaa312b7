"""What the quality suites look at, as small frames of counts aggregated in SQL.

What belongs here: queries over metering tables, by billing period. Quantities and money do not
leave SQL here: a pandas column would make binary numbers of them.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import duckdb

if TYPE_CHECKING:
    import pandas as pd

# A day without events is an outage when each of the seven days before had this many: with
# fewer, silence is something that customers do. Source: DECISIONS.md, "Silence is an outage".
USUAL_EVENTS_A_DAY = 20
_TRAILING_DAYS = 7


@dataclass(frozen=True)
class UsageFrames:
    """Frames of one billing period.

    ``watched_days``: event_type, usage_day, usual_count (smallest daily count of the week
    before), event_count; only days on which usage is expected.
    ``volumes``: event_type, event_count, trailing_count (mean of up to three months before),
    ratio; only types that have a trailing month.
    ``days``: usage_day, event_count, known_share (of usable events, by known subject).
    ``last_days``: one row: silent_days, whole days without any usage before the period's end.
    """

    watched_days: "pd.DataFrame"
    volumes: "pd.DataFrame"
    days: "pd.DataFrame"
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
    watched = connection.execute(
        f"""
        with spans as (
            select
                daily.event_type,
                min(daily.usage_day) as first_day,
                -- The newest day is still filling up; it says nothing yet.
                (select max(usage_day) from quality_daily) as newest_day
            from quality_daily as daily
            group by daily.event_type
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
        every_day as (
            select
                event_type,
                unnest(generate_series(
                    cast(first_day as timestamp),
                    cast(newest_day as timestamp) - interval 1 day,
                    interval 1 day
                )) as midnight
            from spans
        ),
        calendar as (
            select every_day.event_type, cast(every_day.midnight as date) as usage_day
            from every_day
            left join active_until on every_day.event_type = active_until.event_type
            where active_until.ended_at is null or every_day.midnight < active_until.ended_at
        ),
        counted as (
            select calendar.event_type, calendar.usage_day,
                coalesce(daily.event_count, 0) as event_count
            from calendar
            left join quality_daily as daily
                on calendar.event_type = daily.event_type
                and calendar.usage_day = daily.usage_day
        ),
        usual as (
            select *,
                min(event_count) over before as usual_count,
                count(*) over before as trailing_days
            from counted
            window before as (
                partition by event_type order by usage_day
                rows between {_TRAILING_DAYS} preceding and 1 preceding
            )
        )
        select
            event_type,
            strftime(usage_day, '%Y-%m-%d') as usage_day,
            usual_count,
            event_count
        from usual
        where trailing_days = {_TRAILING_DAYS} and usual_count >= {USUAL_EVENTS_A_DAY}
            and usage_day >= ? and usage_day < ?
        order by event_type, usage_day
        """,
        [first, last],
    ).df()
    volumes = connection.execute(
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
    days = connection.execute(
        """
        select strftime(usage_day, '%Y-%m-%d') as usage_day,
            sum(event_count)::bigint as event_count,
            sum(known_count) / sum(event_count) as known_share
        from quality_daily where usage_day >= ? and usage_day < ?
        group by usage_day order by usage_day
        """,
        [first, last],
    ).df()
    last_days = connection.execute(
        "select greatest(date_diff('day', max(usage_day), month_end) - 1, 0)::bigint"
        " as silent_days from quality_daily,"
        " (select (?::date + interval 1 month)::date as month_end)"
        " where usage_day < month_end group by month_end",
        [f"{period}-01"],
    ).df()
    return UsageFrames(watched, volumes, days, last_days.dropna())


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
