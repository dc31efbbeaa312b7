-- Grain: one row per term, billing period, charge and tax category: what discounts are taken
-- from, whatever the tax on it.
with

parts as (

    select * from {{ ref('inv_discountable_parts') }}

)

select
    invoiced_customer_id,
    currency_code,
    billing_period,
    subscription_id,
    term_from_at,
    charge_code,
    max(charge_name) as charge_name,
    min(line_from_at) as line_from_at,
    max(line_to_at) as line_to_at,
    {{ as_money('sum(discountable_amount)') }} as discountable_amount,
    tax_category
from parts
group by
    invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
    charge_code, tax_category
having sum(discountable_amount) <> 0
