-- Grain: one row per tax code, rate and draft invoice. Tax is rounded once, on the sum of its
-- lines, whatever their categories: two categories at one rate are one row that names both.
-- Tax that prices include is rounded by itself, since it is taken out of them and not added.
with

lines as (

    select
        inv_lines.*,
        applied_taxes.tax_code,
        applied_taxes.tax_rate as code_tax_rate

    from {{ ref('inv_lines') }} as inv_lines
    inner join {{ ref('inv_applied_taxes') }} as applied_taxes
        on inv_lines.tax_category = applied_taxes.tax_category
        and inv_lines.country_code = applied_taxes.country_code
        and inv_lines.tax_treatment = applied_taxes.tax_treatment
        and inv_lines.tax_date = applied_taxes.tax_date

),

included_taxes as (

    select
        invoice_id,
        tax_code,
        tax_rate,
        sum(tax_amount) as tax_amount

    from {{ ref('inv_included_taxes') }}
    group by invoice_id, tax_code, tax_rate

),

currencies as (

    select * from {{ ref('currencies') }}

),

categories as (

    select
        lines.invoice_id,
        lines.tax_code,
        lines.tax_category,
        lines.code_tax_rate as tax_rate,
        max(currencies.minor_units) as minor_units,
        sum(lines.net_amount) as taxable_amount,
        sum(case when lines.gross_amount is null then lines.net_amount else 0 end)
            as added_to_amount

    from lines
    left join currencies
        on lines.currency_code = currencies.currency_code
    group by lines.invoice_id, lines.tax_code, lines.tax_category, lines.code_tax_rate

),

summed as (

    select
        invoice_id,
        tax_code,
        replace({{ joined_text('tax_category', 'tax_category') }}, chr(10), ', ') as tax_category,
        tax_rate,
        max(minor_units) as minor_units,
        {{ as_money('sum(taxable_amount)') }} as taxable_amount,
        {{ as_money('sum(added_to_amount)') }} as added_to_amount

    from categories
    group by invoice_id, tax_code, tax_rate

),

exact as (

    select
        summed.*,
        {{ percent_of('summed.added_to_amount', 'summed.tax_rate') }} as exact_amount,
        coalesce(included_taxes.tax_amount, 0) as included_amount

    from summed
    left join included_taxes
        on summed.invoice_id = included_taxes.invoice_id
        and summed.tax_code = included_taxes.tax_code
        and summed.tax_rate = included_taxes.tax_rate

)

select
    invoice_id,
    tax_code,
    tax_category,
    tax_rate,
    taxable_amount,
    {{ as_money(round_to_minor_units('exact_amount', 'minor_units') ~ ' + included_amount') }}
        as tax_amount
from exact
