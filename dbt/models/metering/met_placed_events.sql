-- Grain: one row per landed event that says something new under its id, with what each meter of its type reads from it side by
-- side (slot 1, 2, ...), its local day and its slice.
-- A view: the incremental models read from it the days they need, in one pass.
{{ config(materialized=unstored_events()) }}
-- depends_on: {{ ref('stg_pricing__meters') }}
{% set meters = with_property_columns(meters_by_event_type(), source('raw', 'usage_events')) %}
{% set slots = range(1, slot_count(meters) + 1) %}
{% set timed_meters = meters | selectattr('slot', 'equalto', 1) | selectattr('has_time_bands') | list %}
{% set dimension_numbers = range(1, type_count(meters, 'dimensions', 1) + 1) %}
with

events as (

    select * from {{ source('raw', 'usage_events') }}

),

repeats as (

    select * from {{ ref('stg_usage__repeats') }}
    where repeat_state in ('duplicate', 'conflicting_duplicate')

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

    -- What may have its id by other meters stays, so that no day of it is ever left without a row,
    -- which could not take the place of those that it had.
    select
        file_id,
        position,
        case when has_new_content then 'conflicting_duplicate' else 'repeated' end as exclusion
    from repeats
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
    where excluded.exclusion is null or excluded.exclusion <> 'repeated'

),

judged as ({{ judged_events(meters, 'standing') }}),

placed as (

    select
        judged.*,
        coalesce(judged.exclusion, judged.reject_reason, 'standing') as event_state,
        {{ local_day_of('judged.event_at') }} as usage_date,
        {% if timed_meters %}
        case
            when judged.event_type in ({% for meter in timed_meters %}{{ ', ' if not loop.first }}{{ sql_text(meter.event_type) }}{% endfor %})
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
    case when placed.exclusion is null then placed.reject_detail end as reject_detail,
    case
        when placed.event_state = 'standing'
            then {% for slot in slots %}{{ ' || ' if not loop.first }}case when {{ taken_in_time(meters, slot) }} then ' {{ slot }}' else '' end{% endfor %}

        else ''
    end as taken_slots,
    placed.usage_date,
    placed.slice_from_at,
    {% for slot in slots %}
    case when placed.event_state = 'standing' and {{ taken_in_time(meters, slot) }} then {{ rounded_value(meters, slot) }} end
        as value_quantity_{{ slot }},
    case when placed.event_state = 'standing' and {{ taken_in_time(meters, slot) }} then coalesce(cast(placed.value_integer_{{ slot }} as string), placed.value_text_{{ slot }}) end
        as value_text_{{ slot }},
    {% endfor %}
    {% for number in range(1, type_count(meters, 'filtered') + 1) %}
    placed.has_filter_property_{{ number }},
    {% endfor %}
    {% for number in dimension_numbers %}
    {{ placed_dimension(meters, number) }} as dimension_text_{{ number }}{{ ',' if not loop.last }}
    {% endfor %}
from placed
