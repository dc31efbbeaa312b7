-- Grain: one row per subscription, meter, dimension values and day of the customer.
{{ config(materialized=unstored_mart()) }}
with

-- Without the rows that are left over from earlier builds.
usage_daily as (

    select usage_daily.*
    from {{ ref('met_usage_daily') }} as usage_daily
    inner join {{ ref('met_usage_days') }} as usage_days
        on usage_daily.usage_date = usage_days.usage_date
        and usage_daily.assignment_number = usage_days.assignment_number
        and usage_daily.slice_count = usage_days.slice_count

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

-- What holds on a day is usage of it, with or without an event.
levels as (

    select
        level_daily.usage_date,
        terms.customer_id,
        level_daily.subscription_id,
        level_daily.meter_code,
        level_daily.dimension_values,
        level_daily.quantity,
        0 as event_count

    from {{ ref('met_level_daily') }} as level_daily
    inner join terms
        on level_daily.subscription_id = terms.subscription_id
        and level_daily.term_from_at = terms.term_from_at

),

shown as (

    select
        usage_date,
        customer_id,
        subscription_id,
        meter_code,
        dimension_values,
        quantity,
        event_count
    from usage_daily
    union all
    select
        usage_date,
        customer_id,
        subscription_id,
        meter_code,
        dimension_values,
        quantity,
        event_count
    from levels

),

summed as (

    select
        usage_date,
        customer_id,
        subscription_id,
        meter_code,
        dimension_values,
        {{ exact_sum('quantity') }} as metered_quantity,
        cast(sum(event_count) as bigint) as event_count

    from shown
    group by usage_date, customer_id, subscription_id, meter_code, dimension_values

)

select
    summed.usage_date,
    summed.customer_id,
    summed.subscription_id,
    summed.meter_code,
    summed.dimension_values,
    meters.unit,
    {{ quotient(try_quantity('summed.metered_quantity', 'meters.unit_factor'), 'meters.unit_divisor') }}
        as quantity,
    summed.event_count
from summed
inner join {{ ref('stg_pricing__meters') }} as meters
    on summed.meter_code = meters.meter_code
