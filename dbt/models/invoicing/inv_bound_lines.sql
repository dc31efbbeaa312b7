-- Grain: one row per term, period of the charge, dimension filter, tax category and bound that
-- bites: a minimum that is not reached, a maximum that is exceeded; the latter is taxed like what
-- it gives back, so that a change of tax rates makes it several rows.
-- Every price version brings its bound for the active days on which it holds; the sum of them is
-- set against the charge as printed, so that the lines add up to the bound exactly. A trial has
-- no bounds, and a period that goes on no minimum yet.
-- A line that does not fit has no amount, and is on no invoice: inv_charges_set_aside has it.
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
        case when charge_periods.has_ended then prices.minimum_amount end as minimum_amount,
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
        {{ as_quantity('coalesce(sum(minimum_amount * active_day_count), 0)') }} as minimum_day_amount,
        {{ as_quantity('sum(maximum_amount * active_day_count)') }} as maximum_day_amount

    from spans
    group by
        subscription_id, term_from_at, billing_period, period_from_at, charge_code,
        dimension_filter, tax_category
    having max(minimum_amount) is not null or max(maximum_amount) is not null

),

-- Charges as printed, apart where tax rates change.
parts as (

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
        min(charge_lines.price_id) as first_price_id,
        max(charge_lines.price_id) as last_price_id,
        min(charge_lines.line_from_at) as part_from_at,
        max(charge_lines.line_to_at) as part_to_at,
        sum(charge_lines.net_amount) as part_charged_amount,
        -- Versions without a maximum are not held down by that of another version.
        sum(case when spans.maximum_amount is not null then charge_lines.net_amount end)
            as part_capped_amount,
        -- A line that is not printed has no say in the dates.
        min(case
            when spans.maximum_amount is not null and charge_lines.net_amount <> 0
                then charge_lines.line_from_at
        end) as capped_from_at,
        max(case
            when spans.maximum_amount is not null and charge_lines.net_amount <> 0
                then charge_lines.line_to_at
        end) as capped_to_at

    from charge_lines
    inner join spans
        on charge_lines.subscription_id = spans.subscription_id
        and charge_lines.term_from_at = spans.term_from_at
        and charge_lines.charge_code = spans.charge_code
        and charge_lines.price_id = spans.price_id
        and charge_lines.line_from_at = spans.line_from_at
    left join tax_rate_spans
        on {{ is_taxed_in('charge_lines', 'tax_rate_spans') }}
    group by
        charge_lines.invoiced_customer_id, charge_lines.currency_code,
        charge_lines.subscription_id, charge_lines.term_from_at, charge_lines.billing_period,
        spans.period_from_at, charge_lines.charge_code, charge_lines.tax_category,
        spans.dimension_filter, tax_rate_spans.from_at

),

compared as (

    select
        parts.*,
        currencies.minor_units,
        {{ divided_product('bounds.minimum_day_amount', '1', 'bounds.period_day_count') }}
            as minimum_amount,
        {{ divided_product('bounds.maximum_day_amount', '1', 'bounds.period_day_count') }}
            as maximum_amount,
        case
            when min(parts.first_price_id) over whole = max(parts.last_price_id) over whole
                then parts.first_price_id
        end as price_id,
        min(parts.part_from_at) over whole as line_from_at,
        max(parts.part_to_at) over whole as line_to_at,
        sum(parts.part_charged_amount) over whole as charged_amount,
        sum(parts.part_capped_amount) over whole as capped_amount,
        sum(parts.part_capped_amount) over so_far as capped_so_far_amount,
        count(nullif(parts.part_capped_amount, 0)) over whole as capped_part_count

    from parts
    inner join bounds
        on parts.subscription_id = bounds.subscription_id
        and parts.term_from_at = bounds.term_from_at
        and parts.billing_period = bounds.billing_period
        and parts.period_from_at = bounds.period_from_at
        and parts.charge_code = bounds.charge_code
        and parts.dimension_filter = bounds.dimension_filter
        and coalesce(parts.tax_category, '') = coalesce(bounds.tax_category, '')
    left join currencies
        on parts.currency_code = currencies.currency_code
    window
        whole as (
            partition by
                parts.subscription_id, parts.term_from_at, parts.billing_period,
                parts.period_from_at, parts.charge_code, parts.dimension_filter,
                parts.tax_category
        ),
        so_far as (
            partition by
                parts.subscription_id, parts.term_from_at, parts.billing_period,
                parts.period_from_at, parts.charge_code, parts.dimension_filter,
                parts.tax_category
            order by parts.capped_to_at
            rows between unbounded preceding and current row
        )

),

distances as (

    select
        *,
        {{ try_difference('maximum_amount', 'capped_amount') }} as maximum_distance

    from compared

),

-- A distance that does not fit is below zero where the charge is not.
maximums as (

    select
        *,
        case
            when maximum_amount is null or capped_amount is null then {{ as_amount('0') }}
            when maximum_distance >= 0 or (maximum_distance is null and capped_amount < 0)
                then {{ as_amount('0') }}
            else maximum_distance
        end as exact_amount

    from distances

),

given_back as (

    select
        *,
        {{ round_to_minor_units('exact_amount', 'minor_units') }} as given_back_amount

    from maximums

),

owed as (

    select
        *,
        charged_amount + coalesce(given_back_amount, 0) as owed_amount,
        {{ try_difference('minimum_amount', 'charged_amount + coalesce(given_back_amount, 0)') }}
            as minimum_distance

    from given_back

),

lines as (

    select
        invoiced_customer_id, currency_code, billing_period, 'maximum' as line_type, subscription_id,
        term_from_at, charge_code, charge_name, price_id, dimension_filter,
        capped_from_at as line_from_at, capped_to_at as line_to_at,
        case
            when capped_part_count = 1 then exact_amount
            else {{ try_amount(share_of_part('given_back_amount', 'part_capped_amount',
                'capped_so_far_amount', 'capped_amount', 'minor_units')) }}
        end as exact_amount,
        minor_units, tax_category
    from owed
    where
        coalesce(exact_amount, 1) <> 0
        and part_capped_amount <> 0

    union all

    -- Owed at the end of the period, so not apart.
    select
        invoiced_customer_id, currency_code, billing_period, 'minimum' as line_type, subscription_id,
        term_from_at, charge_code, charge_name, price_id, dimension_filter, line_from_at, line_to_at,
        minimum_distance as exact_amount, minor_units, tax_category
    from owed
    where
        (minimum_distance > 0 or (minimum_distance is null and owed_amount < 0))
        and part_to_at = line_to_at

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
where coalesce(exact_amount, 1) <> 0
