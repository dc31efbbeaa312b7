-- Grain: one row per row of the newest subscriptions snapshot, usable or not, and per row, as
-- last seen, of a subscription that has left it and has issued invoices.
-- Such a subscription is over with the last period invoiced: it is charged nothing new, and what
-- arrives late for its periods still reaches the customer.
with

load_files as (

    select * from {{ source('raw', 'load_files') }}
    where file_kind = 'subscriptions'

),

subscriptions as (

    select
        subscriptions.*,
        load_files.source_file

    from {{ source('raw', 'subscriptions') }} as subscriptions
    inner join load_files
        on subscriptions.file_id = load_files.file_id

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

plans as (

    select * from {{ ref('plans') }}

),

offered as (

    select distinct
        plan_code,
        currency_code

    from {{ ref('prices') }}
    where coalesce(currency_code, '') <> ''

),

newest as (

    select max(source_file) as source_file from load_files

),

invoiced as (

    select
        issued_invoice_lines.subscription_id,
        max(issued_invoice_lines.period_to) as invoiced_to_at,
        max(coalesce(issued_invoice_lines.adjusted_billing_period, issued_invoices.billing_period))
            as last_billing_period

    from {{ source('ledger', 'issued_invoice_lines') }} as issued_invoice_lines
    inner join {{ source('ledger', 'issued_invoices') }} as issued_invoices
        on issued_invoice_lines.invoice_id = issued_invoices.invoice_id
    group by issued_invoice_lines.subscription_id

),

last_seen as (

    select
        subscriptions.subscription_id,
        max(subscriptions.source_file) as source_file

    from subscriptions
    inner join invoiced
        on subscriptions.subscription_id = invoiced.subscription_id
    group by subscriptions.subscription_id

),

kept as (

    select
        subscriptions.*,
        coalesce(subscriptions.source_file = newest.source_file, false) as is_current

    from subscriptions
    cross join newest
    left join last_seen
        on subscriptions.subscription_id = last_seen.subscription_id
    where
        subscriptions.source_file = newest.source_file
        or subscriptions.source_file = last_seen.source_file

),

dated as (

    select
        kept.source_file,
        kept.position,
        kept.is_current,
        kept.subscription_id,
        kept.customer_id,
        customers.invoiced_customer_id,
        customers.timezone,
        kept.plan_code,
        -- In the customer's currency where the plan has prices in it.
        coalesce(offered.currency_code, plans.currency_code) as currency_code,
        plans.currency_code as plan_currency_code,
        plans.billing_interval,
        coalesce(plans.tax_included, false) as is_tax_included,
        kept.started_at,
        kept.ended_at,
        kept.trial_ends_at,
        coalesce(nullif(kept.billing_anchor, ''), 'calendar') as billing_anchor,
        invoiced.subscription_id is not null as is_invoiced,
        {{ bound_to_instant('kept.started_at', "coalesce(customers.timezone, 'UTC')") }}
            as term_from_at,
        case
            when coalesce(kept.ended_at, '') = '' then {{ end_of_time() }}
            else {{ bound_to_instant('kept.ended_at', "coalesce(customers.timezone, 'UTC')") }}
        end as stated_to_at,
        case
            when coalesce(kept.trial_ends_at, '') <> ''
                then {{ bound_to_instant('kept.trial_ends_at', "coalesce(customers.timezone, 'UTC')") }}
        end as trial_to_at,
        case when kept.is_current then {{ end_of_time() }} else invoiced.invoiced_to_at end
            as last_to_at,
        -- What was paid in advance is no period invoiced: nothing else is charged for it.
        case when not kept.is_current then invoiced.last_billing_period end as last_billing_period,
        customers.customer_id is null as lacks_customer,
        coalesce(customers.is_current, false) as is_customer_current,
        plans.plan_code is null as lacks_plan

    from kept
    left join customers
        on kept.customer_id = customers.customer_id
    left join plans
        on kept.plan_code = plans.plan_code
    left join offered
        on kept.plan_code = offered.plan_code
        and customers.currency_code = offered.currency_code
    left join invoiced
        on kept.subscription_id = invoiced.subscription_id

),

judged as (

    select
        *,
        case
            when coalesce(subscription_id, '') = '' then 'subscription_id'
            when lacks_customer then 'customer_id'
            when lacks_plan then 'plan_code'
            when term_from_at is null then 'started_at'
            when stated_to_at is null or stated_to_at < term_from_at then 'ended_at'
        end as unusable_field,
        least(stated_to_at, last_to_at) as term_to_at,
        coalesce(last_to_at < stated_to_at, false) as is_cut_short

    from dated

),

-- Rows that begin together are one term stated twice; the last one in the file counts.
restated as (

    select
        *,
        coalesce(lead(term_from_at) over (
            partition by subscription_id, unusable_field order by term_from_at, position
        ) = term_from_at, false) as is_restated

    from judged

)

-- A term ends where the next one begins; one that never was, ending at its start, ends none.
select
    source_file,
    position,
    is_current,
    is_invoiced,
    is_customer_current,
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
    started_at,
    ended_at,
    trial_ends_at,
    trial_to_at,
    term_from_at,
    term_to_at,
    unusable_field,
    case
        when unusable_field is not null then null
        when is_restated then term_from_at
        else min(case when not is_restated and term_to_at > term_from_at then term_from_at end) over (
            partition by subscription_id, unusable_field order by term_from_at, position
            rows between 1 following and unbounded following
        )
    end as next_from_at
from restated
