-- Grain: one row per term, charge, dimension filter, price version and billing period in which it is active.
with

charge_windows as (

    select * from {{ ref('met_charge_windows') }}

),

periods as (

    select * from {{ ref('met_billing_periods') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

prices as (

    select * from {{ ref('prices') }}

)

select
    periods.subscription_id,
    periods.term_from_at,
    terms.customer_id,
    terms.invoiced_customer_id,
    terms.currency_code,
    terms.timezone,
    periods.billing_period,
    periods.period_day_count,
    prices.charge_code,
    prices.charge_name,
    prices.price_id,
    charge_windows.dimension_filter,
    nullif(prices.meter_code, '') as meter_code,
    prices.pricing_model,
    {{ as_price('prices.unit_price') }} as unit_price,
    {{ as_quantity('prices.package_size') }} as package_size,
    {{ as_quantity('coalesce(prices.included_quantity, 0)') }} as included_quantity,
    coalesce(prices.prorated, false) as is_prorated,
    nullif(prices.tax_category, '') as tax_category,
    greatest(charge_windows.from_at, periods.from_at) as line_from_at,
    least(charge_windows.to_at, periods.to_at) as line_to_at,
    greatest(charge_windows.from_at, periods.from_at) = periods.from_at as starts_period
from periods
inner join charge_windows
    on periods.subscription_id = charge_windows.subscription_id
    and periods.term_from_at = charge_windows.term_from_at
    and charge_windows.from_at < periods.to_at
    and charge_windows.to_at > periods.from_at
inner join terms
    on periods.subscription_id = terms.subscription_id
    and periods.term_from_at = terms.term_from_at
inner join prices
    on charge_windows.price_id = prices.price_id
