-- Grain: one row per unique value as met_unique_values has it, with the term it belongs to.
-- Only values of usage that one term alone can be billed for.
with

unique_values as (

    select * from {{ ref('met_unique_values') }}

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
            where aggregation = 'unique_count'
        )

)

select
    unique_values.event_date,
    unique_values.subject,
    unique_values.slice_from_at,
    assigned.subscription_id,
    assigned.term_from_at,
    unique_values.meter_code,
    unique_values.dimension_values,
    unique_values.usage_date,
    unique_values.first_event_at,
    unique_values.value_text
from unique_values
inner join assigned
    on unique_values.event_date = assigned.event_date
    and unique_values.subject = assigned.subject
    and unique_values.meter_code = assigned.meter_code
    and unique_values.dimension_values = assigned.dimension_values
    and unique_values.usage_date = assigned.usage_date
    and coalesce(unique_values.slice_from_at, {{ beginning_of_time() }}) = assigned.slice_from_at
