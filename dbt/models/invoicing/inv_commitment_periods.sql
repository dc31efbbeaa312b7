-- Grain: one row per commitment, subscription and billing period that it covers, with the active
-- days and the spending of the period.
-- Spending is what the charges come to, minimums and maximums included, before discounts.
with

commitments as (

    select * from {{ ref('commitments') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

spans as (

    select * from {{ ref('met_active_spans') }}

),

invoice_periods as (

    select * from {{ ref('met_invoice_periods') }}

),

plan_periods as (

    select periods.*
    from {{ ref('met_billing_periods') }} as periods
    inner join terms
        on periods.subscription_id = terms.subscription_id
        and periods.term_from_at = terms.term_from_at
        and periods.billing_interval = terms.billing_interval
    where periods.billing_period is not null

),

-- A commitment is for the plan's period, whose spending may be on several invoices.
invoiced as (

    select
        plan_periods.subscription_id,
        plan_periods.term_from_at,
        plan_periods.billing_period as plan_billing_period,
        plan_periods.period_day_count,
        plan_periods.from_at as plan_from_at,
        plan_periods.to_at as plan_to_at,
        invoice_periods.billing_period,
        invoice_periods.invoiced_customer_id,
        invoice_periods.currency_code,
        invoice_periods.from_at,
        invoice_periods.to_at,
        invoice_periods.has_ended

    from plan_periods
    inner join invoice_periods
        on plan_periods.subscription_id = invoice_periods.subscription_id
        and plan_periods.term_from_at = invoice_periods.term_from_at
        and invoice_periods.from_at >= plan_periods.from_at
        and invoice_periods.to_at <= plan_periods.to_at

),

spent as (

    select subscription_id, term_from_at, billing_period, charge_code, net_amount as spent_amount
    from {{ ref('inv_charge_lines') }}
    union all
    select subscription_id, term_from_at, billing_period, charge_code, net_amount as spent_amount
    from {{ ref('inv_bound_lines') }}

),

made as (

    select
        commitments.commitment_code,
        commitments.commitment_name,
        commitments.commitment_interval,
        commitments.commitment_amount,
        commitments.overage_factor,
        nullif(commitments.charge_code, '') as charge_code,
        nullif(commitments.tax_category, '') as tax_category,
        terms.subscription_id,
        terms.term_from_at,
        commitments.currency_code,
        terms.timezone,
        terms.paid_from_at,
        case
            when coalesce(commitments.valid_from, '') = '' then {{ beginning_of_time() }}
            else {{ bound_to_instant('commitments.valid_from', 'terms.timezone') }}
        end as valid_from_at,
        least(
            case
                when coalesce(commitments.valid_to, '') = '' then {{ end_of_time() }}
                else {{ bound_to_instant('commitments.valid_to', 'terms.timezone') }}
            end,
            max(terms.term_to_at) over (
                partition by commitments.commitment_code, terms.subscription_id
            )
        ) as ends_at

    from commitments
    inner join terms
        on coalesce(nullif(commitments.subscription_id, ''), terms.subscription_id)
        = terms.subscription_id
        and coalesce(nullif(commitments.plan_code, ''), terms.plan_code) = terms.plan_code

),

covered as (

    select
        made.*,
        invoiced.billing_period,
        invoiced.invoiced_customer_id,
        invoiced.has_ended,
        invoiced.plan_billing_period,
        invoiced.period_day_count,
        greatest(invoiced.from_at, made.valid_from_at) as from_at,
        least(invoiced.to_at, made.ends_at) as to_at,
        greatest(invoiced.plan_from_at, made.valid_from_at, made.paid_from_at) as owed_from_at,
        least(invoiced.plan_to_at, made.ends_at) as owed_to_at

    from made
    inner join invoiced
        on made.subscription_id = invoiced.subscription_id
        and made.term_from_at = invoiced.term_from_at
        and made.currency_code = invoiced.currency_code
        and invoiced.from_at < made.ends_at
        and invoiced.to_at > made.valid_from_at

),

spending as (

    select
        covered.commitment_code,
        covered.subscription_id,
        covered.term_from_at,
        covered.billing_period,
        sum(spent.spent_amount) as spent_amount

    from covered
    inner join spent
        on covered.subscription_id = spent.subscription_id
        and covered.term_from_at = spent.term_from_at
        and covered.billing_period = spent.billing_period
        and coalesce(covered.charge_code, spent.charge_code) = spent.charge_code
    group by
        covered.commitment_code, covered.subscription_id, covered.term_from_at,
        covered.billing_period

),

-- Days without trial and pauses, like those of a minimum.
active as (

    select
        covered.commitment_code,
        covered.subscription_id,
        covered.term_from_at,
        covered.billing_period,
        cast(sum({{ local_days_between(
            'greatest(spans.from_at, covered.owed_from_at)',
            'least(spans.to_at, covered.owed_to_at)', 'covered.timezone'
        ) }}) as bigint) as active_day_count

    from covered
    inner join spans
        on covered.subscription_id = spans.subscription_id
        and covered.term_from_at = spans.term_from_at
        and spans.from_at < covered.owed_to_at
        and spans.to_at > covered.owed_from_at
        and covered.owed_from_at < covered.owed_to_at
    group by
        covered.commitment_code, covered.subscription_id, covered.term_from_at,
        covered.billing_period

),

counted as (

    select
        covered.*,
        coalesce(active.active_day_count, 0) as active_day_count,
        coalesce(spending.spent_amount, 0) as spent_amount

    from covered
    left join active
        on covered.commitment_code = active.commitment_code
        and covered.subscription_id = active.subscription_id
        and covered.term_from_at = active.term_from_at
        and covered.billing_period = active.billing_period
    left join spending
        on covered.commitment_code = spending.commitment_code
        and covered.subscription_id = spending.subscription_id
        and covered.term_from_at = spending.term_from_at
        and covered.billing_period = spending.billing_period
    -- A period without active days commits to nothing.
    where
        covered.commitment_interval = 'term'
        or active.active_day_count > 0

)

-- Two plans of one subscription share the period: their days and their spending add up.
select
    commitment_code,
    commitment_name,
    commitment_interval,
    commitment_amount,
    overage_factor,
    subscription_id,
    max(term_from_at) as term_from_at,
    invoiced_customer_id,
    currency_code,
    billing_period,
    plan_billing_period,
    period_day_count,
    min(from_at) as line_from_at,
    max(to_at) as line_to_at,
    max(owed_to_at) as owed_to_at,
    ends_at,
    min(case when has_ended then 1 else 0 end) = 1 as has_ended,
    cast(sum(active_day_count) as bigint) as active_day_count,
    {{ as_money('sum(spent_amount)') }} as spent_amount,
    tax_category
from counted
group by
    commitment_code, subscription_id, billing_period, invoiced_customer_id, currency_code,
    commitment_name, commitment_interval, overage_factor, tax_category, commitment_amount,
    ends_at, plan_billing_period, period_day_count
