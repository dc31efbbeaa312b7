-- Grain: one row per term of a subscription: a subscription_id and its start on a plan.
-- A subscription that changes plan has one row per plan, each ending where the next starts.
-- A term that overlaps the next one ends there too, so that nothing is charged twice.
with

terms as (

    select
        *,
        least(term_to_at, coalesce(next_from_at, {{ end_of_time() }})) as ends_at

    from {{ ref('stg_accounts__terms') }}
    where unusable_field is null

)

select
    subscription_id,
    customer_id,
    invoiced_customer_id,
    timezone,
    plan_code,
    currency_code,
    plan_currency_code,
    billing_interval,
    is_tax_included,
    billing_anchor,
    last_billing_period,
    is_cut_short,
    term_from_at,
    ends_at as term_to_at,
    -- Until the trial ends nothing is owed; a trial beyond the term is all of it.
    case
        when trial_to_at > ends_at then ends_at
        when trial_to_at > term_from_at then trial_to_at
        else term_from_at
    end as paid_from_at
from terms
where term_from_at < ends_at
