-- Grain: one row per first-landed event and meter that takes it; an event that no meter takes,
-- is voided or cannot be read has one row all the same, so that every record has its fate.
{{ config(materialized=unstored_events()) }}
{% set meters = meters_by_event_type() %}
{% set slots = range(1, slot_count(meters) + 1) %}
with

placed_events as (

    select * from {{ ref('met_placed_events') }}

),

slots as (

    select meter_code, event_type as slot_event_type, meter_slot from {{ ref('stg_pricing__meters') }}

),

metered as (

    select
        placed_events.*,
        {{ taken_meter('placed_events.taken_slots', 'slots.meter_slot', 'slots.meter_code') }}
            as meter_code,
        {{ is_counted_slot('placed_events.taken_slots', 'slots.meter_slot') }} as is_counted,
        {{ slot_value(slots, 'slots.meter_slot', 'placed_events.value_quantity_') }}
            as value_quantity,
        {{ slot_value(slots, 'slots.meter_slot', 'placed_events.value_text_') }} as value_text,
        {{ dimensions_of_slot(meters, 'slots.meter_slot') }} as slot_dimension_values,
        {{ event_dimensions(meters) }} as all_dimension_values

    from placed_events
    left join slots
        on placed_events.event_type = slots.slot_event_type

)

select
    load_id,
    file_id,
    position,
    event_date,
    event_at,
    source,
    event_id,
    subject,
    event_type,
    data,
    event_state,
    reject_detail,
    taken_slots,
    is_counted,
    meter_code,
    case when meter_code is null then '{}' else slot_dimension_values end as dimension_values,
    case when taken_slots = '' then '' else all_dimension_values end as event_dimensions,
    usage_date,
    slice_from_at,
    case when meter_code is not null then value_quantity end as value_quantity,
    case when meter_code is not null then value_text end as value_text
from metered
where meter_code is not null or is_counted
