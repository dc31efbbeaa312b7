-- Grain: one row per tax rate and draft invoice. Tax is rounded once, on the sum of its lines.
with

lines as (

    select * from {{ ref('inv_lines') }}
    where tax_code is not null

),

currencies as (

    select * from {{ ref('currencies') }}

),

summed as (

    select
        lines.invoice_id,
        lines.tax_code,
        lines.tax_category,
        lines.tax_rate,
        max(currencies.minor_units) as minor_units,
        {{ as_money('sum(lines.net_amount)') }} as taxable_amount

    from lines
    left join currencies
        on lines.currency_code = currencies.currency_code
    group by lines.invoice_id, lines.tax_code, lines.tax_category, lines.tax_rate

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
