-- Lines = net amount of their invoice, to the last minor unit.
with

lines as (

    select
        invoice_id,
        sum(net_amount) as lines_amount

    from {{ ref('fct_invoice_lines') }}
    group by invoice_id

)

select
    invoices.invoice_id,
    invoices.currency_code,
    invoices.net_amount,
    lines.lines_amount,
    invoices.net_amount - coalesce(lines.lines_amount, 0) as gap_amount
from {{ ref('fct_invoices') }} as invoices
left join lines
    on invoices.invoice_id = lines.invoice_id
where
    invoices.net_amount is null
    or invoices.net_amount <> coalesce(lines.lines_amount, 0)
