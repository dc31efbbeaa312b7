-- Grain: one row per usage slice, with the term it belongs to, or the reason it has none.
-- No slice straddles a change, so its first event stands for all of them.
-- Incremental by day: a day is assigned anew when it was metered anew, or when a subject with
-- usage in it has other terms now.
{{ config(
    materialized='incremental',
    incremental_strategy=replacing_days(),
    unique_key='event_date',
    partition_by='event_date',
    on_schema_change='fail'
) }}
with

slices as (

    select * from {{ ref('met_usage_slices') }}
    where {{ in_unassigned_days() }}

),

subjects as (

    select * from {{ ref('met_subjects') }}

),

zones as (

    select * from {{ ref('met_subject_zones') }}

),

instants as (

    select distinct
        subject,
        first_event_at

    from slices

),

matched as (

    select
        instants.subject,
        instants.first_event_at,
        -- The terms of one subscription never overlap; several aliases of it may.
        min(subjects.subscription_id) <> max(subjects.subscription_id) as is_ambiguous,
        min(subjects.subscription_id) as subscription_id,
        min(subjects.term_from_at) as term_from_at,
        min(subjects.customer_id) as customer_id

    from instants
    inner join subjects
        on instants.subject = subjects.subject
        and instants.first_event_at >= subjects.from_at
        and instants.first_event_at < subjects.to_at
    group by instants.subject, instants.first_event_at

)

select
    slices.event_date,
    slices.file_id,
    slices.subject,
    slices.event_type,
    slices.event_state,
    slices.taken_slots,
    slices.meter_code,
    slices.dimension_values,
    slices.event_dimensions,
    slices.usage_date,
    slices.first_event_at,
    slices.last_event_at,
    slices.slice_from_at,
    slices.event_count,
    slices.record_count,
    slices.quantity_sum,
    slices.quantity_max,
    case when not matched.is_ambiguous then matched.subscription_id end as subscription_id,
    case when not matched.is_ambiguous then matched.term_from_at end as term_from_at,
    case when not matched.is_ambiguous then matched.customer_id end as customer_id,
    case
        when slices.event_state in ('voided', 'conflicting_duplicate') then slices.event_state
        when slices.event_state <> 'standing' then 'rejected'
        when slices.meter_code is null then 'unmetered'
        when zones.subject is null then 'unknown_subject'
        when matched.subject is null then 'no_active_subscription'
        when matched.is_ambiguous then 'ambiguous_subscription'
        else 'metered'
    end as slice_fate,
    coalesce(zones.subject_hash, '') as subject_hash,
    slices.metering_number,
    cast({{ next_number('assignment_number') }} as bigint)
        as assignment_number
from slices
left join matched
    on slices.subject = matched.subject
    and slices.first_event_at = matched.first_event_at
left join zones
    on slices.subject = zones.subject
