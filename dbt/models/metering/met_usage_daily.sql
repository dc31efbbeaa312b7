-- Grain: one row per term, meter, dimension values and local day with usage.
-- Incremental by local day: a day is counted anew when usage came to it or left it. Rows of days
-- whose number or count of slices is another one by now are left over; readers join met_usage_days.
-- The quantity of a level (time_weighted) is not here: it changes on days without usage too.
{{ config(
    materialized='incremental',
    incremental_strategy=replacing_days(),
    unique_key='usage_date',
    partition_by='usage_date',
    on_schema_change='fail'
) }}
with

assigned as (

    select * from {{ ref('met_usage_assigned') }}
    where
        slice_fate = 'metered'
        and {{ in_changed_usage_dates() }}

),

days as (

    select * from {{ ref('met_usage_days') }}

),

meters as (

    select * from {{ ref('stg_pricing__meters') }}

),

unique_values as (

    select * from {{ ref('met_unique_assigned') }}
    where {{ in_changed_usage_dates() }}

),

unique_counts as (

    select
        subscription_id,
        term_from_at,
        meter_code,
        dimension_values,
        usage_date,
        count(distinct value_text) as value_count

    from unique_values
    group by subscription_id, term_from_at, meter_code, dimension_values, usage_date

),

event_values as (

    select * from {{ ref('met_values_assigned') }}
    where {{ in_changed_usage_dates() }}

),

ranked_values as (

    select
        *,
        count(*) over (
            partition by subscription_id, term_from_at, meter_code, dimension_values, usage_date
        ) as value_count,
        row_number() over (
            partition by subscription_id, term_from_at, meter_code, dimension_values, usage_date
            order by value_quantity
        ) as value_rank,
        row_number() over (
            partition by subscription_id, term_from_at, meter_code, dimension_values, usage_date
            order by event_at desc, event_id desc, source desc
        ) as recency

    from event_values

),

daily_values as (

    select
        subscription_id,
        term_from_at,
        meter_code,
        dimension_values,
        usage_date,
        min(value_quantity) as lowest_quantity,
        max(case when recency = 1 then value_quantity end) as last_quantity,
        min(case when value_rank * 100 >= value_count * 95 then value_quantity end)
            as percentile_quantity

    from ranked_values
    group by subscription_id, term_from_at, meter_code, dimension_values, usage_date

),

daily as (

    select
        subscription_id,
        term_from_at,
        customer_id,
        meter_code,
        dimension_values,
        usage_date,
        sum(event_count) as event_count,
        {{ exact_sum('quantity_sum') }} as quantity_sum,
        {{ as_quantity('max(quantity_max)') }} as quantity_max

    from assigned
    group by
        subscription_id, term_from_at, customer_id, meter_code, dimension_values, usage_date

)

select
    daily.subscription_id,
    daily.term_from_at,
    daily.customer_id,
    daily.meter_code,
    daily.dimension_values,
    daily.usage_date,
    case meters.aggregation
        when 'count' then {{ as_quantity('daily.event_count') }}
        when 'sum' then daily.quantity_sum
        when 'max' then daily.quantity_max
        when 'unique_count' then {{ as_quantity('unique_counts.value_count') }}
        when 'min' then daily_values.lowest_quantity
        when 'latest' then daily_values.last_quantity
        when 'percentile_95' then daily_values.percentile_quantity
        when 'time_weighted' then {{ as_quantity('0') }}
    end as quantity,
    cast(daily.event_count as bigint) as event_count,
    days.assignment_number,
    days.slice_count
from daily
inner join meters
    on daily.meter_code = meters.meter_code
left join unique_counts
    on daily.subscription_id = unique_counts.subscription_id
    and daily.term_from_at = unique_counts.term_from_at
    and daily.meter_code = unique_counts.meter_code
    and daily.dimension_values = unique_counts.dimension_values
    and daily.usage_date = unique_counts.usage_date
left join daily_values
    on daily.subscription_id = daily_values.subscription_id
    and daily.term_from_at = daily_values.term_from_at
    and daily.meter_code = daily_values.meter_code
    and daily.dimension_values = daily_values.dimension_values
    and daily.usage_date = daily_values.usage_date
inner join days
    on daily.usage_date = days.usage_date
