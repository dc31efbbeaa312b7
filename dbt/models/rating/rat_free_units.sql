-- Grain: one row per term, charge and billing period with free units from discounts.
-- They add to the included quantity of the price and, like it, are free before pricing. Units that
-- cannot be added up are as many as can be metered.
select
    subscription_id,
    term_from_at,
    charge_code,
    billing_period,
    coalesce(
        {{ exact_sum('free_quantity', is_filled=true) }},
        {{ as_quantity("'99999999999999999999999999'") }}
    ) as free_quantity
from {{ ref('rat_discount_periods') }}
where discount_kind = 'free_units'
group by subscription_id, term_from_at, charge_code, billing_period
