-- Grain: one row per commitment, subscription, billing period and kind: what is owed beside the
-- charges because less (true_up) or more (overage) was spent than committed.
with

commitment_periods as (

    select * from {{ ref('inv_commitment_periods') }}

),

currencies as (

    select * from {{ ref('currencies') }}

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
    from commitment_periods

),

-- What the period adds to the excess; a correction downwards gives some of it back.
exceeded as (

    select
        *,
        {{ as_amount('case when spent_so_far_amount > committed_amount
            then spent_so_far_amount - committed_amount else 0 end
            - case when spent_so_far_amount - spent_amount > committed_amount
            then spent_so_far_amount - spent_amount - committed_amount else 0 end') }} as excess_amount
    from running
    where overage_factor is not null

),

lines as (

    select
        *,
        {{ as_amount('0') }} as excess_amount,
        'true_up' as line_type,
        {{ as_amount('committed_amount - spent_so_far_amount') }} as exact_amount
    from running
    where
        committed_amount > spent_so_far_amount
        and has_ended
        and line_to_at = case when commitment_interval = 'period' then owed_to_at else ends_at end

    union all

    select
        *,
        'overage' as line_type,
        {{ multiplied_amount('excess_amount', '(overage_factor - 1)') }} as exact_amount
    from exceeded

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
    lines.line_from_at,
    lines.line_to_at,
    lines.exact_amount,
    {{ round_to_minor_units('lines.exact_amount', 'currencies.minor_units') }} as net_amount,
    lines.tax_category
from lines
left join currencies
    on lines.currency_code = currencies.currency_code
where lines.exact_amount <> 0
