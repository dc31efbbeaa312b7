-- Taxes by rate = tax of the invoice, net + tax = total, total less the credit used = due.
with

taxes as (

    select
        invoice_id,
        sum(tax_amount) as taxes_amount

    from {{ ref('fct_invoice_taxes') }}
    group by invoice_id

),

credits as (

    select
        invoice_id,
        sum(applied_amount) as credits_amount

    from {{ ref('fct_credit_applications') }}
    group by invoice_id

)

select
    invoices.invoice_id,
    invoices.currency_code,
    invoices.tax_amount - coalesce(taxes.taxes_amount, 0) as gap_tax_amount,
    invoices.total_amount - invoices.net_amount - invoices.tax_amount as gap_total_amount,
    invoices.due_amount + coalesce(credits.credits_amount, 0) - invoices.total_amount
        as gap_due_amount
from {{ ref('fct_invoices') }} as invoices
left join taxes
    on invoices.invoice_id = taxes.invoice_id
left join credits
    on invoices.invoice_id = credits.invoice_id
where
    invoices.tax_amount <> coalesce(taxes.taxes_amount, 0)
    or invoices.total_amount <> invoices.net_amount + invoices.tax_amount
    or invoices.due_amount + coalesce(credits.credits_amount, 0) <> invoices.total_amount
    -- Invoices from before there was credit have none.
    or coalesce(invoices.credit_amount, 0) <> coalesce(credits.credits_amount, 0)
