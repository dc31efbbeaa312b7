-- Landed = sum of fates, for every usage file: a record without a fate is usage nobody looks
-- for, a record with two is counted twice.
with

landed as (

    select
        load_id,
        source_file,
        sum(record_count) as landed_count

    from {{ source('raw', 'load_files') }}
    where file_kind = 'usage'
    group by load_id, source_file

),

fates as (

    select
        load_id,
        source_file,
        sum(event_count) as fate_count

    from {{ ref('fct_event_fates') }}
    group by load_id, source_file

)

select
    coalesce(landed.load_id, fates.load_id) as load_id,
    coalesce(landed.source_file, fates.source_file) as source_file,
    coalesce(landed.landed_count, 0) as landed_count,
    coalesce(fates.fate_count, 0) as fate_count,
    coalesce(landed.landed_count, 0) - coalesce(fates.fate_count, 0) as gap_count
from landed
full outer join fates
    on landed.load_id = fates.load_id
    and landed.source_file = fates.source_file
where coalesce(landed.landed_count, 0) <> coalesce(fates.fate_count, 0)
