-- Grain: one row per tier within an invoice line.
-- Drafts as rated today, issued ones as they stand in the ledger.
select
    invoice_id,
    line_number,
    tier_number,
    tier_from,
    tier_up_to,
    quantity,
    unit_price,
    flat_amount,
    exact_amount
from {{ ref('inv_line_tiers') }}
where invoice_id in (select invoice_id from {{ ref('inv_invoices') }})

union all

select
    invoice_id,
    line_number,
    tier_number,
    tier_from,
    tier_up_to,
    quantity,
    unit_price,
    flat_amount,
    exact_amount
from {{ source('ledger', 'issued_invoice_line_tiers') }}
