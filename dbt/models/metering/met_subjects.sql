-- Grain: one row per subject, term and span in which usage of the subject belongs to the term.
-- A subscription_id goes before an alias, an alias before a customer_id of the same text. While a
-- subscription is paused, its usage belongs to nobody; nor does usage after the last period
-- invoiced of a subscription that has left the snapshots, also where a fee is paid beyond it.
with

charged as (

    select
        subscription_id,
        term_from_at,
        max(to_at) as charged_to_at

    from {{ ref('met_billing_periods') }}
    where billing_period is not null
    group by subscription_id, term_from_at

),

terms as (

    select
        subscriptions.subscription_id,
        subscriptions.term_from_at,
        subscriptions.customer_id,
        subscriptions.timezone,
        spans.from_at as active_from_at,
        case
            when subscriptions.last_billing_period is null then spans.to_at
            else least(spans.to_at, coalesce(charged.charged_to_at, spans.from_at))
        end as active_to_at

    from {{ ref('stg_accounts__subscriptions') }} as subscriptions
    inner join {{ ref('met_active_spans') }} as spans
        on subscriptions.subscription_id = spans.subscription_id
        and subscriptions.term_from_at = spans.term_from_at
    left join charged
        on subscriptions.subscription_id = charged.subscription_id
        and subscriptions.term_from_at = charged.term_from_at

),

aliases as (

    select * from {{ ref('stg_accounts__subjects') }}

),

candidates as (

    select
        subscription_id as subject,
        1 as preference,
        subscription_id,
        term_from_at,
        customer_id,
        timezone,
        active_from_at as from_at,
        active_to_at as to_at
    from terms

    union all

    select
        aliases.subject,
        2 as preference,
        terms.subscription_id,
        terms.term_from_at,
        terms.customer_id,
        terms.timezone,
        greatest(
            terms.active_from_at,
            case
                when aliases.valid_from is null then {{ beginning_of_time() }}
                else {{ bound_to_instant('aliases.valid_from', 'terms.timezone') }}
            end
        ) as from_at,
        least(
            terms.active_to_at,
            case
                when aliases.valid_to is null then {{ end_of_time() }}
                else {{ bound_to_instant('aliases.valid_to', 'terms.timezone') }}
            end
        ) as to_at
    from aliases
    inner join terms
        on aliases.subscription_id = terms.subscription_id

    union all

    select
        customer_id as subject,
        3 as preference,
        subscription_id,
        term_from_at,
        customer_id,
        timezone,
        active_from_at as from_at,
        active_to_at as to_at
    from terms

),

preferred as (

    select
        *,
        min(preference) over (partition by subject) as best_preference

    from candidates

)

-- Two aliases that come to the same span within the term are one: nothing is ambiguous there.
select distinct
    subject,
    subscription_id,
    term_from_at,
    customer_id,
    timezone,
    from_at,
    to_at
from preferred
where preference = best_preference
