-- Granted = applied + expired + left, grant by grant, and no balance is ever below zero; the
-- ledger applies what the invoices say that they use.
with

entries as (

    select * from {{ ref('fct_credit_ledger') }}

),

by_grant as (

    select
        grant_id,
        sum(case when invoice_id is not null then -entry_amount else 0 end) as entries_amount

    from entries
    group by grant_id

),

applied as (

    select
        grant_id,
        sum(applied_amount) as applied_amount

    from {{ ref('fct_credit_applications') }}
    group by grant_id

)

select
    grant_id,
    'a balance below zero' as finding,
    balance_amount as gap_amount
from entries
where balance_amount < 0

union all

select
    coalesce(by_grant.grant_id, applied.grant_id) as grant_id,
    'invoices use other credit than the ledger has' as finding,
    coalesce(by_grant.entries_amount, 0) - coalesce(applied.applied_amount, 0) as gap_amount
from by_grant
full outer join applied
    on by_grant.grant_id = applied.grant_id
where coalesce(by_grant.entries_amount, 0) <> coalesce(applied.applied_amount, 0)
