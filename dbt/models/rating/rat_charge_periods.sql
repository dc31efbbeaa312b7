-- Grain: one row per term, charge, dimension filter, price version and billing period in which
-- it is active.
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
    periods.full_from_at as period_from_at,
    periods.full_to_at as period_to_at,
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
    coalesce(
        prices.event_fee, prices.event_minimum_amount, prices.event_maximum_amount
    ) is not null or prices.free_event_count is not null as is_priced_by_event,
    {{ as_price('coalesce(prices.event_fee, 0)') }} as event_fee,
    cast(coalesce(prices.free_event_count, 0) as bigint) as free_event_count,
    {{ as_price('prices.event_minimum_amount') }} as event_minimum_amount,
    {{ as_price('prices.event_maximum_amount') }} as event_maximum_amount,
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
