-- Grain: one row per term and billing period, up to the horizon.
-- The horizon is the billed month or the customer's month of the latest usage, whichever is later.
with

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

latest_usage as (

    select max(event_at) as latest_event_at from {{ source('raw', 'usage_events') }}

),

anchored as (

    select
        terms.*,
        -- In local time: the last evening of a month in UTC is the next month in the east, and
        -- usage without a period would be lost.
        greatest(
            cast('{{ var("billing_period") }}-01' as date),
            coalesce(
                cast(date_trunc(
                    'month', {{ utc_to_local('latest_usage.latest_event_at', 'terms.timezone') }}
                ) as date),
                cast('1970-01-01' as date)
            )
        ) as horizon_month,
        case billing_interval when 'quarter' then 3 when 'year' then 12 else 1 end
            as interval_months,
        cast({{ utc_to_local('term_from_at', 'timezone') }} as date) as local_start_date

    from terms
    cross join latest_usage

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
        {{ numbers_to('greatest(' ~ months_between('anchor_date', 'horizon_month') ~ ', 0)') }}
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
    where {{ month_text('period_from_date') }} >= '{{ var("first_period") }}'

)

select
    subscription_id,
    term_from_at,
    {{ month_text('period_from_date') }} as billing_period,
    period_from_date,
    period_to_date,
    {{ days_between('period_from_date', 'period_to_date') }} as period_day_count,
    full_from_at,
    full_to_at,
    greatest(full_from_at, term_from_at) as from_at,
    least(full_to_at, term_to_at) as to_at
from timed
where
    period_from_date < {{ add_months('horizon_month', 1) }}
    and full_from_at < term_to_at
    and full_to_at > term_from_at
