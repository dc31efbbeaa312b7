-- Grain: one row per tax code, rate and draft invoice. Tax is rounded once, on the sum of its
-- lines, whatever their categories: two categories at one rate are one row that names both.
with

lines as (

    select * from {{ ref('inv_lines') }}
    where tax_code is not null

),

currencies as (

    select * from {{ ref('currencies') }}

),

categories as (

    select
        lines.invoice_id,
        lines.tax_code,
        lines.tax_category,
        lines.tax_rate,
        max(currencies.minor_units) as minor_units,
        sum(lines.net_amount) as taxable_amount

    from lines
    left join currencies
        on lines.currency_code = currencies.currency_code
    group by lines.invoice_id, lines.tax_code, lines.tax_category, lines.tax_rate

),

summed as (

    select
        invoice_id,
        tax_code,
        replace({{ joined_text('tax_category', 'tax_category') }}, chr(10), ', ') as tax_category,
        tax_rate,
        max(minor_units) as minor_units,
        {{ as_money('sum(taxable_amount)') }} as taxable_amount

    from categories
    group by invoice_id, tax_code, tax_rate

),

exact as (

    select
        *,
        {{ percent_of('taxable_amount', 'tax_rate') }} as exact_amount

    from summed

)

select
    invoice_id,
    tax_code,
    tax_category,
    tax_rate,
    taxable_amount,
    {{ round_to_minor_units('exact_amount', 'minor_units') }} as tax_amount
from exact
