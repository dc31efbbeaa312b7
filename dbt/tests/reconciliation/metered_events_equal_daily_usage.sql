-- Metered = shown per day: what fct_usage_daily counts is what the slices of metered usage hold,
-- meter by meter. A day without a quantity is one whose sum does not fit.
with

metered as (

    select
        subscription_id,
        meter_code,
        sum(event_count) as metered_count

    from {{ ref('met_usage_assigned') }}
    where slice_fate = 'metered'
    group by subscription_id, meter_code

),

daily as (

    select
        subscription_id,
        meter_code,
        sum(event_count) as daily_count

    from {{ ref('fct_usage_daily') }}
    group by subscription_id, meter_code

)

select
    coalesce(metered.subscription_id, daily.subscription_id) as subscription_id,
    coalesce(metered.meter_code, daily.meter_code) as meter_code,
    coalesce(metered.metered_count, 0) - coalesce(daily.daily_count, 0) as gap_count
from metered
full outer join daily
    on metered.subscription_id = daily.subscription_id
    and metered.meter_code = daily.meter_code
where coalesce(metered.metered_count, 0) <> coalesce(daily.daily_count, 0)

union all

select
    daily.subscription_id,
    daily.meter_code,
    daily.event_count as gap_count
from {{ ref('fct_usage_daily') }} as daily
inner join {{ ref('stg_pricing__meters') }} as meters
    on daily.meter_code = meters.meter_code
where
    daily.quantity is null
    and meters.aggregation not in ('sum', 'time_weighted')
