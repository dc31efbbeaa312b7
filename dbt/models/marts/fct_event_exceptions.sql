-- Grain: one row per landed record that was not rated, with where it came from.
{{ config(materialized=unstored_mart()) }}
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

-- Without the rows that are left over from earlier builds.
unrated_events as (

    select unrated_events.*
    from {{ ref('met_unrated_events') }} as unrated_events
    inner join {{ ref('met_unrated_days') }} as unrated_days
        on unrated_events.event_date = unrated_days.event_date
        and unrated_events.unrated_hash = unrated_days.unrated_hash

),

exceptions as (

    select
        file_id,
        position,
        fate,
        reason,
        cast(null as string) as detail,
        source,
        event_id,
        event_type,
        subject,
        event_at,
        data,
        cast(null as string) as raw_text
    from unrated_events

    union all

    select
        file_id,
        position,
        case when is_conflict then 'conflicting_duplicate' else 'duplicate' end as fate,
        '' as reason,
        cast(null as string) as detail,
        source,
        event_id,
        event_type,
        subject,
        event_at,
        data,
        cast(null as string) as raw_text
    from repeated_events

    union all

    select
        file_id,
        position,
        'rejected' as fate,
        reason,
        detail,
        cast(null as string) as source,
        cast(null as string) as event_id,
        cast(null as string) as event_type,
        cast(null as string) as subject,
        cast(null as timestamp) as event_at,
        cast(null as string) as data,
        raw_text
    from rejected_records

)

select
    load_files.load_id,
    load_files.source_file,
    exceptions.position,
    exceptions.fate,
    exceptions.reason,
    exceptions.detail,
    exceptions.source,
    exceptions.event_id,
    exceptions.event_type,
    exceptions.subject,
    exceptions.event_at,
    exceptions.data,
    exceptions.raw_text
from exceptions
inner join load_files
    on exceptions.file_id = load_files.file_id
