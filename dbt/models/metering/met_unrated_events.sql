-- Grain: one row per first-landed event that no charge rates, as of the hash of its day.
-- Incremental by day: the events of a day are read again when its unrated usage has changed. Rows
-- of days whose hash is another one by now are left over; readers join met_unrated_days. A column
-- that is added here comes with another form of the hash, so that all days are read again.
{{ config(
    materialized='incremental',
    incremental_strategy=replacing_days(),
    unique_key='event_date',
    partition_by='event_date',
    on_schema_change='append_new_columns'
) }}
with

unrated_slices as (

    select * from {{ ref('met_unrated_slices') }}
    where {{ in_changed_unrated_days() }}

),

unrated_days as (

    select * from {{ ref('met_unrated_days') }}

),

metered_events as (

    select * from {{ ref('met_metered_events') }}
    where
        is_counted
        and {{ in_changed_unrated_days() }}
        and file_id in (select file_id from unrated_slices)

)

select
    metered_events.event_date,
    metered_events.load_id,
    metered_events.file_id,
    metered_events.position,
    unrated_slices.fate,
    unrated_slices.reason,
    metered_events.reject_detail as detail,
    metered_events.source,
    metered_events.event_id,
    metered_events.event_type,
    metered_events.subject,
    metered_events.event_at,
    metered_events.data,
    unrated_days.unrated_hash
from metered_events
inner join unrated_slices
    on metered_events.file_id = unrated_slices.file_id
    and metered_events.event_date = unrated_slices.event_date
    and metered_events.subject = unrated_slices.subject
    and metered_events.event_type = unrated_slices.event_type
    and metered_events.event_state = unrated_slices.event_state
    and metered_events.taken_slots = unrated_slices.taken_slots
    and metered_events.event_dimensions = unrated_slices.event_dimensions
    and metered_events.usage_date = unrated_slices.usage_date
    and coalesce(metered_events.slice_from_at, {{ beginning_of_time() }})
    = coalesce(unrated_slices.slice_from_at, {{ beginning_of_time() }})
inner join unrated_days
    on metered_events.event_date = unrated_days.event_date
