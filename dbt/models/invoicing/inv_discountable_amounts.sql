-- Grain: one row per term, billing period, charge and tax category: what discounts are taken
-- from, which is the charge as printed, with its minimum and maximum; commitments are charges too.
with

lines as (

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        charge_code, charge_name, line_from_at, line_to_at, net_amount, tax_category
    from {{ ref('inv_charge_lines') }}

    union all

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        charge_code, charge_name, line_from_at, line_to_at, net_amount, tax_category
    from {{ ref('inv_bound_lines') }}

    union all

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        commitment_code as charge_code, commitment_name as charge_name, line_from_at, line_to_at,
        net_amount, tax_category
    from {{ ref('inv_commitment_lines') }}

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
    {{ as_money('sum(net_amount)') }} as discountable_amount,
    tax_category
from lines
group by
    invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
    charge_code, tax_category
having sum(net_amount) <> 0
