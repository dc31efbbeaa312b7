-- Grain: one row per closed period, subscription, charge and tax category whose amount, as of
-- everything now known, differs from what has been invoiced for it so far. Minimums, discounts
-- and commitments of the period are part of that amount. Where prices include tax, so does the
-- difference; tax-inclusive rounding lines count as nothing, since they carry no price.
-- It is for the span of the lines on both sides, and taxed as of the last day of that.
-- One that does not fit has no amount, and is on no invoice: inv_charges_set_aside has it.
with

owed_lines as (

    select * from {{ ref('inv_owed_lines') }}

),

closed_periods as (

    select * from {{ ref('inv_closed_periods') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

-- They come to what was issued, so neither side of them is here.
settled_periods as (

    select * from {{ ref('rat_period_inputs') }}
    where is_settled

),

-- The terms of a subscription have one customer; of one that never was, nothing is known.
zones as (

    select
        subscription_id,
        min(timezone) as timezone

    from {{ ref('stg_accounts__subscriptions') }}
    group by subscription_id

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
        issued_invoice_lines.period_from as line_from_at,
        issued_invoice_lines.period_to as line_to_at,
        issued_invoice_lines.gross_amount is not null as is_tax_included,
        coalesce(issued_invoice_lines.gross_amount, issued_invoice_lines.net_amount)
            as priced_amount

    from {{ source('ledger', 'issued_invoice_lines') }} as issued_invoice_lines
    inner join {{ source('ledger', 'issued_invoices') }} as issued_invoices
        on issued_invoice_lines.invoice_id = issued_invoices.invoice_id
    left join settled_periods
        on issued_invoices.customer_id = settled_periods.invoiced_customer_id
        and issued_invoices.currency_code = settled_periods.currency_code
        and coalesce(issued_invoice_lines.adjusted_billing_period, issued_invoices.billing_period)
        = settled_periods.billing_period
    where settled_periods.invoiced_customer_id is null

),

movements as (

    select
        owed_lines.invoiced_customer_id as customer_id,
        owed_lines.currency_code,
        owed_lines.billing_period,
        owed_lines.subscription_id,
        owed_lines.charge_code,
        owed_lines.charge_name,
        owed_lines.tax_category,
        owed_lines.line_from_at,
        owed_lines.line_to_at,
        owed_lines.is_tax_included,
        owed_lines.priced_amount
    from owed_lines
    inner join closed_periods
        on owed_lines.invoiced_customer_id = closed_periods.customer_id
        and owed_lines.currency_code = closed_periods.currency_code
        and owed_lines.billing_period = closed_periods.billing_period

    union all

    select
        customer_id,
        currency_code,
        billing_period,
        subscription_id,
        charge_code,
        charge_name,
        tax_category,
        line_from_at,
        line_to_at,
        is_tax_included,
        -priced_amount as priced_amount
    from issued_lines

)

select
    movements.customer_id,
    movements.currency_code,
    movements.billing_period as adjusted_billing_period,
    movements.subscription_id,
    movements.charge_code,
    max(movements.charge_name) as charge_name,
    movements.tax_category,
    movements.is_tax_included,
    min(movements.line_from_at) as line_from_at,
    max(movements.line_to_at) as line_to_at,
    coalesce(max(zones.timezone), max(customers.timezone)) as timezone,
    {{ as_money(try_amount('sum(movements.priced_amount)')) }} as priced_amount
from movements
inner join customers
    on movements.customer_id = customers.customer_id
left join zones
    on movements.subscription_id = zones.subscription_id
group by
    movements.customer_id, movements.currency_code, movements.billing_period,
    movements.subscription_id, movements.charge_code, movements.tax_category,
    movements.is_tax_included
having sum(movements.priced_amount) <> 0
