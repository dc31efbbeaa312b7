-- Grain: one row per usage slice, with the term it belongs to, or the reason it has none.
-- No slice straddles a change, so its first event stands for all of them.
with

slices as (

    select * from {{ ref('met_usage_slices') }}

),

subjects as (

    select * from {{ ref('met_subjects') }}

),

zones as (

    select * from {{ ref('met_subject_zones') }}

),

keyed as (

    select
        *,
        row_number() over (
            order by
                event_date, file_id, subject, event_type, event_state, taken_slots, meter_code,
                dimension_values, event_dimensions, usage_date, slice_from_at
        ) as slice_key

    from slices

),

matched as (

    select
        keyed.slice_key,
        count(*) as term_count,
        min(subjects.subscription_id) as subscription_id,
        min(subjects.term_from_at) as term_from_at,
        min(subjects.customer_id) as customer_id

    from keyed
    inner join subjects
        on keyed.subject = subjects.subject
        and keyed.first_event_at >= subjects.from_at
        and keyed.first_event_at < subjects.to_at
    group by keyed.slice_key

)

select
    keyed.slice_key,
    keyed.event_date,
    keyed.file_id,
    keyed.subject,
    keyed.event_type,
    keyed.event_state,
    keyed.taken_slots,
    keyed.meter_code,
    keyed.dimension_values,
    keyed.event_dimensions,
    keyed.usage_date,
    keyed.first_event_at,
    keyed.slice_from_at,
    keyed.event_count,
    keyed.record_count,
    keyed.quantity_sum,
    keyed.quantity_max,
    case when matched.term_count = 1 then matched.subscription_id end as subscription_id,
    case when matched.term_count = 1 then matched.term_from_at end as term_from_at,
    case when matched.term_count = 1 then matched.customer_id end as customer_id,
    case
        when keyed.event_state = 'voided' then 'voided'
        when keyed.event_state <> 'standing' then 'rejected'
        when keyed.meter_code is null then 'unmetered'
        when zones.subject is null then 'unknown_subject'
        when matched.term_count is null then 'no_active_subscription'
        when matched.term_count > 1 then 'ambiguous_subscription'
        else 'metered'
    end as slice_fate
from keyed
left join matched
    on keyed.slice_key = matched.slice_key
left join zones
    on keyed.subject = zones.subject
