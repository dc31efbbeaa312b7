-- Grain: one row per landed record that was not rated, with where it came from.
with

load_files as (

    select * from {{ source('raw', 'load_files') }}

),

rejected_records as (

    select * from {{ source('raw', 'rejected_records') }}

),

repeated_events as (

    select * from {{ source('raw', 'repeated_events') }}

),

events as (

    select * from {{ source('raw', 'usage_events') }}

),

exceptional_groups as (

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
        reason

    from {{ ref('met_event_fates') }}
    where
        event_date is not null
        and fate <> 'rated'

),

-- Only days and files with exceptions are read again.
metered_events as (

    select * from {{ ref('met_metered_events') }}
    where
        is_counted
        and file_id in (select file_id from exceptional_groups)
        and event_date in (select event_date from exceptional_groups)

),

exceptional_events as (

    select
        metered_events.file_id,
        metered_events.position,
        groups.fate,
        groups.reason

    from metered_events
    inner join exceptional_groups as groups
        on metered_events.file_id = groups.file_id
        and metered_events.event_date = groups.event_date
        and metered_events.subject = groups.subject
        and metered_events.event_type = groups.event_type
        and metered_events.taken_slots = groups.taken_slots
        and metered_events.event_dimensions = groups.event_dimensions
        and metered_events.usage_date = groups.usage_date
        and coalesce(metered_events.slice_from_at, {{ beginning_of_time() }})
        = coalesce(groups.slice_from_at, {{ beginning_of_time() }})
        and metered_events.event_state = case
            when groups.fate = 'voided' then 'voided'
            when groups.fate = 'rejected' then groups.reason
            else 'standing'
        end

    union all

    select
        file_id,
        position,
        case when is_conflict then 'conflicting_duplicate' else 'duplicate' end as fate,
        '' as reason
    from repeated_events

)

select
    load_files.load_id,
    load_files.source_file,
    exceptional_events.position,
    exceptional_events.fate,
    exceptional_events.reason,
    cast(null as varchar) as detail,
    events.source,
    events.event_id,
    events.event_type,
    events.subject,
    events.event_at,
    events.data,
    cast(null as varchar) as raw_text
from exceptional_events
inner join events
    on exceptional_events.file_id = events.file_id
    and exceptional_events.position = events.position
inner join load_files
    on exceptional_events.file_id = load_files.file_id

union all

select
    load_files.load_id,
    load_files.source_file,
    rejected_records.position,
    'rejected' as fate,
    rejected_records.reason,
    rejected_records.detail,
    null as source,
    null as event_id,
    null as event_type,
    null as subject,
    null as event_at,
    null as data,
    rejected_records.raw_text
from rejected_records
inner join load_files
    on rejected_records.file_id = load_files.file_id
