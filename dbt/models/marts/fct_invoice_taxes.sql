-- Grain: one row per tax code, rate and invoice.
-- Drafts as rated today, issued ones as they stand in the ledger.
select
    invoice_id,
    tax_code,
    tax_category,
    tax_rate,
    taxable_amount,
    tax_amount
from {{ ref('inv_taxes') }}
where invoice_id in (select invoice_id from {{ ref('inv_invoices') }})

union all

select
    invoice_id,
    tax_code,
    tax_category,
    tax_rate,
    taxable_amount,
    tax_amount
from {{ source('ledger', 'issued_invoice_taxes') }}
