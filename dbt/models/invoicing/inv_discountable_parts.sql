-- Grain: one row per term, billing period, charge, tax category and span of tax rates: what
-- discounts are taken from, which is the charge as printed, with its minimum and maximum;
-- commitments are charges too. Lines on both sides of a change of tax rates are two parts.
with

lines as (

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        charge_code, charge_name, line_from_at, line_to_at, net_amount, tax_category
    from {{ ref('inv_charge_lines') }}

    union all

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        charge_code, charge_name, line_from_at, line_to_at, net_amount, tax_category
    from {{ ref('inv_bound_lines') }}

    union all

    select
        invoiced_customer_id, currency_code, billing_period, subscription_id, term_from_at,
        commitment_code as charge_code, commitment_name as charge_name, line_from_at, line_to_at,
        net_amount, tax_category
    from {{ ref('inv_commitment_lines') }}

),

tax_rate_spans as (

    select * from {{ ref('inv_tax_rate_spans') }}

)

select
    lines.invoiced_customer_id,
    lines.currency_code,
    lines.billing_period,
    lines.subscription_id,
    lines.term_from_at,
    lines.charge_code,
    max(lines.charge_name) as charge_name,
    min(lines.line_from_at) as line_from_at,
    max(lines.line_to_at) as line_to_at,
    {{ as_money('sum(lines.net_amount)') }} as discountable_amount,
    lines.tax_category
from lines
left join tax_rate_spans
    on {{ is_taxed_in('lines', 'tax_rate_spans') }}
-- A line that is not printed has no say in the dates.
where lines.net_amount <> 0
group by
    lines.invoiced_customer_id, lines.currency_code, lines.billing_period,
    lines.subscription_id, lines.term_from_at, lines.charge_code, lines.tax_category,
    tax_rate_spans.from_at
having sum(lines.net_amount) <> 0
