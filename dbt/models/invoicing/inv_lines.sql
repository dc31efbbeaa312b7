-- Grain: one row per line of a draft invoice, numbered in the order of the billing rules:
-- charges, minimums and maximums, commitments, percentage and fixed discounts, adjustments.
-- Where prices include tax, each line and each tax is rounded by itself; what that leaves of the
-- sum of the prices is a rounding line, so that net and tax come to the prices exactly.
with

priced_lines as (

    select * from {{ ref('inv_taxed_lines') }}

),

included_taxes as (

    select
        invoice_id,
        tax_codes,
        total_tax_rate,
        sum(tax_amount) as tax_amount

    from {{ ref('inv_included_taxes') }}
    group by invoice_id, tax_codes, total_tax_rate

),

-- The first line of each set of taxes lends its rounding line everything but the amount.
included as (

    select
        *,
        sum(gross_amount - net_amount) over (partition by invoice_id, tax_codes, tax_rate)
            as included_amount,
        row_number() over (
            partition by invoice_id, tax_codes, tax_rate
            order by
                line_order, subscription_id nulls last, charge_code nulls last,
                line_from_at nulls last, dimension_values, price_id nulls last,
                discount_code nulls last, line_to_at nulls last,
                adjusted_billing_period nulls last, tax_category nulls last, line_type
        ) as position

    from priced_lines
    where gross_amount is not null and tax_rate is not null

),

rounding_lines as (

    select
        included.*,
        {{ as_money('included.included_amount - included_taxes.tax_amount') }} as rounding_amount

    from included
    inner join included_taxes
        on included.invoice_id = included_taxes.invoice_id
        and included.tax_codes = included_taxes.tax_codes
        and included.tax_rate = included_taxes.total_tax_rate
    where
        included.position = 1
        and included.included_amount <> included_taxes.tax_amount

),

lines as (

    select
        invoice_id, customer_id, currency_code, minor_units, billing_period, line_type,
        subscription_id, charge_code, charge_name, price_id, meter_code, meter_name, pricing_model,
        dimension_values, term_from_at, line_from_at, line_to_at, quantity, free_quantity,
        prepaid_quantity, unit, unit_price, price_quantity, exact_amount, net_amount, gross_amount,
        tax_category, description, discount_code, line_order, adjusted_billing_period, country_code,
        tax_treatment, tax_date, tax_codes, tax_rate, lacks_tax_rate
    from priced_lines

    union all

    select
        invoice_id, customer_id, currency_code, minor_units, billing_period,
        'rounding' as line_type, subscription_id, 'rounding' as charge_code,
        'Rounding' as charge_name, null as price_id, null as meter_code, null as meter_name,
        null as pricing_model, '{}' as dimension_values, null as term_from_at, line_from_at,
        line_to_at, {{ as_quantity('1') }} as quantity, {{ as_quantity('0') }} as free_quantity,
        {{ as_quantity('0') }} as prepaid_quantity, null as unit, null as unit_price,
        null as price_quantity, {{ as_amount('rounding_amount') }} as exact_amount,
        rounding_amount as net_amount, {{ as_money('0') }} as gross_amount, tax_category,
        'Rounding of prices that include tax' as description, null as discount_code,
        7 as line_order, null as adjusted_billing_period,
        country_code, tax_treatment, tax_date, tax_codes, tax_rate, lacks_tax_rate
    from rounding_lines

)

select
    invoice_id,
    customer_id,
    currency_code,
    minor_units,
    billing_period,
    line_type,
    subscription_id,
    charge_code,
    charge_name,
    price_id,
    meter_code,
    meter_name,
    pricing_model,
    dimension_values,
    term_from_at,
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
    gross_amount,
    tax_category,
    description,
    discount_code,
    adjusted_billing_period,
    country_code,
    tax_treatment,
    tax_date,
    tax_codes,
    tax_rate,
    lacks_tax_rate,
    cast(row_number() over (
        partition by invoice_id
        order by
            line_order, subscription_id nulls last, charge_code nulls last,
            line_from_at nulls last, dimension_values, price_id nulls last,
            discount_code nulls last, line_to_at nulls last,
            adjusted_billing_period nulls last, tax_category nulls last, line_type,
            term_from_at nulls last
    ) as integer) as line_number
from lines
