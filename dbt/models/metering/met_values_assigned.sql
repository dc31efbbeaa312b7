-- Grain: one row per event and meter of met_event_values, with the term it belongs to.
-- A level holds until the next event of the same subscription, meter and dimension values, be it
-- in a later period or on another plan; at one instant the last by id holds.
with

event_values as (

    select * from {{ ref('met_event_values') }}

),

assigned as (

    select distinct
        event_date,
        subject,
        meter_code,
        dimension_values,
        usage_date,
        coalesce(slice_from_at, {{ beginning_of_time() }}) as slice_from_at,
        subscription_id,
        term_from_at

    from {{ ref('met_usage_assigned') }}
    where
        slice_fate = 'metered'
        and meter_code in (
            select meter_code
            from {{ ref('stg_pricing__meters') }}
            where keeps_event_values
        )

)

select
    event_values.file_id,
    event_values.position,
    event_values.source,
    event_values.event_id,
    assigned.subscription_id,
    assigned.term_from_at,
    event_values.meter_code,
    event_values.dimension_values,
    event_values.usage_date,
    event_values.event_at,
    coalesce(lead(event_values.event_at) over (
        partition by
            assigned.subscription_id, event_values.meter_code, event_values.dimension_values
        order by
            event_values.event_at, event_values.event_id, event_values.source
    ), {{ end_of_time() }}) as next_event_at,
    event_values.value_quantity
from event_values
inner join assigned
    on event_values.event_date = assigned.event_date
    and event_values.subject = assigned.subject
    and event_values.meter_code = assigned.meter_code
    and event_values.dimension_values = assigned.dimension_values
    and event_values.usage_date = assigned.usage_date
    and coalesce(event_values.slice_from_at, {{ beginning_of_time() }}) = assigned.slice_from_at
