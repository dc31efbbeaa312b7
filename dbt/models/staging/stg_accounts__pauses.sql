-- Grain: one row per pause of a subscription in the newest snapshot.
-- One with a bound that cannot be read is left out: it would hold for ever.
with

load_files as (

    select * from {{ source('raw', 'load_files') }}

),

pauses as (

    select * from {{ source('raw', 'pauses') }}

),

newest as (

    select file_id
    from load_files
    where file_kind = 'pauses'
    order by source_file desc
    limit 1

)

select distinct
    pauses.subscription_id,
    pauses.paused_from,
    nullif(pauses.paused_to, '') as paused_to
from pauses
inner join newest
    on pauses.file_id = newest.file_id
where
    {{ text_to_instant('pauses.paused_from') }} is not null
    and (coalesce(pauses.paused_to, '') = '' or {{ text_to_instant('pauses.paused_to') }} is not null)
