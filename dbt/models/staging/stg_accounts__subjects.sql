-- Grain: one row per subject alias and span of validity.
-- A span with a bound that cannot be read is left out: without it the alias would hold for ever.
with

load_files as (

    select * from {{ source('raw', 'load_files') }}

),

subjects as (

    select * from {{ source('raw', 'subjects') }}

),

newest as (

    select file_id
    from load_files
    where file_kind = 'subjects'
    order by source_file desc
    limit 1

)

select distinct
    subjects.subject,
    subjects.subscription_id,
    nullif(subjects.valid_from, '') as valid_from,
    nullif(subjects.valid_to, '') as valid_to
from subjects
inner join newest
    on subjects.file_id = newest.file_id
where
    (coalesce(subjects.valid_from, '') = '' or {{ text_to_instant('subjects.valid_from') }} is not null)
    and (coalesce(subjects.valid_to, '') = '' or {{ text_to_instant('subjects.valid_to') }} is not null)
