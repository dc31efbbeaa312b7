-- Grain: one row per term of a subscription: a subscription_id and its start on a plan.
-- A subscription that changes plan has one row per plan, each ending where the next starts.
with

load_files as (

    select * from {{ source('raw', 'load_files') }}

),

subscriptions as (

    select * from {{ source('raw', 'subscriptions') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

plans as (

    select * from {{ ref('plans') }}

),

newest as (

    select file_id
    from load_files
    where file_kind = 'subscriptions'
    order by source_file desc
    limit 1

),

dated as (

    select
        subscriptions.subscription_id,
        subscriptions.customer_id,
        customers.invoiced_customer_id,
        customers.timezone,
        subscriptions.plan_code,
        plans.currency_code,
        plans.billing_interval,
        coalesce(nullif(subscriptions.billing_anchor, ''), 'calendar') as billing_anchor,
        {{ bound_to_instant('subscriptions.started_at', 'customers.timezone') }} as started_at,
        case
            when coalesce(subscriptions.ended_at, '') = '' then {{ end_of_time() }}
            else {{ bound_to_instant('subscriptions.ended_at', 'customers.timezone') }}
        end as ended_at

    from subscriptions
    inner join newest
        on subscriptions.file_id = newest.file_id
    -- A subscription without customer or plan cannot be billed; its usage becomes
    -- no_active_subscription or unknown_subject, and the accounts check names the row.
    inner join customers
        on subscriptions.customer_id = customers.customer_id
    inner join plans
        on subscriptions.plan_code = plans.plan_code

)

select
    subscription_id,
    customer_id,
    invoiced_customer_id,
    timezone,
    plan_code,
    currency_code,
    billing_interval,
    billing_anchor,
    started_at as term_from_at,
    ended_at as term_to_at
from dated
where
    started_at is not null
    and ended_at > started_at
