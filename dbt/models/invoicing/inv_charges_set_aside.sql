-- Grain: one row per charge whose exact amount does not fit, 10^14 or more, and per kind of line that
-- does not, of what is agreed about a charge or adjusts it. It is on no invoice.
with

usage_charges as (

    select * from {{ ref('rat_usage_charges') }}

),

recurring_charges as (

    select * from {{ ref('rat_recurring_charges') }}

),

bound_lines as (

    select * from {{ ref('inv_bound_lines') }}

),

commitment_lines as (

    select * from {{ ref('inv_commitment_lines') }}

),

discount_lines as (

    select * from {{ ref('inv_discount_lines') }}

),

adjustments as (

    select * from {{ ref('inv_adjustments') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

billed as (

    select {{ billed_month('max(coalesce(issue_period, billing_period))') }} as billing_period
    from {{ source('ledger', 'issued_invoices') }}

),

agreed as (

    select
        invoiced_customer_id, currency_code, billing_period, line_type, subscription_id,
        term_from_at, charge_code, line_from_at, line_to_at
    from bound_lines
    where exact_amount is null

    union all

    select
        invoiced_customer_id, currency_code, billing_period, line_type, subscription_id,
        term_from_at, commitment_code as charge_code, line_from_at, line_to_at
    from commitment_lines
    where exact_amount is null

    union all

    select
        invoiced_customer_id, currency_code, billing_period, 'discount' as line_type,
        subscription_id, term_from_at, charge_code, line_from_at, line_to_at
    from discount_lines
    where exact_amount is null

)

select
    customer_id,
    invoiced_customer_id,
    currency_code,
    billing_period,
    'charge' as line_type,
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    dimension_values,
    line_from_at,
    line_to_at,
    quantity
from usage_charges
where exact_amount is null

union all

select
    customer_id,
    invoiced_customer_id,
    currency_code,
    billing_period,
    'charge' as line_type,
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    '{}' as dimension_values,
    line_from_at,
    line_to_at,
    quantity
from recurring_charges
where exact_amount is null

union all

select
    max(terms.customer_id) as customer_id,
    agreed.invoiced_customer_id,
    agreed.currency_code,
    agreed.billing_period,
    agreed.line_type,
    agreed.subscription_id,
    agreed.term_from_at,
    agreed.charge_code,
    cast(null as string) as price_id,
    '{}' as dimension_values,
    agreed.line_from_at,
    max(agreed.line_to_at) as line_to_at,
    cast(null as {{ quantity_type() }}) as quantity
from agreed
inner join terms
    on agreed.subscription_id = terms.subscription_id
    and agreed.term_from_at = terms.term_from_at
group by
    agreed.invoiced_customer_id, agreed.currency_code, agreed.billing_period, agreed.line_type,
    agreed.subscription_id, agreed.term_from_at, agreed.charge_code, agreed.line_from_at

union all

-- For the period of the invoice that the adjustment would be on.
select
    adjustments.customer_id,
    adjustments.customer_id as invoiced_customer_id,
    adjustments.currency_code,
    max(billed.billing_period) as billing_period,
    'adjustment' as line_type,
    adjustments.subscription_id,
    cast(null as timestamp) as term_from_at,
    adjustments.charge_code,
    cast(null as string) as price_id,
    '{}' as dimension_values,
    adjustments.line_from_at,
    max(adjustments.line_to_at) as line_to_at,
    cast(null as {{ quantity_type() }}) as quantity
from adjustments
cross join billed
where adjustments.priced_amount is null
group by
    adjustments.customer_id, adjustments.currency_code, adjustments.subscription_id,
    adjustments.charge_code, adjustments.line_from_at
