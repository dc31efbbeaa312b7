-- Grain: one row per landed event withdrawn by a correction.
-- Found by hash first, which reads one narrow column of the history, then by identity.
with

corrections as (

    select * from {{ source('raw', 'corrections') }}

),

events as (

    select * from {{ source('raw', 'usage_events') }}

),

voids as (

    select distinct
        source,
        event_id,
        {{ event_hash('source', 'event_id') }} as event_hash

    from corrections
    where lower(action) = 'void'

)

select
    events.file_id,
    events.position,
    events.source,
    events.event_id,
    cast(events.event_at as date) as event_date
from events
inner join voids
    on events.event_hash = voids.event_hash
    and events.source = voids.source
    and events.event_id = voids.event_id
-- Withdrawn is what has the id; where nothing has, all that was rejected under it.
where not exists (
    select 1
    from {{ ref('stg_usage__repeats') }} as repeats
    where
        repeats.file_id = events.file_id
        and repeats.position = events.position
        and repeats.repeat_state in ('duplicate', 'conflicting_duplicate', 'mended')
)
