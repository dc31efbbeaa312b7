-- Grain: one row per file, UTC day, event type, fate and reason.
-- Every landed record is counted once: what was metered and is not in met_unrated_slices is rated.
with

assigned as (

    select * from {{ ref('met_usage_assigned') }}

),

unrated_slices as (

    select * from {{ ref('met_unrated_slices') }}

),

rejected_records as (

    select * from {{ source('raw', 'rejected_records') }}

),

repeats as (

    select * from {{ ref('stg_usage__repeats') }}
    where not has_new_content

),

fates as (

    select
        file_id,
        event_date,
        event_type,
        'rated' as fate,
        '' as reason,
        sum(record_count) as record_count
    from assigned
    where slice_fate = 'metered'
    group by file_id, event_date, event_type

    union all

    select
        file_id,
        event_date,
        event_type,
        'rated' as fate,
        '' as reason,
        -record_count as record_count
    from unrated_slices
    where fate = 'unpriced'

    union all

    select
        file_id,
        event_date,
        event_type,
        fate,
        reason,
        record_count
    from unrated_slices

    union all

    select
        file_id,
        null as event_date,
        null as event_type,
        'rejected' as fate,
        reason,
        count(*) as record_count
    from rejected_records
    group by file_id, reason

    union all

    select
        file_id,
        null as event_date,
        null as event_type,
        repeat_state as fate,
        '' as reason,
        count(*) as record_count
    from repeats
    group by file_id, repeat_state

)

select
    file_id,
    event_date,
    event_type,
    fate,
    reason,
    cast(sum(record_count) as bigint) as event_count
from fates
group by file_id, event_date, event_type, fate, reason
having sum(record_count) <> 0
