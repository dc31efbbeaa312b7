-- Grain: one row per first-landed event, with what each meter of its type reads from it side by
-- side (slot 1, 2, ...), its local day and its slice.
-- A view: the incremental models read from it the days they need, in one pass.
{{ config(materialized=unstored_events()) }}
-- depends_on: {{ ref('stg_pricing__meters') }}
{% set meters = with_property_columns(meters_by_event_type(), source('raw', 'usage_events')) %}
{% set slots = range(1, slot_count(meters) + 1) %}
{% set time_types = types_with_time_bands(meters) %}
{% set dimension_numbers = range(1, dimension_count(meters) + 1) %}
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

excluded as (

    select file_id, position, 'repeated' as exclusion from repeats
    union all
    select file_id, position, 'voided' as exclusion from voids

),

standing as (

    select
        events.*,
        cast(events.event_at as date) as event_date,
        excluded.exclusion,
        {{ properties_by_event_type(meters) }} as property_texts

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
        cast({{ case_of_slot(meters, slot, meter_value_text, 'null') }} as string) as value_text_{{ slot }},
        cast({{ case_of_slot(meters, slot, meter_value_integer, 'null') }} as bigint) as value_integer_{{ slot }},
        {{ case_of_slot(meters, slot, meter_needs_value, 'false') }} as needs_value_{{ slot }},
        {{ case_of_slot(meters, slot, meter_is_numeric, 'false') }} as is_numeric_{{ slot }},
        {% endfor %}
        {% for number in dimension_numbers %}
        {{ dimension_text(meters, number) }} as dimension_text_{{ number }}{{ ',' if not loop.last }}
        {% endfor %}

    from standing

),

parsed as (

    select
        *,
        {% for slot in slots %}
        case
            when is_taken_{{ slot }} and is_numeric_{{ slot }}
                then coalesce({{ as_quantity('value_integer_' ~ slot) }}, {{ parse_quantity('value_text_' ~ slot) }})
        end as value_{{ slot }}{{ ',' if not loop.last }}
        {% endfor %}

    from extracted

),

metered as (

    select
        *,
        {% for slot in slots %}
        is_taken_{{ slot }} and not (
            needs_value_{{ slot }} and value_integer_{{ slot }} is null and coalesce(value_text_{{ slot }}, '') = ''
        )
            as is_metered_{{ slot }}{{ ',' if not loop.last }}
        {% endfor %}

    from parsed

),

judged as (

    select
        *,
        case
            when exclusion = 'voided' then 'voided'
            {% for slot in slots %}
            when is_metered_{{ slot }} and is_numeric_{{ slot }}
                and (value_{{ slot }} is null or {{ is_beyond_rounding(meters, slot) }})
                then case
                    when value_integer_{{ slot }} is not null or {{ is_number('value_text_' ~ slot) }} then 'out_of_range'
                    else 'invalid_quantity'
                end
            {% endfor %}
            when ({% for slot in slots %}{{ ' or ' if not loop.first }}is_taken_{{ slot }}{% endfor %})
                and not ({% for slot in slots %}{{ ' or ' if not loop.first }}is_metered_{{ slot }}{% endfor %})
                then 'invalid_quantity'
            else 'standing'
        end as event_state

    from metered

),

placed as (

    select
        judged.*,
        {% for slot in slots %}{{ ' || ' if not loop.first }}case when is_metered_{{ slot }} then ' {{ slot }}' else '' end{% endfor %}
            as taken_slots,
        {{ local_day_of('judged.event_at') }} as usage_date,
        {% if time_types %}
        case
            when judged.event_type in ({{ time_types | join(', ') }})
                then {{ utc_to_local('judged.event_at', zone_at('judged.event_at')) }}
        end as local_event_at,
        {% endif %}
        {{ last_cut('cuts.cut_ats', 'judged.event_at') }} as slice_from_at

    from judged
    left join zones
        on judged.subject = zones.subject
    left join local_days
        on {{ zone_at('judged.event_at') }} = local_days.timezone
        and judged.event_date = local_days.event_date
    left join cuts
        on judged.subject = cuts.subject
        and judged.event_date = cuts.event_date

)

select
    placed.load_id,
    placed.file_id,
    placed.position,
    placed.event_date,
    placed.event_at,
    placed.source,
    placed.event_id,
    placed.subject,
    placed.event_type,
    placed.data,
    placed.event_state,
    case when placed.event_state = 'standing' then placed.taken_slots else '' end as taken_slots,
    placed.usage_date,
    placed.slice_from_at,
    {% for slot in slots %}
    case when placed.event_state = 'standing' and placed.is_metered_{{ slot }} then {{ rounded_value(meters, slot) }} end
        as value_quantity_{{ slot }},
    case when placed.event_state = 'standing' and placed.is_metered_{{ slot }} then coalesce(cast(placed.value_integer_{{ slot }} as string), placed.value_text_{{ slot }}) end
        as value_text_{{ slot }},
    {% endfor %}
    {% for number in dimension_numbers %}
    {{ placed_dimension(meters, number) }} as dimension_text_{{ number }}{{ ',' if not loop.last }}
    {% endfor %}
from placed
