-- Grain: one row per term, meter, dimension values and local day.
with

assigned as (

    select * from {{ ref('met_usage_assigned') }}

),

meters as (

    select * from {{ ref('stg_pricing__meters') }}

),

unique_values as (

    select * from {{ ref('met_unique_assigned') }}

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

daily as (

    select
        subscription_id,
        term_from_at,
        customer_id,
        meter_code,
        dimension_values,
        usage_date,
        sum(event_count) as event_count,
        {{ as_quantity('sum(quantity_sum)') }} as quantity_sum,
        {{ as_quantity('max(quantity_max)') }} as quantity_max

    from assigned
    where slice_fate = 'metered'
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
    meters.unit,
    case meters.aggregation
        when 'count' then {{ as_quantity('daily.event_count') }}
        when 'sum' then daily.quantity_sum
        when 'max' then daily.quantity_max
        when 'unique_count' then {{ as_quantity('unique_counts.value_count') }}
    end as quantity,
    cast(daily.event_count as bigint) as event_count
from daily
inner join meters
    on daily.meter_code = meters.meter_code
left join unique_counts
    on daily.subscription_id = unique_counts.subscription_id
    and daily.term_from_at = unique_counts.term_from_at
    and daily.meter_code = unique_counts.meter_code
    and daily.dimension_values = unique_counts.dimension_values
    and daily.usage_date = unique_counts.usage_date
