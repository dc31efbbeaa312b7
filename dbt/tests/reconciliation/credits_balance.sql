-- Granted = used - given back + withdrawn + expired + left, grant by grant, in money or in units; no
-- balance is ever below zero, and the ledger uses what the invoices say that they use. Of a charge
-- no more is prepaid than was used of it, and nothing is given back that was not paid.
with

entries as (

    select
        grant_id,
        entry_kind,
        coalesce(entry_amount, entry_quantity) as entry_size,
        coalesce(balance_amount, balance_quantity) as balance_size,
        (entry_amount is null) = (entry_quantity is null)
        or (balance_amount is null) <> (entry_amount is null) as is_unsound

    from {{ ref('fct_credit_ledger') }}

),

by_grant as (

    select
        grant_id,
        sum(case when entry_kind in ('reserved', 'applied', 'returned') then -entry_size else 0 end)
            as used_size

    from entries
    group by grant_id

),

applications as (

    select
        *,
        {{ as_quantity('coalesce(applied_amount, applied_quantity)') }} as applied_size

    from {{ ref('fct_credit_applications') }}

),

applied as (

    select
        grant_id,
        sum(applied_size) as applied_size

    from applications
    group by grant_id

),

-- The oldest rows do not say which period they are for.
over_returned as (

    select
        applications.grant_id,
        sum(applications.applied_size) as applied_size

    from applications
    left join {{ ref('fct_invoices') }} as invoices
        on applications.invoice_id = invoices.invoice_id
    group by
        applications.grant_id, applications.subscription_id, applications.unit,
        case when applications.applied_quantity is not null then applications.charge_code end,
        coalesce(applications.paid_billing_period, invoices.billing_period)
    having sum(applications.applied_size) < 0

)

select
    grant_id,
    'a balance below zero' as finding,
    balance_size as gap_size
from entries
where balance_size < 0

union all

select
    grant_id,
    'an entry in money and in units, or in neither' as finding,
    entry_size as gap_size
from entries
where is_unsound

union all

select
    grant_id,
    'more given back for a period than was paid for it' as finding,
    applied_size as gap_size
from over_returned

union all

select
    invoice_id as grant_id,
    'a line takes more prepaid units than it has' as finding,
    quantity - included_quantity - prepaid_quantity as gap_size
from {{ ref('fct_invoice_lines') }}
where
    prepaid_quantity > 0
    and prepaid_quantity > quantity - included_quantity

union all

select
    coalesce(by_grant.grant_id, applied.grant_id) as grant_id,
    'invoices use other credit than the ledger has' as finding,
    coalesce(by_grant.used_size, 0) - coalesce(applied.applied_size, 0) as gap_size
from by_grant
full outer join applied
    on by_grant.grant_id = applied.grant_id
where coalesce(by_grant.used_size, 0) <> coalesce(applied.applied_size, 0)
