-- Grain: one row per event and meter that is billed by single values: the lowest, the last, a
-- level held over time, a percentile, or a price with amounts per event. Sums of days are kept
-- elsewhere, and no other meter has rows here.
-- Metered anew on the same days as met_usage_slices, which therefore runs after this model.
{{ config(
    materialized='incremental',
    incremental_strategy=replacing_days(),
    unique_key='event_date',
    partition_by='event_date',
    on_schema_change='fail'
) }}
with

metered_events as (

    select * from {{ ref('met_metered_events') }}
    where
        {{ in_touched_days() }}
        and event_type in (
            select event_type
            from {{ ref('stg_pricing__meters') }}
            where keeps_event_values
        )

),

kept_meters as (

    select meter_code
    from {{ ref('stg_pricing__meters') }}
    where keeps_event_values

)

select
    metered_events.event_date,
    metered_events.file_id,
    metered_events.position,
    metered_events.source,
    metered_events.event_id,
    metered_events.subject,
    metered_events.meter_code,
    metered_events.dimension_values,
    metered_events.usage_date,
    metered_events.slice_from_at,
    metered_events.event_at,
    metered_events.value_quantity
from metered_events
inner join kept_meters
    on metered_events.meter_code = kept_meters.meter_code
where metered_events.value_quantity is not null
