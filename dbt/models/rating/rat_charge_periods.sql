-- Grain: one row per term, charge, dimension filter, price version and billing period in which
-- it is active, without the periods that are settled: rated again, they would come to the same.
-- A view: what would be stored is stored in rat_priced_periods.
{{ config(materialized='view') }}
with

priced_periods as (

    select * from {{ ref('rat_priced_periods') }}

),

inputs as (

    select * from {{ ref('rat_period_inputs') }}

)

select
    priced_periods.subscription_id,
    priced_periods.term_from_at,
    priced_periods.customer_id,
    priced_periods.invoiced_customer_id,
    priced_periods.currency_code,
    priced_periods.timezone,
    priced_periods.billing_period,
    priced_periods.period_day_count,
    priced_periods.period_from_at,
    priced_periods.period_to_at,
    priced_periods.active_to_at,
    priced_periods.charge_code,
    priced_periods.charge_name,
    priced_periods.price_id,
    priced_periods.dimension_filter,
    priced_periods.is_trial,
    priced_periods.meter_code,
    priced_periods.pricing_model,
    priced_periods.unit_price,
    priced_periods.price_quantity,
    priced_periods.package_size,
    priced_periods.included_quantity,
    priced_periods.is_prorated,
    priced_periods.is_priced_by_event,
    priced_periods.event_fee,
    priced_periods.free_event_count,
    priced_periods.event_minimum_amount,
    priced_periods.event_maximum_amount,
    priced_periods.tax_category,
    priced_periods.line_from_at,
    priced_periods.line_to_at,
    priced_periods.active_day_count,
    priced_periods.starts_period,
    priced_periods.has_ended
from priced_periods
left join inputs
    on priced_periods.invoiced_customer_id = inputs.invoiced_customer_id
    and priced_periods.currency_code = inputs.currency_code
    and priced_periods.billing_period = inputs.billing_period
where not coalesce(inputs.is_settled, false)
