-- Grain: one row per UTC day to be metered anew. The state is the metered table itself: days with
-- newer loads, days whose voids differ, days cut differently now, days of changed meters, days in
-- which other events have their id now.
-- Empty on a first build, which meters every day. One model, so that the history is asked once
-- for all that is metered by day.
{% set slices = source('metered_before', 'met_usage_slices') %}
{% set first_cut = last_cut('cuts.cut_ats', 'slices.first_event_at') %}
{% set final_cut = last_cut('cuts.cut_ats', 'slices.last_event_at') %}
-- depends_on: {{ ref('met_subject_zones') }}
-- depends_on: {{ ref('met_local_days') }}
-- depends_on: {{ ref('met_subject_cuts') }}
-- depends_on: {{ ref('stg_usage__repeats') }}
-- depends_on: {{ ref('stg_pricing__meters') }}
-- depends_on: {{ source('raw', 'usage_events') }}
{% if not execute or not is_built(['met_usage_slices']) %}

select cast('1970-01-01' as date) as event_date
from {{ ref('stg_usage__voids') }}
where 1 = 0

{% else %}
-- Slices are read by name, since DuckDB would copy all of them for a CTE that is read twice.
with

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

day_repeats as ({{ repeats_by_day(ref('stg_usage__repeats')) }}),

event_types as (

    select distinct event_type, event_type_hash, has_time_bands from {{ ref('stg_pricing__meters') }}

),

void_counts as (

    select event_date, count(*) as voided_count, 0 as metered_count
    from voids
    group by event_date
    union all
    select event_date, 0 as voided_count, sum(record_count) as metered_count
    from {{ slices }}
    where event_state = 'voided'
    group by event_date

),

-- Where a slice lies is told by its two ends, so these decide whether it is cut as it should be.
cut_slices as (

    select
        slices.event_date,
        slices.usage_date,
        slices.event_type_hash,
        coalesce(slices.slice_from_at, {{ beginning_of_time() }}) as slice_from_at,
        coalesce({{ first_cut }}, {{ beginning_of_time() }}) as first_cut_at,
        coalesce({{ final_cut }}, {{ beginning_of_time() }}) as final_cut_at,
        {{ local_day_of('slices.first_event_at') }} as first_local_date,
        {{ local_day_of('slices.last_event_at') }} as last_local_date,
        {{ metered_by('slices.first_event_at') }} as event_type_hash_now

    from {{ slices }} as slices
    left join zones
        on slices.subject = zones.subject
    left join local_days
        on {{ zone_at('slices.first_event_at') }} = local_days.timezone
        and slices.event_date = local_days.event_date
    left join cuts
        on slices.subject = cuts.subject
        and slices.event_date = cuts.event_date
    left join event_types
        on slices.event_type = event_types.event_type
    left join day_repeats
        on slices.event_date = day_repeats.event_date

)

{{ days_with_news(source('raw', 'usage_events'), slices) }}
union
select event_date
from void_counts
group by event_date
having sum(voided_count) <> sum(metered_count)
union
select event_date
from day_repeats
where event_date not in (select event_date from {{ slices }})
union
select distinct event_date
from cut_slices
where
    event_type_hash <> event_type_hash_now
    or slice_from_at <> first_cut_at
    or slice_from_at <> final_cut_at
    or usage_date <> first_local_date
    or usage_date <> last_local_date
{% endif %}
