-- Grain: one row per line of a draft invoice that has a price, with its tax and without it.
-- A price that includes tax is rounded as a price first, then taken apart.
-- A view: most of the time of a table goes into storing it, and two models read it.
{{ config(materialized='view') }}
with

lines as (

    select * from {{ ref('inv_document_lines') }}

),

taxes as (

    select
        tax_category,
        country_code,
        tax_treatment,
        tax_date,
        replace({{ joined_text('tax_code', 'tax_code') }}, chr(10), ', ') as tax_codes,
        max(total_tax_rate) as tax_rate

    from {{ ref('inv_applied_taxes') }}
    group by tax_category, country_code, tax_treatment, tax_date

),

currencies as (

    select * from {{ ref('currencies') }}

),

taxed as (

    select
        lines.*,
        currencies.minor_units,
        taxes.tax_codes,
        taxes.tax_rate,
        lines.tax_category is not null and taxes.tax_codes is null as lacks_tax_rate,
        case when lines.is_tax_included then lines.priced_amount end as gross_amount,
        case
            -- Only a price without tax that is rounded to 10^14 does not fit.
            when lines.is_tax_included
                then coalesce({{ share_of_money(
                    'lines.priced_amount', '100', '100 + coalesce(taxes.tax_rate, 0)'
                ) }}, lines.exact_amount)
            else lines.exact_amount
        end as exact_net_amount

    from lines
    left join taxes
        on lines.tax_category = taxes.tax_category
        and lines.country_code = taxes.country_code
        and lines.tax_treatment = taxes.tax_treatment
        and lines.tax_date = taxes.tax_date
    left join currencies
        on lines.currency_code = currencies.currency_code

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
    {{ as_amount('exact_net_amount') }} as exact_amount,
    case
        when gross_amount is null then priced_amount
        else {{ round_to_minor_units('exact_net_amount', 'minor_units') }}
    end as net_amount,
    gross_amount,
    tax_category,
    description,
    discount_code,
    line_order,
    adjusted_billing_period,
    country_code,
    tax_treatment,
    tax_date,
    tax_codes,
    tax_rate,
    lacks_tax_rate
from taxed
