-- Grain: one row per UTC month, term, meter, dimension values and segment between two cuts.
-- All that rating has to add up: no price and no period begins or ends inside a segment. As short
-- as the price book, however many days and files the usage came in.
-- Incremental by month: a month is added up anew when a day of it was given to terms anew, or when
-- a cut lies now inside one of its segments or no longer at its start.
{{ config(
    materialized='incremental',
    incremental_strategy=replacing_days(),
    unique_key='event_month',
    partition_by='event_month',
    on_schema_change='fail'
) }}
with

assigned as (

    select
        *,
        cast(date_trunc('month', event_date) as date) as event_month

    from {{ ref('met_usage_assigned') }}
    where {{ in_changed_months() }}

),

months as (

    select
        event_month,
        max(assignment_number) as assignment_number

    from assigned
    group by event_month

),

term_cuts as (

    select
        subscription_id,
        term_from_at,
        {{ sorted_list('cut_at') }} as cut_ats

    from {{ ref('met_term_cuts') }}
    group by subscription_id, term_from_at

),

segmented as (

    select
        assigned.*,
        {{ last_cut('term_cuts.cut_ats', 'assigned.first_event_at') }} as segment_from_at

    from assigned
    left join term_cuts
        on assigned.subscription_id = term_cuts.subscription_id
        and assigned.term_from_at = term_cuts.term_from_at
    where assigned.slice_fate = 'metered'

),

summed as (

    select
        event_month,
        subscription_id,
        term_from_at,
        customer_id,
        meter_code,
        dimension_values,
        segment_from_at,
        min(first_event_at) as first_event_at,
        max(last_event_at) as last_event_at,
        cast(sum(event_count) as bigint) as event_count,
        {{ exact_sum('quantity_sum') }} as quantity_sum,
        {{ as_quantity('max(quantity_max)') }} as quantity_max

    from segmented
    group by
        event_month, subscription_id, term_from_at, customer_id, meter_code, dimension_values,
        segment_from_at

)

select
    months.event_month,
    summed.subscription_id,
    summed.term_from_at,
    summed.customer_id,
    summed.meter_code,
    summed.dimension_values,
    summed.segment_from_at,
    summed.first_event_at,
    summed.last_event_at,
    summed.event_count,
    summed.quantity_sum,
    summed.quantity_max,
    months.assignment_number
from months
-- A month without usage of any term has one row all the same, which takes the place of what it had.
left join summed
    on months.event_month = summed.event_month
