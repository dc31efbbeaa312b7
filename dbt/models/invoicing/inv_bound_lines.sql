-- Grain: one row per term, period of the charge, dimension filter, tax category and bound that
-- bites: a minimum that is not reached, a maximum that is exceeded.
-- Every price version brings its bound for the active days on which it holds; the sum of them is
-- set against the charge as printed, so that the lines add up to the bound exactly. A trial has
-- no bounds.
with

charge_periods as (

    select * from {{ ref('rat_charge_periods') }}
    where not is_trial

),

charge_lines as (

    select * from {{ ref('inv_charge_lines') }}

),

prices as (

    select
        price_id,
        coalesce(dimension_filter, '') as dimension_filter,
        minimum_amount,
        maximum_amount

    from {{ ref('prices') }}

),

currencies as (

    select * from {{ ref('currencies') }}

),

spans as (

    select
        charge_periods.subscription_id,
        charge_periods.term_from_at,
        charge_periods.billing_period,
        charge_periods.period_from_at,
        charge_periods.period_day_count,
        charge_periods.charge_code,
        prices.dimension_filter,
        charge_periods.tax_category,
        prices.price_id,
        prices.minimum_amount,
        prices.maximum_amount,
        charge_periods.active_day_count,
        charge_periods.line_from_at

    from charge_periods
    inner join prices
        on charge_periods.price_id = prices.price_id

),

bounds as (

    select
        subscription_id,
        term_from_at,
        billing_period,
        period_from_at,
        charge_code,
        dimension_filter,
        tax_category,
        max(period_day_count) as period_day_count,
        {{ as_price('coalesce(sum(minimum_amount * active_day_count), 0)') }} as minimum_day_amount,
        {{ as_price('sum(maximum_amount * active_day_count)') }} as maximum_day_amount

    from spans
    group by
        subscription_id, term_from_at, billing_period, period_from_at, charge_code,
        dimension_filter, tax_category
    having max(minimum_amount) is not null or max(maximum_amount) is not null

),

charged as (

    select
        charge_lines.invoiced_customer_id,
        charge_lines.currency_code,
        charge_lines.subscription_id,
        charge_lines.term_from_at,
        charge_lines.billing_period,
        spans.period_from_at,
        charge_lines.charge_code,
        charge_lines.tax_category,
        spans.dimension_filter,
        max(charge_lines.charge_name) as charge_name,
        case when min(spans.price_id) = max(spans.price_id) then min(spans.price_id) end
            as price_id,
        min(charge_lines.line_from_at) as line_from_at,
        max(charge_lines.line_to_at) as line_to_at,
        sum(charge_lines.net_amount) as charged_amount,
        -- Versions without a maximum are not held down by that of another version.
        sum(case when spans.maximum_amount is not null then charge_lines.net_amount end)
            as capped_amount

    from charge_lines
    inner join spans
        on charge_lines.subscription_id = spans.subscription_id
        and charge_lines.term_from_at = spans.term_from_at
        and charge_lines.charge_code = spans.charge_code
        and charge_lines.price_id = spans.price_id
        and charge_lines.line_from_at = spans.line_from_at
    group by
        charge_lines.invoiced_customer_id, charge_lines.currency_code,
        charge_lines.subscription_id, charge_lines.term_from_at, charge_lines.billing_period,
        spans.period_from_at, charge_lines.charge_code, charge_lines.tax_category,
        spans.dimension_filter

),

compared as (

    select
        charged.*,
        currencies.minor_units,
        {{ share('bounds.minimum_day_amount', '1', 'bounds.period_day_count') }} as minimum_amount,
        {{ share('bounds.maximum_day_amount', '1', 'bounds.period_day_count') }} as maximum_amount

    from charged
    inner join bounds
        on charged.subscription_id = bounds.subscription_id
        and charged.term_from_at = bounds.term_from_at
        and charged.billing_period = bounds.billing_period
        and charged.period_from_at = bounds.period_from_at
        and charged.charge_code = bounds.charge_code
        and charged.dimension_filter = bounds.dimension_filter
        and coalesce(charged.tax_category, '') = coalesce(bounds.tax_category, '')
    left join currencies
        on charged.currency_code = currencies.currency_code

),

maximums as (

    select
        *,
        'maximum' as line_type,
        {{ as_amount('case when capped_amount > maximum_amount
            then maximum_amount - capped_amount else 0 end') }} as exact_amount

    from compared

),

minimums as (

    select
        *,
        {{ round_to_minor_units('exact_amount', 'minor_units') }} as given_back_amount

    from maximums

),

lines as (

    select
        invoiced_customer_id, currency_code, billing_period, line_type, subscription_id,
        term_from_at, charge_code, charge_name, price_id, dimension_filter, line_from_at, line_to_at,
        exact_amount, minor_units, tax_category
    from maximums
    union all
    select
        invoiced_customer_id, currency_code, billing_period, 'minimum' as line_type, subscription_id,
        term_from_at, charge_code, charge_name, price_id, dimension_filter, line_from_at, line_to_at,
        {{ as_amount('minimum_amount - charged_amount - given_back_amount') }} as exact_amount,
        minor_units, tax_category
    from minimums
    where minimum_amount > charged_amount + given_back_amount

)

select
    invoiced_customer_id,
    currency_code,
    billing_period,
    line_type,
    subscription_id,
    term_from_at,
    charge_code,
    charge_name,
    price_id,
    dimension_filter,
    line_from_at,
    line_to_at,
    exact_amount,
    {{ round_to_minor_units('exact_amount', 'minor_units') }} as net_amount,
    tax_category
from lines
where exact_amount <> 0
