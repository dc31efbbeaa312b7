-- Grain: one row per invoice and grant whose credit it uses.
-- Drafts as they would use it today, issued ones as they stand in the ledger.
select
    invoice_id,
    grant_id,
    currency_code,
    applied_amount
from {{ ref('inv_credit_applications') }}
where invoice_id in (select invoice_id from {{ ref('inv_invoices') }})

union all

select
    invoice_id,
    grant_id,
    currency_code,
    applied_amount
from {{ source('ledger', 'issued_credit_applications') }}
