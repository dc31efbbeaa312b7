-- Grain: one row per file, UTC day, subject, event type, fate and reason.
-- Every landed record is counted once: an event of several meters is rated when any is priced.
with

assigned as (

    select * from {{ ref('met_usage_assigned') }}

),

usage_windows as (

    select * from {{ ref('met_usage_windows') }}

),

periods as (

    select * from {{ ref('met_billing_periods') }}

),

rejected_records as (

    select * from {{ source('raw', 'rejected_records') }}

),

repeated_events as (

    select * from {{ source('raw', 'repeated_events') }}

),

priced_slices as (

    select distinct assigned.slice_key
    from assigned
    inner join usage_windows
        on assigned.subscription_id = usage_windows.subscription_id
        and assigned.term_from_at = usage_windows.term_from_at
        and assigned.meter_code = usage_windows.meter_code
        and assigned.dimension_values = usage_windows.dimension_values
        and assigned.first_event_at >= usage_windows.from_at
        and assigned.first_event_at < usage_windows.to_at
    -- Usage before the first period is in no invoice, so it is not rated either.
    inner join periods
        on assigned.subscription_id = periods.subscription_id
        and assigned.term_from_at = periods.term_from_at
        and assigned.first_event_at >= periods.from_at
        and assigned.first_event_at < periods.to_at
    where assigned.slice_fate = 'metered'

),

-- The meters of one event share file, day, subject, type, slice and set of slots.
groups as (

    select
        assigned.file_id,
        assigned.event_date,
        assigned.subject,
        assigned.event_type,
        assigned.event_state,
        assigned.taken_slots,
        assigned.event_dimensions,
        assigned.usage_date,
        assigned.slice_from_at,
        assigned.slice_fate,
        sum(assigned.record_count) as record_count,
        count(priced_slices.slice_key) as priced_count

    from assigned
    left join priced_slices
        on assigned.slice_key = priced_slices.slice_key
    group by
        assigned.file_id,
        assigned.event_date,
        assigned.subject,
        assigned.event_type,
        assigned.event_state,
        assigned.taken_slots,
        assigned.event_dimensions,
        assigned.usage_date,
        assigned.slice_from_at,
        assigned.slice_fate

),

fates as (

    select
        file_id,
        event_date,
        subject,
        event_type,
        case
            when slice_fate = 'metered' and priced_count > 0 then 'rated'
            when slice_fate = 'metered' then 'unpriced'
            else slice_fate
        end as fate,
        case when slice_fate = 'rejected' then event_state else '' end as reason,
        taken_slots,
        event_dimensions,
        slice_from_at,
        usage_date,
        record_count
    from groups

    union all

    select
        file_id,
        null as event_date,
        null as subject,
        null as event_type,
        'rejected' as fate,
        reason,
        '' as taken_slots,
        '' as event_dimensions,
        null as slice_from_at,
        null as usage_date,
        count(*) as record_count
    from rejected_records
    group by file_id, reason

    union all

    select
        file_id,
        null as event_date,
        null as subject,
        null as event_type,
        case when is_conflict then 'conflicting_duplicate' else 'duplicate' end as fate,
        '' as reason,
        '' as taken_slots,
        '' as event_dimensions,
        null as slice_from_at,
        null as usage_date,
        count(*) as record_count
    from repeated_events
    group by file_id, is_conflict

)

select
    file_id,
    event_date,
    subject,
    event_type,
    taken_slots,
    event_dimensions,
    usage_date,
    slice_from_at,
    fate,
    reason,
    cast(sum(record_count) as bigint) as event_count
from fates
group by
    file_id, event_date, subject, event_type, taken_slots, event_dimensions, usage_date,
    slice_from_at, fate, reason
