-- Grain: one row per first-landed event and meter that takes it; an event that no meter takes,
-- is voided or cannot be read has one row all the same, so that every record has its fate.
-- A view: the incremental models below read from it the days they need, in one pass.
{{ config(materialized='view') }}
{% set meters = meters_by_event_type() %}
{% set slot_count = [1, (meters | map(attribute='slot') | max) if meters else 1] | max %}
{% set slots = range(1, slot_count + 1) %}
with

events as (

    select * from {{ source('raw', 'usage_events') }}

),

repeats as (

    select * from {{ source('raw', 'repeated_events') }}

),

voids as (

    select * from {{ ref('stg_usage__voids') }}

),

zones as (

    select * from {{ ref('met_subject_zones') }}

),

local_days as (

    select * from {{ ref('met_local_days') }}

),

cuts as (

    select * from {{ ref('met_subject_cuts') }}

),

slots as (

    select meter_code, event_type, meter_slot from {{ ref('stg_pricing__meters') }}

),

excluded as (

    select file_id, position, 'repeated' as exclusion from repeats
    union all
    select file_id, position, 'voided' as exclusion from voids

),

standing as (

    select
        events.*,
        cast(events.event_at as date) as event_date,
        excluded.exclusion

    from events
    left join excluded
        on events.file_id = excluded.file_id
        and events.position = excluded.position
    where excluded.exclusion is null or excluded.exclusion = 'voided'

),

-- What each meter of the event's type reads from it, side by side.
extracted as (

    select
        *,
        {% for slot in slots %}
        {{ case_of_slot(meters, slot, meter_filter, 'false') }} as is_taken_{{ slot }},
        {{ case_of_slot(meters, slot, meter_value_text, 'null') }} as value_text_{{ slot }},
        {{ case_of_slot(meters, slot, meter_needs_value, 'false') }} as needs_value_{{ slot }},
        {{ case_of_slot(meters, slot, meter_is_numeric, 'false') }} as is_numeric_{{ slot }},
        {{ case_of_slot(meters, slot, meter_dimensions, "'{}'") }} as dimension_values_{{ slot }}{{ ',' if not loop.last }}
        {% endfor %}

    from standing

),

parsed as (

    select
        *,
        {% for slot in slots %}
        case when is_taken_{{ slot }} and is_numeric_{{ slot }} then {{ parse_quantity('value_text_' ~ slot) }} end
            as value_{{ slot }}{{ ',' if not loop.last }}
        {% endfor %}

    from extracted

),

judged as (

    select
        *,
        {% for slot in slots %}
        is_taken_{{ slot }} and not (needs_value_{{ slot }} and coalesce(value_text_{{ slot }}, '') = '')
            as is_metered_{{ slot }},
        {% endfor %}
        case
            when exclusion = 'voided' then 'voided'
            {% for slot in slots %}
            when is_taken_{{ slot }} and is_numeric_{{ slot }} and value_{{ slot }} is null
                and coalesce(value_text_{{ slot }}, '') <> ''
                then case when {{ is_number('value_text_' ~ slot) }} then 'out_of_range' else 'invalid_quantity' end
            {% endfor %}
            when ({% for slot in slots %}{{ ' or ' if not loop.first }}is_taken_{{ slot }}{% endfor %})
                and not ({% for slot in slots %}{{ ' or ' if not loop.first }}(
                    is_taken_{{ slot }} and not (needs_value_{{ slot }} and coalesce(value_text_{{ slot }}, '') = '')
                ){% endfor %})
                then 'invalid_quantity'
            else 'standing'
        end as event_state

    from parsed

),

placed as (

    select
        judged.*,
        concat({% for slot in slots %}case when is_metered_{{ slot }} then ' {{ slot }}' else '' end{{ ', ' if not loop.last }}{% endfor %})
            as taken_slots,
        case
            {% for slot in slots %}
            when event_state = 'standing' and is_metered_{{ slot }} then {{ slot }}
            {% endfor %}
            else 1
        end as first_slot,
        case
            when judged.event_at < local_days.next_midnight_at then local_days.local_date
            else local_days.next_local_date
        end as usage_date,
        {{ last_cut('cuts.cut_ats', 'judged.event_at') }} as slice_from_at

    from judged
    left join zones
        on judged.subject = zones.subject
    left join local_days
        on coalesce(zones.timezone, 'UTC') = local_days.timezone
        and judged.event_date = local_days.event_date
    left join cuts
        on judged.subject = cuts.subject
        and judged.event_date = cuts.event_date

),

metered as (

    select
        placed.*,
        slots.meter_slot,
        case
            when placed.event_state <> 'standing' then null
            {% for slot in slots %}
            when slots.meter_slot = {{ slot }} and placed.is_metered_{{ slot }} then slots.meter_code
            {% endfor %}
        end as taken_meter_code,
        case slots.meter_slot
            {% for slot in slots %}
            when {{ slot }} then placed.dimension_values_{{ slot }}
            {% endfor %}
        end as slot_dimension_values,
        case slots.meter_slot
            {% for slot in slots %}
            when {{ slot }} then placed.value_text_{{ slot }}
            {% endfor %}
        end as value_text,
        case slots.meter_slot
            {% for slot in slots %}
            when {{ slot }} then {{ rounded_value(meters, slot) }}
            {% endfor %}
        end as value_quantity

    from placed
    left join slots
        on placed.event_type = slots.event_type

)

select
    load_id,
    file_id,
    position,
    event_date,
    event_at,
    subject,
    event_type,
    event_state,
    case when event_state = 'standing' then taken_slots else '' end as taken_slots,
    coalesce(meter_slot, 1) = first_slot as is_counted,
    taken_meter_code as meter_code,
    case when taken_meter_code is null then '{}' else slot_dimension_values end
        as dimension_values,
    usage_date,
    slice_from_at,
    case when taken_meter_code is not null then value_quantity end as value_quantity,
    case when taken_meter_code is not null then value_text end as value_text
from metered
where taken_meter_code is not null or coalesce(meter_slot, 1) = first_slot
