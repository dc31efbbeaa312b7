-- Grain: one row per event that sets a level and span of its subscription, without pauses, in
-- which it holds.
with

levels as (

    select event_values.*
    from {{ ref('met_values_assigned') }} as event_values
    inner join {{ ref('stg_pricing__meters') }} as meters
        on event_values.meter_code = meters.meter_code
    where meters.aggregation = 'time_weighted'

),

active_spans as (

    select * from {{ ref('met_active_spans') }}

)

select
    levels.file_id,
    levels.position,
    active_spans.subscription_id,
    active_spans.term_from_at,
    levels.meter_code,
    levels.dimension_values,
    levels.value_quantity,
    greatest(levels.event_at, active_spans.from_at) as from_at,
    least(levels.next_event_at, active_spans.to_at) as to_at
from levels
inner join active_spans
    on levels.subscription_id = active_spans.subscription_id
    and levels.event_at < active_spans.to_at
    and levels.next_event_at > active_spans.from_at
