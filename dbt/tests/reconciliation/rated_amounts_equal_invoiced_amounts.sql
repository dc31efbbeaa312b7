-- Rated = invoiced: what a customer owes as of everything now known is what issued invoices and
-- drafts, adjustments included, add up to. Over all periods, since lines that cancel out to a
-- zero invoice are left out together.
with

rated as (

    select
        invoiced_customer_id as customer_id,
        currency_code,
        sum(net_amount) as net_amount

    from {{ ref('inv_charge_lines') }}
    group by invoiced_customer_id, currency_code

),

invoiced as (

    select
        invoices.customer_id,
        invoices.currency_code,
        sum(lines.net_amount) as net_amount

    from {{ ref('fct_invoice_lines') }} as lines
    inner join {{ ref('fct_invoices') }} as invoices
        on lines.invoice_id = invoices.invoice_id
    group by invoices.customer_id, invoices.currency_code

)

select
    coalesce(rated.customer_id, invoiced.customer_id) as customer_id,
    coalesce(rated.currency_code, invoiced.currency_code) as currency_code,
    coalesce(rated.net_amount, 0) as rated_amount,
    coalesce(invoiced.net_amount, 0) as invoiced_amount,
    coalesce(rated.net_amount, 0) - coalesce(invoiced.net_amount, 0) as gap_amount
from rated
full outer join invoiced
    on rated.customer_id = invoiced.customer_id
    and rated.currency_code = invoiced.currency_code
where coalesce(rated.net_amount, 0) <> coalesce(invoiced.net_amount, 0)
