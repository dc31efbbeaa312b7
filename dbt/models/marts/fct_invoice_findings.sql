-- Grain: one row per billing period, customer, charge and kind of what looks odd about the drafts:
-- what somebody looks at before anybody is billed. A missing tax rate is one row per country and
-- tax category, since it is the same for hundreds of customers.
with

invoices as (

    select * from {{ ref('fct_invoices') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

billed as (

    select
        customer_id,
        currency_code,
        billing_period,
        sum(net_amount) as net_amount

    from invoices
    group by customer_id, currency_code, billing_period

),

-- A customer with a price in a period and no invoice for it has a period of zero.
periods as (

    select
        priced.customer_id,
        priced.currency_code,
        priced.billing_period,
        {{ as_money('coalesce(billed.net_amount, 0)') }} as net_amount,
        row_number() over (
            partition by priced.customer_id, priced.currency_code order by priced.billing_period
        ) as period_number

    from (
        select distinct
            invoiced_customer_id as customer_id,
            currency_code,
            billing_period

        from {{ ref('rat_priced_periods') }}
    ) as priced
    left join billed
        on priced.customer_id = billed.customer_id
        and priced.currency_code = billed.currency_code
        and priced.billing_period = billed.billing_period

),

ranked as (

    select
        periods.customer_id,
        periods.currency_code,
        periods.billing_period,
        periods.net_amount,
        earlier.net_amount as earlier_amount,
        count(*) over (
            partition by periods.customer_id, periods.currency_code, periods.billing_period
        ) as earlier_count,
        row_number() over (
            partition by periods.customer_id, periods.currency_code, periods.billing_period
            order by earlier.net_amount, earlier.billing_period
        ) as earlier_rank

    from periods
    inner join periods as earlier
        on periods.customer_id = earlier.customer_id
        and periods.currency_code = earlier.currency_code
        and periods.period_number > earlier.period_number
        and periods.period_number - earlier.period_number <= 6

),

-- Two plans, or two fees on one invoice, may come to the same of nothing.
rounded_charges as (

    select
        lines.billing_period, max(terms.customer_id) as customer_id,
        lines.subscription_id, lines.charge_code, max(lines.meter_code) as meter_code,
        {{ exact_sum('lines.quantity') }} as quantity, max(lines.unit) as unit,
        lines.currency_code, count(*) as line_count,
        max(cast(lines.exact_amount as string)) as example
    from {{ ref('inv_charge_lines') }} as lines
    inner join terms
        on lines.subscription_id = terms.subscription_id
        and lines.term_from_at = terms.term_from_at
    group by
        lines.billing_period, lines.subscription_id, terms.plan_code, lines.charge_code,
        lines.period_from_at, lines.currency_code
    having
        sum(lines.net_amount) = 0
        -- Lines that cancel out to the last digit are not rounded away.
        and sum(case
            when abs(lines.net_amount) < 99999999999999
                then lines.exact_amount - {{ as_amount('lines.net_amount') }}
        end) <> 0

),

findings as (

    select
        'out_of_own_range' as finding_code, billing_period, billing_period as issue_period, customer_id,
        cast(null as string) as subscription_id, cast(null as string) as charge_code,
        cast(null as string) as meter_code, cast(null as {{ quantity_type() }}) as quantity,
        cast(null as string) as unit, net_amount as found_amount, earlier_amount as usual_amount,
        currency_code, 1 as found_count, cast(null as string) as example
    from ranked
    -- The median, of an even number the lower one; two periods are no range.
    where
        earlier_count >= 3
        and earlier_rank * 2 in (earlier_count, earlier_count + 1)
        and earlier_amount > 0
        and (net_amount * 10 < earlier_amount or net_amount > earlier_amount * 10)

    union all

    select
        'negative_draft' as finding_code, billing_period, issue_period, customer_id,
        cast(null as string) as subscription_id, cast(null as string) as charge_code,
        cast(null as string) as meter_code, cast(null as {{ quantity_type() }}) as quantity,
        cast(null as string) as unit, total_amount as found_amount,
        cast(null as {{ money_type() }}) as usual_amount, currency_code, 1 as found_count,
        document_type as example
    from invoices
    where
        invoice_status = 'draft'
        and total_amount < 0

    union all

    select
        'rounded_to_nothing' as finding_code, billing_period, billing_period as issue_period,
        customer_id, subscription_id, charge_code, meter_code,
        {{ exact_sum('quantity') }} as quantity, max(unit) as unit,
        {{ as_money('0') }} as found_amount, cast(null as {{ money_type() }}) as usual_amount,
        currency_code, sum(line_count) as found_count, example
    from rounded_charges
    group by
        billing_period, customer_id, subscription_id, charge_code, meter_code, currency_code, example

    union all

    select
        'missing_tax_rate' as finding_code, lines.billing_period, invoices.issue_period,
        cast(null as string) as customer_id, cast(null as string) as subscription_id,
        cast(null as string) as charge_code, cast(null as string) as meter_code,
        cast(null as {{ quantity_type() }}) as quantity, cast(null as string) as unit,
        sum(lines.net_amount) as found_amount, cast(null as {{ money_type() }}) as usual_amount,
        lines.currency_code, count(distinct lines.invoice_id) as found_count,
        concat_ws(' ', coalesce(lines.country_code, '(no country)'), lines.tax_category) as example
    from {{ ref('inv_lines') }} as lines
    inner join invoices
        on lines.invoice_id = invoices.invoice_id
    where lines.lacks_tax_rate
    group by
        lines.billing_period, invoices.issue_period, lines.currency_code, lines.country_code,
        lines.tax_category

)

select
    findings.finding_code,
    coalesce(checks.blocks, false) as is_blocking,
    findings.billing_period,
    findings.issue_period,
    findings.customer_id,
    findings.subscription_id,
    findings.charge_code,
    findings.meter_code,
    findings.quantity,
    findings.unit,
    {{ as_money('findings.found_amount') }} as found_amount,
    {{ as_money('findings.usual_amount') }} as usual_amount,
    findings.currency_code,
    cast(findings.found_count as bigint) as found_count,
    findings.example
from findings
left join {{ ref('checks') }} as checks
    on findings.finding_code = checks.check_code
