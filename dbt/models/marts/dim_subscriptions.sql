-- Grain: one row per subscription and term on a plan.
select
    subscription_id,
    customer_id,
    invoiced_customer_id,
    plan_code,
    currency_code,
    billing_interval,
    billing_anchor,
    timezone,
    term_from_at as started_at,
    case when term_to_at < {{ end_of_time() }} then term_to_at end as ended_at
from {{ ref('stg_accounts__subscriptions') }}
