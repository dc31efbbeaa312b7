-- Grain: one row per customer, currency and billing period that has an issued invoice.
-- What belongs to a closed period reaches the customer as an adjustment, never as a new charge.
select
    customer_id,
    currency_code,
    billing_period,
    max(minor_units) as minor_units,
    count(*) as invoice_count
from {{ source('ledger', 'issued_invoices') }}
group by customer_id, currency_code, billing_period
