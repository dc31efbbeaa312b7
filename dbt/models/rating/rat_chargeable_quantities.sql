-- Grain: one row per metered charge period and dimension values, less what was prepaid in units.
-- Prepaid units were sold at a price of their own, so what is left of the usage is priced as if it
-- were all: tiers and packages begin with it, as they do after the allowance.
-- A view: most of the time of a table goes into storing it.
{{ config(materialized='view') }}
with

quantities as (

    select * from {{ ref('rat_usage_quantities') }}

),

prepaid as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        dimension_values,
        line_from_at,
        sum(prepaid_quantity) as prepaid_quantity

    from {{ ref('rat_prepaid_units') }}
    group by
        subscription_id, term_from_at, charge_code, price_id, dimension_values, line_from_at

)

select
    quantities.subscription_id,
    quantities.term_from_at,
    quantities.customer_id,
    quantities.invoiced_customer_id,
    quantities.currency_code,
    quantities.timezone,
    quantities.billing_period,
    quantities.charge_code,
    quantities.charge_name,
    quantities.price_id,
    quantities.meter_code,
    quantities.meter_name,
    quantities.unit,
    quantities.pricing_model,
    quantities.unit_price,
    quantities.package_size,
    quantities.is_priced_by_event,
    quantities.is_trial,
    quantities.tax_category,
    quantities.dimension_values,
    quantities.period_from_at,
    quantities.line_from_at,
    quantities.line_to_at,
    quantities.event_count,
    quantities.quantity,
    quantities.free_quantity,
    {{ as_quantity('coalesce(prepaid.prepaid_quantity, 0)') }} as prepaid_quantity,
    {{ as_quantity('quantities.chargeable_quantity - coalesce(prepaid.prepaid_quantity, 0)') }}
        as chargeable_quantity
from quantities
left join prepaid
    on quantities.subscription_id = prepaid.subscription_id
    and quantities.term_from_at = prepaid.term_from_at
    and quantities.charge_code = prepaid.charge_code
    and quantities.price_id = prepaid.price_id
    and quantities.dimension_values = prepaid.dimension_values
    and quantities.line_from_at = prepaid.line_from_at
