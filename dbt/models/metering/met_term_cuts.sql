-- Grain: one row per term and instant at which a price or a period of it begins or ends, or a
-- month of a period that is billed by the month.
with

months as (

    select
        periods.subscription_id,
        periods.term_from_at,
        terms.timezone,
        cast(date_trunc('month', periods.period_from_date) as date) as first_month,
        {{ numbers_to(months_between('periods.period_from_date', 'periods.period_to_date')) }}
            as month_number

    from {{ ref('met_billing_periods') }} as periods
    inner join {{ ref('stg_accounts__subscriptions') }} as terms
        on periods.subscription_id = terms.subscription_id
        and periods.term_from_at = terms.term_from_at
    where periods.is_billed_by_month

),

cuts as (

    select subscription_id, term_from_at, from_at as cut_at from {{ ref('met_charge_windows') }}
    union
    select subscription_id, term_from_at, to_at as cut_at from {{ ref('met_charge_windows') }}
    union
    select subscription_id, term_from_at, from_at as cut_at from {{ ref('met_billing_periods') }}
    union
    select subscription_id, term_from_at, to_at as cut_at from {{ ref('met_billing_periods') }}
    union
    select
        subscription_id,
        term_from_at,
        {{ local_to_utc(add_months('first_month', 'month_number'), 'timezone') }} as cut_at
    from months

)

select
    subscription_id,
    term_from_at,
    cut_at
from cuts
