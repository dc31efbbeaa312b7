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

-- Those of the plan that are invoiced by now; a price may have other intervals.
periods as (

    select periods.*
    from {{ ref('met_billing_periods') }} as periods
    inner join terms
        on periods.subscription_id = terms.subscription_id
        and periods.term_from_at = terms.term_from_at
        and periods.billing_interval = terms.billing_interval
    where periods.billing_period is not null

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
        periods.billing_period,
        periods.period_day_count,
        greatest(periods.from_at, made.valid_from_at) as from_at,
        least(periods.to_at, made.ends_at) as to_at

    from made
    inner join periods
        on made.subscription_id = periods.subscription_id
        and made.term_from_at = periods.term_from_at
        and periods.from_at < made.ends_at
        and periods.to_at > made.valid_from_at

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

counted as (

    select
        covered.*,
        {{ days_between(
            'cast(' ~ utc_to_local('covered.from_at', 'covered.timezone') ~ ' as date)',
            'cast(' ~ utc_to_local('covered.to_at', 'covered.timezone') ~ ' as date)'
        ) }} as active_day_count,
        coalesce(spending.spent_amount, 0) as spent_amount

    from covered
    left join spending
        on covered.commitment_code = spending.commitment_code
        and covered.subscription_id = spending.subscription_id
        and covered.term_from_at = spending.term_from_at
        and covered.billing_period = spending.billing_period

),

-- Two plans of one subscription share the period: their days and their spending add up.
monthly as (

    select
        commitment_code, subscription_id, billing_period, invoiced_customer_id, currency_code,
        commitment_name, commitment_interval, overage_factor, tax_category, commitment_amount,
        ends_at, period_day_count,
        max(term_from_at) as term_from_at,
        min(from_at) as from_at,
        max(to_at) as to_at,
        sum(active_day_count) as active_day_count,
        sum(spent_amount) as spent_amount
    from counted
    group by
        commitment_code, subscription_id, billing_period, invoiced_customer_id, currency_code,
        commitment_name, commitment_interval, overage_factor, tax_category, commitment_amount,
        ends_at, period_day_count

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
                case when commitment_interval = 'period' then billing_period else '' end
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
        and (commitment_interval = 'period' or to_at = ends_at)

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
