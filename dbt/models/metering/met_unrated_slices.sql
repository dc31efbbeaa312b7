-- Grain: one row per file, UTC day, subject, event type and state, set of meters, dimension values
-- of the event, local day and slice whose events no charge rates, with the fate they have instead.
-- Kept apart because these are few: what is rated need not be told apart any further.
-- Assigned slices are read by name, since DuckDB would copy all of them for a CTE that is read twice.
with

unpriced_segments as (

    select * from {{ ref('met_unpriced_segments') }}

),

unpriced as (

    select assigned.*
    from {{ ref('met_usage_assigned') }} as assigned
    inner join unpriced_segments
        on assigned.subscription_id = unpriced_segments.subscription_id
        and assigned.term_from_at = unpriced_segments.term_from_at
        and assigned.meter_code = unpriced_segments.meter_code
        and assigned.dimension_values = unpriced_segments.dimension_values
        and assigned.first_event_at >= unpriced_segments.first_event_at
        and assigned.first_event_at <= unpriced_segments.last_event_at
    where assigned.slice_fate = 'metered'

),

unpriced_groups as (

    select
        file_id,
        event_date,
        subject,
        event_type,
        event_state,
        taken_slots,
        event_dimensions,
        usage_date,
        slice_from_at,
        count(*) as unpriced_count

    from unpriced
    group by
        file_id, event_date, subject, event_type, event_state, taken_slots, event_dimensions,
        usage_date, slice_from_at

),

-- The meters of one event share all of these, and one that is priced makes the event rated.
unrated as (

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
        'unpriced' as fate,
        sum(assigned.record_count) as record_count

    from {{ ref('met_usage_assigned') }} as assigned
    inner join unpriced_groups
        on assigned.file_id = unpriced_groups.file_id
        and assigned.event_date = unpriced_groups.event_date
        and assigned.subject = unpriced_groups.subject
        and assigned.event_type = unpriced_groups.event_type
        and assigned.event_state = unpriced_groups.event_state
        and assigned.taken_slots = unpriced_groups.taken_slots
        and assigned.event_dimensions = unpriced_groups.event_dimensions
        and assigned.usage_date = unpriced_groups.usage_date
        and coalesce(assigned.slice_from_at, {{ beginning_of_time() }})
        = coalesce(unpriced_groups.slice_from_at, {{ beginning_of_time() }})
    where assigned.slice_fate = 'metered'
    group by
        assigned.file_id, assigned.event_date, assigned.subject, assigned.event_type,
        assigned.event_state, assigned.taken_slots, assigned.event_dimensions,
        assigned.usage_date, assigned.slice_from_at
    having count(*) = max(unpriced_groups.unpriced_count)

    union all

    select
        file_id,
        event_date,
        subject,
        event_type,
        event_state,
        taken_slots,
        event_dimensions,
        usage_date,
        slice_from_at,
        slice_fate as fate,
        sum(record_count) as record_count
    from {{ ref('met_usage_assigned') }}
    where slice_fate <> 'metered'
    group by
        file_id, event_date, subject, event_type, event_state, taken_slots, event_dimensions,
        usage_date, slice_from_at, slice_fate

)

select
    file_id,
    event_date,
    subject,
    event_type,
    event_state,
    taken_slots,
    event_dimensions,
    usage_date,
    slice_from_at,
    fate,
    case when fate = 'rejected' then event_state else '' end as reason,
    cast(record_count as bigint) as record_count
from unrated
