-- Grain: one row per invoice line.
-- Drafts as rated today, issued ones as they stand in the ledger.
select
    invoice_id,
    line_number,
    line_type,
    subscription_id,
    charge_code,
    charge_name,
    price_id,
    meter_code,
    meter_name,
    pricing_model,
    dimension_values,
    line_from_at as period_from,
    line_to_at as period_to,
    quantity,
    free_quantity as included_quantity,
    unit,
    unit_price,
    exact_amount,
    net_amount,
    tax_category,
    tax_rate,
    currency_code,
    description,
    adjusted_billing_period,
    gross_amount,
    discount_code,
    tax_codes
from {{ ref('inv_lines') }}
where invoice_id in (select invoice_id from {{ ref('inv_invoices') }})

union all

select
    invoice_id,
    line_number,
    line_type,
    subscription_id,
    charge_code,
    charge_name,
    price_id,
    meter_code,
    meter_name,
    pricing_model,
    dimension_values,
    period_from,
    period_to,
    quantity,
    included_quantity,
    unit,
    unit_price,
    exact_amount,
    net_amount,
    tax_category,
    tax_rate,
    currency_code,
    description,
    adjusted_billing_period,
    gross_amount,
    discount_code,
    tax_codes
from {{ source('ledger', 'issued_invoice_lines') }}
