-- Grain: one row per commitment, subscription, billing period and kind: what is owed beside the
-- charges because less (true_up) or more (overage) was spent than committed.
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

-- Those that have an invoice by now: the plan's and, where prices have shorter ones, these.
periods as (

    select
        *,
        row_number() over (
            partition by subscription_id, term_from_at, billing_period
            order by to_at asc, from_at desc
        ) as length_rank

    from {{ ref('met_billing_periods') }}
    where billing_period is not null

),

plan_periods as (

    select periods.*
    from periods
    inner join terms
        on periods.subscription_id = terms.subscription_id
        and periods.term_from_at = terms.term_from_at
        and periods.billing_interval = terms.billing_interval

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
        periods.billing_period,
        periods.from_at,
        periods.to_at

    from plan_periods
    inner join periods
        on plan_periods.subscription_id = periods.subscription_id
        and plan_periods.term_from_at = periods.term_from_at
        and periods.from_at >= plan_periods.from_at
        and periods.to_at <= plan_periods.to_at
        and periods.length_rank = 1

),

currencies as (

    select * from {{ ref('currencies') }}

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
        terms.invoiced_customer_id,
        terms.currency_code,
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
        on commitments.currency_code = terms.currency_code
        and coalesce(nullif(commitments.subscription_id, ''), terms.subscription_id)
        = terms.subscription_id
        and coalesce(nullif(commitments.plan_code, ''), terms.plan_code) = terms.plan_code

),

covered as (

    select
        made.*,
        invoiced.billing_period,
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
        cast(sum({{ days_between(
            'cast(' ~ utc_to_local('greatest(spans.from_at, covered.owed_from_at)', 'covered.timezone') ~ ' as date)',
            'cast(' ~ utc_to_local('least(spans.to_at, covered.owed_to_at)', 'covered.timezone') ~ ' as date)'
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

),

-- Two plans of one subscription share the period: their days and their spending add up.
monthly as (

    select
        commitment_code, subscription_id, billing_period, invoiced_customer_id, currency_code,
        commitment_name, commitment_interval, overage_factor, tax_category, commitment_amount,
        ends_at, plan_billing_period, period_day_count,
        max(term_from_at) as term_from_at,
        min(from_at) as from_at,
        max(to_at) as to_at,
        max(owed_to_at) as owed_to_at,
        sum(active_day_count) as active_day_count,
        sum(spent_amount) as spent_amount
    from counted
    group by
        commitment_code, subscription_id, billing_period, invoiced_customer_id, currency_code,
        commitment_name, commitment_interval, overage_factor, tax_category, commitment_amount,
        ends_at, plan_billing_period, period_day_count

),

running as (

    select
        *,
        case
            when commitment_interval = 'term' then {{ as_amount('commitment_amount') }}
            else {{ share('commitment_amount', 'active_day_count', 'period_day_count') }}
        end as committed_amount,
        sum(spent_amount) over (
            partition by
                commitment_code, subscription_id,
                case when commitment_interval = 'period' then plan_billing_period else '' end
            order by billing_period, period_day_count
            rows between unbounded preceding and current row
        ) as spent_so_far_amount
    from monthly

),

lines as (

    select
        *,
        'true_up' as line_type,
        {{ as_amount('committed_amount - spent_so_far_amount') }} as exact_amount
    from running
    where
        committed_amount > spent_so_far_amount
        and to_at = case when commitment_interval = 'period' then owed_to_at else ends_at end

    union all

    -- What the period adds to the excess; a correction downwards gives some of it back.
    select
        *,
        'overage' as line_type,
        {{ as_amount('(case when spent_so_far_amount > committed_amount
            then spent_so_far_amount - committed_amount else 0 end
            - case when spent_so_far_amount - spent_amount > committed_amount
            then spent_so_far_amount - spent_amount - committed_amount else 0 end)
            * (overage_factor - 1)') }} as exact_amount
    from running
    where overage_factor is not null

)

select
    lines.invoiced_customer_id,
    lines.currency_code,
    lines.billing_period,
    lines.line_type,
    lines.subscription_id,
    lines.term_from_at,
    lines.commitment_code,
    lines.commitment_name,
    lines.from_at as line_from_at,
    lines.to_at as line_to_at,
    lines.exact_amount,
    {{ round_to_minor_units('lines.exact_amount', 'currencies.minor_units') }} as net_amount,
    lines.tax_category
from lines
left join currencies
    on lines.currency_code = currencies.currency_code
where lines.exact_amount <> 0
