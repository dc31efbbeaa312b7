-- Grain: one row per UTC day, file, subject, event type and state, meter, dimension values,
-- local day and slice: the finest usage that rating ever needs to tell apart.
-- Incremental by day touched: a day is metered anew when something landed in it, was voided in
-- it, or when a slice of it no longer lies within one price, term, period and local day.
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key='event_date',
    on_schema_change='fail'
) }}
-- depends_on: {{ ref('met_unique_values') }}
with

metered_events as (

    select * from {{ ref('met_metered_events') }}
    where {{ in_touched_days() }}

),

event_types as (

    select distinct event_type, event_type_hash from {{ ref('stg_pricing__meters') }}

),

watermark as (

    select coalesce(max(load_id), 0) as metered_load_id
    from {{ source('raw', 'load_files') }}

),

aggregated as (

    select
        event_date,
        file_id,
        subject,
        event_type,
        event_state,
        taken_slots,
        meter_code,
        dimension_values,
        usage_date,
        slice_from_at,
        count(*) as event_count,
        count(case when is_counted then 1 end) as record_count,
        {{ as_quantity('sum(value_quantity)') }} as quantity_sum,
        {{ as_quantity('max(value_quantity)') }} as quantity_max,
        min(event_at) as first_event_at,
        max(event_at) as last_event_at

    from metered_events
    group by
        event_date,
        file_id,
        subject,
        event_type,
        event_state,
        taken_slots,
        meter_code,
        dimension_values,
        usage_date,
        slice_from_at

)

select
    aggregated.event_date,
    aggregated.file_id,
    aggregated.subject,
    aggregated.event_type,
    aggregated.event_state,
    aggregated.taken_slots,
    aggregated.meter_code,
    aggregated.dimension_values,
    aggregated.usage_date,
    aggregated.slice_from_at,
    aggregated.event_count,
    aggregated.record_count,
    aggregated.quantity_sum,
    aggregated.quantity_max,
    aggregated.first_event_at,
    aggregated.last_event_at,
    coalesce(event_types.event_type_hash, '') as event_type_hash,
    watermark.metered_load_id
from aggregated
left join event_types
    on aggregated.event_type = event_types.event_type
cross join watermark
