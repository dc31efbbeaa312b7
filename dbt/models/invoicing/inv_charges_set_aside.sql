-- Grain: one row per charge whose exact amount does not fit, 10^14 or more. It is on no invoice.
select
    customer_id,
    invoiced_customer_id,
    currency_code,
    billing_period,
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    dimension_values,
    line_from_at,
    line_to_at,
    quantity
from {{ ref('rat_usage_charges') }}
where exact_amount is null

union all

select
    customer_id,
    invoiced_customer_id,
    currency_code,
    billing_period,
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    '{}' as dimension_values,
    line_from_at,
    line_to_at,
    quantity
from {{ ref('rat_recurring_charges') }}
where exact_amount is null
