-- Grain: one row per price version.
with

prices as (

    select * from {{ ref('prices') }}

),

plans as (

    select * from {{ ref('plans') }}

)

select
    prices.price_id,
    prices.plan_code,
    plans.plan_name,
    prices.charge_code,
    prices.charge_name,
    nullif(prices.meter_code, '') as meter_code,
    prices.pricing_model,
    {{ as_price('prices.unit_price') }} as unit_price,
    {{ as_quantity('prices.package_size') }} as package_size,
    {{ as_quantity('prices.included_quantity') }} as included_quantity,
    coalesce(prices.prorated, false) as is_prorated,
    nullif(prices.tax_category, '') as tax_category,
    nullif(prices.subscription_id, '') as subscription_id,
    prices.valid_from,
    prices.valid_to,
    coalesce(nullif(prices.currency_code, ''), plans.currency_code) as currency_code,
    {{ as_quantity('prices.price_quantity') }} as price_quantity
from prices
left join plans
    on prices.plan_code = plans.plan_code
