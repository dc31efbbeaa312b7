-- Every line that has a tax rate is in the taxable amount of that rate, once.
with

lines as (

    select
        invoice_id,
        tax_rate,
        sum(net_amount) as lines_amount

    from {{ ref('fct_invoice_lines') }}
    where tax_rate is not null
    group by invoice_id, tax_rate

),

taxes as (

    select
        invoice_id,
        tax_rate,
        sum(taxable_amount) as taxable_amount

    from {{ ref('fct_invoice_taxes') }}
    group by invoice_id, tax_rate

)

select
    coalesce(lines.invoice_id, taxes.invoice_id) as invoice_id,
    coalesce(lines.tax_rate, taxes.tax_rate) as tax_rate,
    coalesce(lines.lines_amount, 0) - coalesce(taxes.taxable_amount, 0) as gap_amount
from lines
full outer join taxes
    on lines.invoice_id = taxes.invoice_id
    and lines.tax_rate = taxes.tax_rate
where coalesce(lines.lines_amount, 0) <> coalesce(taxes.taxable_amount, 0)
