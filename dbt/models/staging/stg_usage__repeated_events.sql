-- Grain: one row per landed event that repeats the source and id of an earlier one, with content.
-- Appended load by load: nothing that landed changes, and finding the content of a few events
-- would read the whole history otherwise.
{{ config(
    materialized='incremental',
    incremental_strategy=appending_loads(),
    partition_by='load_id',
    on_schema_change='fail'
) }}
with

repeats as (

    select * from {{ source('raw', 'repeated_events') }}
    where load_id > {{ last_read_load_id() }}

),

events as (

    select * from {{ source('raw', 'usage_events') }}
    where load_id > {{ last_read_load_id() }}

)

select
    repeats.load_id,
    repeats.file_id,
    repeats.position,
    case when repeats.is_conflict then 'conflicting_duplicate' else 'duplicate' end as fate,
    events.source,
    events.event_id,
    events.event_type,
    events.subject,
    events.event_at,
    events.data
from repeats
inner join events
    on repeats.file_id = events.file_id
    and repeats.position = events.position
