-- Grain: one row per charge line as it would be invoiced today, whatever is issued already.
-- A charge whose amount does not fit is not among them: fct_charge_exceptions shows it.
-- The only place where a charge is rounded: the exact amounts of one subscription, charge and
-- period are added up and rounded once, to the minor units of the currency. The lines share that
-- by the largest remainder, since forty models at 0.004 each owe 0.16 and not nothing.
with

usage_charges as (

    select * from {{ ref('rat_usage_charges') }}

),

recurring_charges as (

    select * from {{ ref('rat_recurring_charges') }}

),

currencies as (

    select * from {{ ref('currencies') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

charges as (

    select
        invoiced_customer_id,
        currency_code,
        billing_period,
        subscription_id,
        term_from_at,
        charge_code,
        charge_name,
        price_id,
        meter_code,
        meter_name,
        pricing_model,
        dimension_values,
        period_from_at,
        line_from_at,
        line_to_at,
        quantity,
        free_quantity,
        prepaid_quantity,
        unit,
        unit_price,
        price_quantity,
        exact_amount,
        is_divided,
        tax_category,
        is_negative_as_zero
    from usage_charges

    union all

    select
        invoiced_customer_id,
        currency_code,
        billing_period,
        subscription_id,
        term_from_at,
        charge_code,
        charge_name,
        price_id,
        null as meter_code,
        null as meter_name,
        pricing_model,
        '{}' as dimension_values,
        period_from_at,
        line_from_at,
        line_to_at,
        quantity,
        {{ as_quantity('0') }} as free_quantity,
        {{ as_quantity('0') }} as prepaid_quantity,
        'period' as unit,
        unit_price,
        cast(null as {{ quantity_type() }}) as price_quantity,
        exact_amount,
        is_divided,
        tax_category,
        false as is_negative_as_zero
    from recurring_charges

),

measured as (

    select
        charges.*,
        terms.plan_code,
        {{ minor_unit('currencies.minor_units') }} as unit_amount,
        -- Of two types of the same places: of others, DuckDB takes the remainder in floating point.
        {{ as_amount('charges.exact_amount % ' ~ as_amount(minor_unit('currencies.minor_units'))) }}
            as signed_remainder

    from charges
    left join currencies
        on charges.currency_code = currencies.currency_code
    left join terms
        on charges.subscription_id = terms.subscription_id
        and charges.term_from_at = terms.term_from_at
    where charges.exact_amount is not null

),

-- Whole minor units, counted downwards, so that no remainder is below zero.
cut as (

    select
        *,
        {{ as_money(as_money('exact_amount - signed_remainder')
            ~ ' - case when signed_remainder < 0 then unit_amount else 0 end') }} as cut_amount,
        {{ as_amount('signed_remainder + case when signed_remainder < 0 then unit_amount else 0 end') }}
            as remainder

    from measured

),

ranked as (

    select
        *,
        row_number() over (
            partition by
                subscription_id, plan_code, charge_code, currency_code, billing_period,
                period_from_at
            order by -remainder, line_from_at, dimension_values, price_id, term_from_at
        ) as remainder_rank,
        {{ as_money('sum(cut_amount) over (
            partition by
                subscription_id, plan_code, charge_code, currency_code, billing_period,
                period_from_at
        )') }} as charge_cut_amount,
        {{ as_amount('sum(remainder) over (
            partition by
                subscription_id, plan_code, charge_code, currency_code, billing_period,
                period_from_at
        )') }} as summed_remainder,
        max(case when is_divided then 1 else 0 end) over (
            partition by
                subscription_id, plan_code, charge_code, currency_code, billing_period,
                period_from_at
        ) = 1 as has_divided

    from cut

),

-- What was divided is cut off at the 24th place. Three thirds make a whole at the 20th.
summed as (

    select
        *,
        case
            when has_divided then {{ as_amount('round(summed_remainder, 20)') }}
            else summed_remainder
        end as charge_remainder

    from ranked

),

split as (

    select
        *,
        {{ as_amount('charge_remainder % ' ~ as_amount('unit_amount')) }} as last_remainder

    from summed

),

-- Half a minor unit goes away from zero, as the charge as a whole is rounded.
shared as (

    select
        *,
        case
            when 2 * last_remainder < unit_amount then 0
            when
                2 * last_remainder = unit_amount
                and charge_cut_amount + {{ as_money('charge_remainder - last_remainder') }} < 0
                then 0
            else 1
        end as last_unit_count

    from split

),

rounded as (

    select
        *,
        {{ as_money('cut_amount + case
            when (remainder_rank - last_unit_count) * unit_amount <= charge_remainder
                then unit_amount
            else 0
        end') }} as net_amount

    from shared

)

select
    invoiced_customer_id,
    currency_code,
    billing_period,
    subscription_id,
    term_from_at,
    charge_code,
    charge_name,
    price_id,
    meter_code,
    meter_name,
    pricing_model,
    dimension_values,
    period_from_at,
    line_from_at,
    line_to_at,
    quantity,
    free_quantity,
    prepaid_quantity,
    unit,
    unit_price,
    price_quantity,
    exact_amount,
    net_amount,
    tax_category,
    is_negative_as_zero
from rounded
