-- Grain: one row per charge line as it would be invoiced today, whatever is issued already.
-- A charge whose amount does not fit is not among them: fct_charge_exceptions shows it.
-- The only place where a charge is rounded: once, to the minor units of its currency.
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
        line_from_at,
        line_to_at,
        quantity,
        free_quantity,
        unit,
        unit_price,
        exact_amount,
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
        line_from_at,
        line_to_at,
        quantity,
        {{ as_quantity('0') }} as free_quantity,
        'period' as unit,
        unit_price,
        exact_amount,
        tax_category,
        false as is_negative_as_zero
    from recurring_charges

),

rounded as (

    select
        charges.*,
        {{ round_to_minor_units('charges.exact_amount', 'currencies.minor_units') }} as net_amount

    from charges
    left join currencies
        on charges.currency_code = currencies.currency_code
    where charges.exact_amount is not null

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
    line_from_at,
    line_to_at,
    quantity,
    free_quantity,
    unit,
    unit_price,
    exact_amount,
    net_amount,
    tax_category,
    is_negative_as_zero
from rounded
