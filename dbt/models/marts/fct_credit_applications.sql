-- Grain: one row per invoice, grant whose credit it uses or gives back, billing period that this is
-- for and, in units, charge.
-- Drafts as they would use it today, issued ones as they stand in the ledger.
select
    invoice_id,
    grant_id,
    customer_id,
    currency_code,
    billing_period,
    paid_billing_period,
    subscription_id,
    charge_code,
    unit,
    applied_amount,
    applied_quantity,
    paid_to_at,
    application_number,
    'draft' as application_status
from {{ ref('inv_credit_applications') }}
where
    invoice_id is null
    or invoice_id in (select invoice_id from {{ ref('inv_invoices') }})

union all

select
    invoice_id,
    grant_id,
    customer_id,
    currency_code,
    billing_period,
    paid_billing_period,
    subscription_id,
    charge_code,
    unit,
    applied_amount,
    applied_quantity,
    paid_to_at,
    application_number,
    application_status
from {{ source('ledger', 'issued_credit_applications') }}
