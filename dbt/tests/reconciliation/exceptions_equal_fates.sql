-- Every record that was not rated is shown: exceptions = fates other than rated, file by file.
with

fates as (

    select
        load_id,
        source_file,
        fate,
        reason,
        event_count

    from {{ ref('fct_event_fates') }}
    where fate <> 'rated'

),

exceptions as (

    select
        load_id,
        source_file,
        fate,
        reason,
        count(*) as shown_count

    from {{ ref('fct_event_exceptions') }}
    group by load_id, source_file, fate, reason

)

select
    coalesce(fates.source_file, exceptions.source_file) as source_file,
    coalesce(fates.fate, exceptions.fate) as fate,
    coalesce(fates.reason, exceptions.reason) as reason,
    coalesce(fates.event_count, 0) as fate_count,
    coalesce(exceptions.shown_count, 0) as shown_count,
    coalesce(fates.event_count, 0) - coalesce(exceptions.shown_count, 0) as gap_count
from fates
full outer join exceptions
    on fates.load_id = exceptions.load_id
    and fates.source_file = exceptions.source_file
    and fates.fate = exceptions.fate
    and fates.reason = exceptions.reason
where coalesce(fates.event_count, 0) <> coalesce(exceptions.shown_count, 0)
