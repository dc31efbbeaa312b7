-- Grain: one row per term, period of the charge, dimension filter, tax category and bound that
-- bites: a minimum that is not reached, a maximum that is exceeded; the latter is taxed like what
-- it gives back, so that a change of tax rates makes it several rows.
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

tax_rate_spans as (

    select * from {{ ref('inv_tax_rate_spans') }}

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

bounded_lines as (

    select
        charge_lines.*,
        spans.period_from_at,
        spans.dimension_filter,
        -- Versions without a maximum are not held down by that of another version.
        spans.maximum_amount is not null as is_capped,
        tax_rate_spans.from_at as taxed_from_at

    from charge_lines
    inner join spans
        on charge_lines.subscription_id = spans.subscription_id
        and charge_lines.term_from_at = spans.term_from_at
        and charge_lines.charge_code = spans.charge_code
        and charge_lines.price_id = spans.price_id
        and charge_lines.line_from_at = spans.line_from_at
    left join tax_rate_spans
        on {{ is_taxed_in('charge_lines', 'tax_rate_spans') }}

),

charged as (

    select
        invoiced_customer_id,
        currency_code,
        subscription_id,
        term_from_at,
        billing_period,
        period_from_at,
        charge_code,
        tax_category,
        dimension_filter,
        max(charge_name) as charge_name,
        case when min(price_id) = max(price_id) then min(price_id) end as price_id,
        min(line_from_at) as line_from_at,
        max(line_to_at) as line_to_at,
        sum(net_amount) as charged_amount,
        sum(case when is_capped then net_amount end) as capped_amount

    from bounded_lines
    group by
        invoiced_customer_id, currency_code, subscription_id, term_from_at, billing_period,
        period_from_at, charge_code, tax_category, dimension_filter

),

capped_parts as (

    select
        subscription_id,
        term_from_at,
        billing_period,
        period_from_at,
        charge_code,
        tax_category,
        dimension_filter,
        min(line_from_at) as part_from_at,
        max(line_to_at) as part_to_at,
        sum(net_amount) as part_amount

    from bounded_lines
    where is_capped and net_amount <> 0
    group by
        subscription_id, term_from_at, billing_period, period_from_at, charge_code, tax_category,
        dimension_filter, taxed_from_at
    having sum(net_amount) <> 0

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
        {{ as_amount('case when capped_amount > maximum_amount
            then maximum_amount - capped_amount else 0 end') }} as exact_amount

    from compared

),

given_back as (

    select
        *,
        {{ round_to_minor_units('exact_amount', 'minor_units') }} as given_back_amount

    from maximums

),

maximum_parts as (

    select
        given_back.*,
        capped_parts.part_from_at,
        capped_parts.part_to_at,
        count(*) over whole as part_count,
        {{ as_money('sum(capped_parts.part_amount) over so_far') }} as amount_so_far

    from given_back
    inner join capped_parts
        on given_back.subscription_id = capped_parts.subscription_id
        and given_back.term_from_at = capped_parts.term_from_at
        and given_back.billing_period = capped_parts.billing_period
        and given_back.period_from_at = capped_parts.period_from_at
        and given_back.charge_code = capped_parts.charge_code
        and given_back.dimension_filter = capped_parts.dimension_filter
        and coalesce(given_back.tax_category, '') = coalesce(capped_parts.tax_category, '')
    where given_back.exact_amount <> 0
    window
        whole as (
            partition by
                given_back.subscription_id, given_back.term_from_at, given_back.billing_period,
                given_back.period_from_at, given_back.charge_code, given_back.dimension_filter,
                given_back.tax_category
        ),
        so_far as (
            partition by
                given_back.subscription_id, given_back.term_from_at, given_back.billing_period,
                given_back.period_from_at, given_back.charge_code, given_back.dimension_filter,
                given_back.tax_category
            order by capped_parts.part_to_at
            rows between unbounded preceding and current row
        )

),

maximums_so_far as (

    select
        *,
        case
            when part_count = 1 then given_back_amount
            else {{ share_so_far('given_back_amount', 'amount_so_far', 'capped_amount', 'minor_units') }}
        end as taken_so_far_amount

    from maximum_parts

),

maximums_taken as (

    select
        *,
        {{ as_money('taken_so_far_amount - coalesce(lag(taken_so_far_amount) over (
            partition by
                subscription_id, term_from_at, billing_period, period_from_at, charge_code,
                dimension_filter, tax_category
            order by part_to_at
        ), 0)') }} as taken_amount

    from maximums_so_far

),

lines as (

    select
        invoiced_customer_id, currency_code, billing_period, 'maximum' as line_type, subscription_id,
        term_from_at, charge_code, charge_name, price_id, dimension_filter,
        part_from_at as line_from_at, part_to_at as line_to_at,
        case when part_count = 1 then exact_amount else {{ as_amount('taken_amount') }} end
            as exact_amount,
        minor_units, tax_category
    from maximums_taken

    union all

    select
        invoiced_customer_id, currency_code, billing_period, 'minimum' as line_type, subscription_id,
        term_from_at, charge_code, charge_name, price_id, dimension_filter, line_from_at, line_to_at,
        {{ as_amount('minimum_amount - charged_amount - given_back_amount') }} as exact_amount,
        minor_units, tax_category
    from given_back
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
