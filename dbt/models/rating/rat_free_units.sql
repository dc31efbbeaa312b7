-- Grain: one row per term, charge and billing period with free units from discounts.
-- They add to the included quantity of the price and, like it, are free before pricing.
select
    subscription_id,
    term_from_at,
    charge_code,
    billing_period,
    {{ as_quantity('sum(free_quantity)') }} as free_quantity
from {{ ref('rat_discount_periods') }}
where discount_kind = 'free_units'
group by subscription_id, term_from_at, charge_code, billing_period
