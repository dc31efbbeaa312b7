-- Grain: one row per draft invoice, set of tax codes and tax code, over prices that include tax.
-- The tax inside the sum of the prices, rounded once: gross × rate ÷ (100 + all rates).
with

lines as (

    select * from {{ ref('inv_taxed_lines') }}
    where gross_amount is not null

),

taxes as (

    select * from {{ ref('inv_applied_taxes') }}

),

summed as (

    select
        lines.invoice_id,
        lines.tax_codes,
        taxes.total_tax_rate,
        taxes.tax_code,
        taxes.tax_rate,
        max(lines.minor_units) as minor_units,
        sum(lines.gross_amount) as gross_amount

    from lines
    inner join taxes
        on lines.tax_category = taxes.tax_category
        and lines.country_code = taxes.country_code
        and lines.tax_treatment = taxes.tax_treatment
        and lines.tax_date = taxes.tax_date
    group by
        lines.invoice_id, lines.tax_codes, taxes.total_tax_rate, taxes.tax_code, taxes.tax_rate

)

select
    invoice_id,
    tax_codes,
    total_tax_rate,
    tax_code,
    tax_rate,
    {{ round_to_minor_units(
        share_of_sum('gross_amount', 'tax_rate', '100 + total_tax_rate'), 'minor_units'
    ) }} as tax_amount
from summed
