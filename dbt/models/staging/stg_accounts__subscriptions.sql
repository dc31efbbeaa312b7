-- Grain: one row per term of a subscription: a subscription_id and its start on a plan.
-- A subscription that changes plan has one row per plan, each ending where the next starts.
-- A term that overlaps the next one ends there too, so that nothing is charged twice.
select
    subscription_id,
    customer_id,
    invoiced_customer_id,
    timezone,
    plan_code,
    currency_code,
    billing_interval,
    billing_anchor,
    term_from_at,
    least(term_to_at, coalesce(next_from_at, {{ end_of_time() }})) as term_to_at
from {{ ref('stg_accounts__terms') }}
where
    unusable_field is null
    and term_from_at < least(term_to_at, coalesce(next_from_at, {{ end_of_time() }}))
