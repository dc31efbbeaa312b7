-- Rated = invoiced, in the terms of the prices: charges, minimums and maximums, commitments and
-- discounts as of everything now known are what issued invoices and drafts, adjustments included,
-- add up to. Over all periods, since lines that cancel out to a zero invoice are left out together,
-- but those that are settled: what they came to was compared when they were rated. A customer whose
-- share of a discount or whose adjustment is set aside is named by fct_charge_exceptions instead.
with

settled_periods as (

    select * from {{ ref('rat_period_inputs') }}
    where is_settled

),

set_aside as (

    select distinct
        invoiced_customer_id as customer_id,
        currency_code

    from {{ ref('inv_charges_set_aside') }}
    where line_type in ('discount', 'adjustment')

),

rated as (

    select
        invoiced_customer_id as customer_id,
        currency_code,
        sum(net_amount) as priced_amount

    from (
        {% for part in ['charge_lines', 'bound_lines', 'commitment_lines',
            'percentage_discounts', 'fixed_discounts'] %}
        select invoiced_customer_id, currency_code, net_amount from {{ ref('inv_' ~ part) }}
        {{ 'union all' if not loop.last }}
        {% endfor %}
    ) as parts
    group by invoiced_customer_id, currency_code

),

invoiced as (

    select
        invoices.customer_id,
        invoices.currency_code,
        sum(coalesce(lines.gross_amount, lines.net_amount)) as priced_amount

    from {{ ref('fct_invoice_lines') }} as lines
    inner join {{ ref('fct_invoices') }} as invoices
        on lines.invoice_id = invoices.invoice_id
    left join settled_periods
        on invoices.customer_id = settled_periods.invoiced_customer_id
        and invoices.currency_code = settled_periods.currency_code
        and coalesce(lines.adjusted_billing_period, invoices.billing_period)
        = settled_periods.billing_period
    where settled_periods.invoiced_customer_id is null
    group by invoices.customer_id, invoices.currency_code

)

select
    coalesce(rated.customer_id, invoiced.customer_id) as customer_id,
    coalesce(rated.currency_code, invoiced.currency_code) as currency_code,
    coalesce(rated.priced_amount, 0) as rated_amount,
    coalesce(invoiced.priced_amount, 0) as invoiced_amount,
    coalesce(rated.priced_amount, 0) - coalesce(invoiced.priced_amount, 0) as gap_amount
from rated
full outer join invoiced
    on rated.customer_id = invoiced.customer_id
    and rated.currency_code = invoiced.currency_code
left join set_aside
    on coalesce(rated.customer_id, invoiced.customer_id) = set_aside.customer_id
    and coalesce(rated.currency_code, invoiced.currency_code) = set_aside.currency_code
where
    coalesce(rated.priced_amount, 0) <> coalesce(invoiced.priced_amount, 0)
    and set_aside.customer_id is null
