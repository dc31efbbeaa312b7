-- Grain: one row per UTC day, subject, unique_count meter, dimension values, local day, slice
-- and value seen. Kept, since a count of different values cannot be added up over days.
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
            where aggregation = 'unique_count'
        )

),

unique_meters as (

    select meter_code
    from {{ ref('stg_pricing__meters') }}
    where aggregation = 'unique_count'

)

select
    metered_events.event_date,
    metered_events.subject,
    metered_events.meter_code,
    metered_events.dimension_values,
    metered_events.usage_date,
    metered_events.slice_from_at,
    metered_events.value_text,
    min(metered_events.event_at) as first_event_at
from metered_events
inner join unique_meters
    on metered_events.meter_code = unique_meters.meter_code
group by
    metered_events.event_date,
    metered_events.subject,
    metered_events.meter_code,
    metered_events.dimension_values,
    metered_events.usage_date,
    metered_events.slice_from_at,
    metered_events.value_text
