-- Grain: one row per term, billing interval of the plan or of one of its prices, and period.
-- A period is billed in arrears on the invoice of the plan's period in which it ends; a period
-- shorter than the plan's has an invoice of its own. In advance a month is billed on the invoice
-- before its own; a longer period on the one with which it begins, so that nobody pays for two.
-- A period with an invoice of its own that is longer than a month is billed up to the end of the
-- billed month, since its invoice goes out with the month in which it begins.
-- Nothing is billed beyond the horizon: the billed month, the customer's month of the latest
-- usage or the last month issued, whichever is the latest. What is issued has a period whatever
-- is billed, since a period that is not there would be given back.
with

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

latest_usage as (

    select max(event_at) as latest_event_at from {{ source('raw', 'usage_events') }}

),

issued as (

    select
        min(billing_period) as first_issued_period,
        {{ billed_month('max(coalesce(issue_period, billing_period))') }} as billed_month

    from {{ source('ledger', 'issued_invoices') }}

),

intervals as (

    select plan_code, billing_interval from {{ ref('plans') }}
    union
    select plan_code, billing_interval
    from {{ ref('prices') }}
    where coalesce(billing_interval, '') <> ''

),

anchored as (

    select
        terms.subscription_id,
        terms.term_from_at,
        terms.term_to_at,
        terms.timezone,
        terms.billing_anchor,
        terms.last_billing_period,
        terms.is_cut_short,
        issued.first_issued_period,
        issued.billed_month,
        intervals.billing_interval,
        -- In local time: the last evening of a month in UTC is the next month in the east, and
        -- usage without a period would be lost.
        greatest(
            cast(concat(issued.billed_month, '-01') as date),
            coalesce(
                cast(date_trunc(
                    'month', {{ utc_to_local('latest_usage.latest_event_at', 'terms.timezone') }}
                ) as date),
                cast('1970-01-01' as date)
            )
        ) as horizon_month,
        {{ interval_months('intervals.billing_interval') }} as interval_months,
        {{ interval_months('terms.billing_interval') }} as plan_months,
        cast({{ utc_to_local('terms.term_from_at', 'terms.timezone') }} as date)
            as local_start_date

    from terms
    inner join intervals
        on terms.plan_code = intervals.plan_code
    cross join latest_usage
    cross join issued

),

first_periods as (

    select
        *,
        cast(
            case
                when billing_anchor = 'anniversary' then local_start_date
                when billing_interval = 'quarter' then date_trunc('quarter', local_start_date)
                when billing_interval = 'year' then date_trunc('year', local_start_date)
                else date_trunc('month', local_start_date)
            end as date
        ) as anchor_date

    from anchored

),

counted as (

    select
        *,
        -- One more than are billed, since a fee in advance is billed before its period.
        {{ numbers_to('greatest(' ~ months_between('anchor_date', 'horizon_month') ~ ', 0) + 1') }}
            as period_number

    from first_periods
    where anchor_date < {{ add_months('horizon_month', 1) }}

),

dated as (

    select
        *,
        {{ add_months('anchor_date', 'period_number * interval_months') }} as period_from_date,
        {{ add_months('anchor_date', '(period_number + 1) * interval_months') }} as period_to_date

    from counted

),

timed as (

    select
        *,
        {{ local_to_utc('period_from_date', 'timezone') }} as full_from_at,
        {{ local_to_utc('period_to_date', 'timezone') }} as full_to_at

    from dated
    where
        {{ month_text('period_from_date') }} >= '{{ env_var('METERHOUSE_FIRST_PERIOD', '2020-01') }}'
        or {{ month_text('period_from_date') }} >= first_issued_period

),

active as (

    select
        *,
        {{ month_text('greatest(period_from_date, local_start_date)') }} as start_month,
        greatest(full_from_at, term_from_at) as from_at,
        least(full_to_at, term_to_at) as to_at,
        interval_months > 1 and interval_months <= plan_months as is_billed_by_month

    from timed
    where
        full_from_at < term_to_at
        and full_to_at > term_from_at

),

-- Periods longer than the plan's: the invoices of the plan on which they end and begin.
longer as (

    select
        active.subscription_id,
        active.term_from_at,
        active.billing_interval,
        active.period_from_date,
        max(case
            when cycles.from_at < active.to_at and cycles.to_at >= active.to_at
                then cycles.start_month
        end) as end_month,
        max(case
            when cycles.from_at <= active.from_at and cycles.to_at > active.from_at
                then cycles.start_month
        end) as advance_month

    from active
    inner join active as cycles
        on active.subscription_id = cycles.subscription_id
        and active.term_from_at = cycles.term_from_at
        and active.plan_months = cycles.interval_months
    where active.interval_months > active.plan_months
    group by
        active.subscription_id,
        active.term_from_at,
        active.billing_interval,
        active.period_from_date

),

invoiced as (

    select
        active.*,
        least(
            {{ month_text('active.horizon_month') }},
            coalesce(active.last_billing_period, {{ month_text('active.horizon_month') }})
        ) as horizon_text,
        case
            when active.interval_months > active.plan_months then longer.end_month
            else active.start_month
        end as end_month,
        case
            when active.interval_months > active.plan_months then longer.advance_month
            when active.interval_months > 1 then active.start_month
            else coalesce(lag(active.start_month) over (
                partition by
                    active.subscription_id, active.term_from_at, active.billing_interval
                order by active.period_from_date
            ), active.start_month)
        end as advance_month,
        -- The end of the billed month, or of the one in which a draft of later begins.
        case
            when active.is_billed_by_month
                then {{ local_to_utc(add_months("cast(concat(greatest(active.billed_month,
                    active.start_month), '-01') as date)", 1), 'active.timezone') }}
            else {{ end_of_time() }}
        end as month_to_at

    from active
    left join longer
        on active.subscription_id = longer.subscription_id
        and active.term_from_at = longer.term_from_at
        and active.billing_interval = longer.billing_interval
        and active.period_from_date = longer.period_from_date

)

select
    subscription_id,
    term_from_at,
    billing_interval,
    case when end_month <= horizon_text then end_month end as billing_period,
    case when advance_month <= horizon_text then advance_month end as advance_billing_period,
    period_from_date,
    period_to_date,
    {{ days_between('period_from_date', 'period_to_date') }} as period_day_count,
    full_from_at,
    full_to_at,
    from_at,
    to_at,
    is_billed_by_month,
    least(to_at, month_to_at) as billed_to_at,
    -- What is owed for all of a period waits for its end, for ever where a subscription has left
    -- the snapshots before.
    to_at <= month_to_at
    and not (is_billed_by_month and is_cut_short and to_at < full_to_at) as has_ended
from invoiced
where
    end_month <= horizon_text
    or advance_month <= horizon_text
