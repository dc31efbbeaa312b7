-- Grain: one row per UTC day, file, subject, event type and state, meter, dimension values,
-- local day and slice: the finest usage that rating ever needs to tell apart.
-- Incremental by day touched: a day is metered anew when something landed in it, was voided in
-- it, or when a slice of it no longer lies within one price, term, period and local day.
{{ config(
    materialized='incremental',
    incremental_strategy=replacing_days(),
    unique_key='event_date',
    partition_by='event_date',
    on_schema_change='append_new_columns'
) }}
-- depends_on: {{ ref('met_unique_values') }}
-- depends_on: {{ ref('met_event_values') }}
{% set meters = meters_by_event_type() %}
{% set summed_slots, largest_slots = slots_of(meters, 'sum'), slots_of(meters, 'max') %}
{% set dimension_numbers = range(1, type_count(meters, 'dimensions', 1) + 1) %}
{% set filter_numbers = range(1, type_count(meters, 'filtered') + 1) %}
with

placed_events as (

    select * from {{ ref('met_placed_events') }}
    where {{ in_touched_days() }}

),

slots as (

    select meter_code, event_type as slot_event_type, meter_slot from {{ ref('stg_pricing__meters') }}

),

day_repeats as ({{ repeats_by_day(ref('stg_usage__repeats')) }}),

event_types as (

    select distinct event_type, event_type_hash, has_time_bands from {{ ref('stg_pricing__meters') }}

),

zones as (

    select * from {{ ref('met_subject_zones') }}

),

watermark as (

    select coalesce(max(load_id), 0) as metered_load_id
    from {{ source('raw', 'load_files') }}

),

-- The events are added up once, for all meters of their type side by side.
grouped as (

    select
        event_date,
        file_id,
        subject,
        event_type,
        event_state,
        taken_slots,
        usage_date,
        slice_from_at,
        {% for number in dimension_numbers %}
        dimension_text_{{ number }},
        {% endfor %}
        {% for slot in summed_slots %}
        {{ exact_sum('value_quantity_' ~ slot, is_filled=true) }} as quantity_sum_{{ slot }},
        {% endfor %}
        {% for slot in largest_slots %}
        max(value_quantity_{{ slot }}) as quantity_max_{{ slot }},
        {% endfor %}
        {% for number in filter_numbers %}
        bool_or(has_filter_property_{{ number }}) as has_filter_property_{{ number }},
        {% endfor %}
        count(*) as event_count,
        min(event_at) as first_event_at,
        max(event_at) as last_event_at

    from placed_events
    group by
        event_date,
        file_id,
        subject,
        event_type,
        event_state,
        taken_slots,
        usage_date,
        slice_from_at{% for number in dimension_numbers %},
        dimension_text_{{ number }}{% endfor %}

),

-- Then told apart by meter.
metered as (

    select
        grouped.*,
        {{ taken_meter('grouped.taken_slots', 'slots.meter_slot', 'slots.meter_code') }}
            as meter_code,
        {{ is_counted_slot('grouped.taken_slots', 'slots.meter_slot') }} as is_counted,
        {{ as_quantity(slot_value(summed_slots, 'slots.meter_slot', 'grouped.quantity_sum_')) }}
            as quantity_sum,
        {{ as_quantity(slot_value(largest_slots, 'slots.meter_slot', 'grouped.quantity_max_')) }}
            as quantity_max,
        {{ dimensions_of_slot(meters, 'slots.meter_slot') }} as slot_dimension_values,
        {{ event_dimensions(meters) }} as all_dimension_values

    from grouped
    left join slots
        on grouped.event_type = slots.slot_event_type

),

described as (

    select
        *,
        case when meter_code is null then '{}' else slot_dimension_values end
            as dimension_values,
        case when taken_slots = '' then '' else all_dimension_values end as event_dimensions

    from metered
    where meter_code is not null or is_counted

),

-- Dimensions that a meter does not have are added up.
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
        event_dimensions,
        usage_date,
        slice_from_at,
        cast(sum(event_count) as bigint) as event_count,
        cast(sum(case when is_counted then event_count else 0 end) as bigint) as record_count,
        {{ exact_sum('case when meter_code is not null then quantity_sum end') }} as quantity_sum,
        {{ as_quantity('max(case when meter_code is not null then quantity_max end)') }}
            as quantity_max,
        {% for number in filter_numbers %}
        bool_or(has_filter_property_{{ number }}) as has_filter_property_{{ number }},
        {% endfor %}
        min(first_event_at) as first_event_at,
        max(last_event_at) as last_event_at

    from described
    group by
        event_date,
        file_id,
        subject,
        event_type,
        event_state,
        taken_slots,
        meter_code,
        dimension_values,
        event_dimensions,
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
    aggregated.event_dimensions,
    aggregated.usage_date,
    aggregated.slice_from_at,
    aggregated.event_count,
    aggregated.record_count,
    aggregated.quantity_sum,
    aggregated.quantity_max,
    aggregated.first_event_at,
    aggregated.last_event_at,
    concat_ws(
        '', ''{% for number in filter_numbers %},
        case when aggregated.has_filter_property_{{ number }} then ' {{ number }}' end
        {%- endfor %}
    ) as filter_properties,
    {{ metered_by('aggregated.first_event_at') }} as event_type_hash,
    watermark.metered_load_id,
    cast({{ next_number('metering_number') }} as bigint) as metering_number
from aggregated
left join event_types
    on aggregated.event_type = event_types.event_type
-- An equality alone, since a condition beside it makes a nested loop of the join.
left join zones
    on case when event_types.has_time_bands then aggregated.subject end = zones.subject
left join day_repeats
    on aggregated.event_date = day_repeats.event_date
cross join watermark
