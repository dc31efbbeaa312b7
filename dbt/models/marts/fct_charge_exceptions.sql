-- Grain: one row per charge, and kind of line beside it, that is on no invoice because its amount is
-- out of range.
select
    customer_id,
    invoiced_customer_id,
    currency_code,
    billing_period,
    line_type,
    subscription_id,
    term_from_at as term_started_at,
    charge_code,
    price_id,
    dimension_values,
    line_from_at as period_from,
    line_to_at as period_to,
    quantity
from {{ ref('inv_charges_set_aside') }}
