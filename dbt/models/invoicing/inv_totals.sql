-- Grain: one row per draft invoice: customer, currency and billing period, or adjustments that
-- stand alone. Sums of rounded lines and rounded taxes, before prepaid credit.
with

lines as (

    select * from {{ ref('inv_lines') }}

),

tax_totals as (

    select
        invoice_id,
        sum(tax_amount) as tax_amount

    from {{ ref('inv_taxes') }}
    group by invoice_id

),

summed as (

    select
        invoice_id,
        customer_id,
        currency_code,
        billing_period,
        coalesce(min(case when adjusted_billing_period is null then line_from_at end), min(line_from_at))
            as period_from,
        coalesce(max(case when adjusted_billing_period is null then line_to_at end), max(line_to_at))
            as period_to,
        coalesce(max(case when adjusted_billing_period is null then tax_date end), max(tax_date))
            as last_date,
        cast(count(case when line_type not in ('adjustment', 'rounding') then 1 end) as bigint)
            as charge_count,
        max(case when lacks_tax_rate then 1 else 0 end) = 1 as lacks_tax_rate,
        sum(net_amount) as net_amount

    from lines
    group by invoice_id, customer_id, currency_code, billing_period

)

select
    summed.invoice_id,
    summed.customer_id,
    summed.currency_code,
    summed.billing_period,
    summed.period_from,
    summed.period_to,
    summed.last_date,
    summed.charge_count,
    summed.lacks_tax_rate,
    {{ as_money('summed.net_amount') }} as net_amount,
    {{ as_money('coalesce(tax_totals.tax_amount, 0)') }} as tax_amount,
    {{ as_money('summed.net_amount + coalesce(tax_totals.tax_amount, 0)') }} as total_amount
from summed
left join tax_totals
    on summed.invoice_id = tax_totals.invoice_id
