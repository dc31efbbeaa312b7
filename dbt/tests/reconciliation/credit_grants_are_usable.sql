-- Every grant of the newest snapshot can be used; one that cannot would be credit that a
-- customer paid for and never gets.
{{ config(severity='warn') }}
select
    credit_grants.grant_id,
    'the amount, a date, the currency or the customer of the grant is not known' as finding
from {{ source('raw', 'credit_grants') }} as credit_grants
inner join (
    select file_id
    from {{ source('raw', 'load_files') }}
    where file_kind = 'credit_grants'
    order by source_file desc
    limit 1
) as newest
    on credit_grants.file_id = newest.file_id
left join {{ ref('stg_accounts__credit_grants') }} as usable
    on credit_grants.grant_id = usable.grant_id
where usable.grant_id is null
