-- Grain: one row per closed period, subscription, charge and tax category whose amount, as of
-- everything now known, differs from what has been invoiced for it so far.
with

charge_lines as (

    select * from {{ ref('inv_charge_lines') }}

),

closed_periods as (

    select * from {{ ref('inv_closed_periods') }}

),

issued_lines as (

    select
        issued_invoices.customer_id,
        issued_invoices.currency_code,
        coalesce(issued_invoice_lines.adjusted_billing_period, issued_invoices.billing_period)
            as billing_period,
        issued_invoice_lines.subscription_id,
        issued_invoice_lines.charge_code,
        issued_invoice_lines.charge_name,
        issued_invoice_lines.tax_category,
        issued_invoice_lines.net_amount

    from {{ source('ledger', 'issued_invoice_lines') }} as issued_invoice_lines
    inner join {{ source('ledger', 'issued_invoices') }} as issued_invoices
        on issued_invoice_lines.invoice_id = issued_invoices.invoice_id

),

movements as (

    select
        charge_lines.invoiced_customer_id as customer_id,
        charge_lines.currency_code,
        charge_lines.billing_period,
        charge_lines.subscription_id,
        charge_lines.charge_code,
        charge_lines.charge_name,
        charge_lines.tax_category,
        charge_lines.net_amount
    from charge_lines
    inner join closed_periods
        on charge_lines.invoiced_customer_id = closed_periods.customer_id
        and charge_lines.currency_code = closed_periods.currency_code
        and charge_lines.billing_period = closed_periods.billing_period

    union all

    select
        customer_id,
        currency_code,
        billing_period,
        subscription_id,
        charge_code,
        charge_name,
        tax_category,
        -net_amount as net_amount
    from issued_lines

)

select
    customer_id,
    currency_code,
    billing_period as adjusted_billing_period,
    subscription_id,
    charge_code,
    max(charge_name) as charge_name,
    tax_category,
    {{ as_money('sum(net_amount)') }} as net_amount
from movements
group by customer_id, currency_code, billing_period, subscription_id, charge_code, tax_category
having sum(net_amount) <> 0
