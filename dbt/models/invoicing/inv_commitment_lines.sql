-- Grain: one row per commitment, subscription, billing period and kind: what is owed beside the
-- charges because less (true_up) or more (overage) was spent than committed.
-- A line that does not fit has no amount, and is on no invoice: inv_charges_set_aside has it.
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
            -- What is too large to be shared at once is shared step by step.
            when commitment_amount * active_day_count >= 80000000000000
                then {{ divided_product('commitment_amount', 'active_day_count', 'period_day_count') }}
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

distances as (

    select
        *,
        spent_so_far_amount - spent_amount as spent_before_amount,
        {{ try_difference('committed_amount', 'spent_so_far_amount') }} as distance,
        {{ try_difference('committed_amount', 'spent_so_far_amount - spent_amount') }} as distance_before
    from running

),

-- What the period adds to the excess; a correction downwards gives some of it back. A distance that
-- does not fit is above zero where the spending is below it.
exceeded as (

    select
        *,
        {{ try_sum(
            'case when distance >= 0 or (distance is null and spent_so_far_amount < 0)
                then ' ~ as_amount('0') ~ ' else -distance end',
            'case when distance_before >= 0 or (distance_before is null and spent_before_amount < 0)
                then ' ~ as_amount('0') ~ ' else distance_before end'
        ) }} as excess_amount
    from distances
    where overage_factor <> 1

),

lines as (

    select
        *,
        {{ as_amount('0') }} as excess_amount,
        'true_up' as line_type,
        distance as exact_amount
    from distances
    where
        (distance > 0 or (distance is null and spent_so_far_amount < 0))
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
where coalesce(lines.exact_amount, 1) <> 0
