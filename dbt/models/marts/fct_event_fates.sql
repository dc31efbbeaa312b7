-- Grain: one row per source file, fate and reason.
with

fates as (

    select * from {{ ref('met_event_fates') }}

),

load_files as (

    select * from {{ source('raw', 'load_files') }}

)

select
    load_files.load_id,
    load_files.source_file,
    fates.fate,
    fates.reason,
    cast(sum(fates.event_count) as bigint) as event_count
from fates
inner join load_files
    on fates.file_id = load_files.file_id
group by load_files.load_id, load_files.source_file, fates.fate, fates.reason
