-- Grain: one row per term and span in which it is not paused.
-- Pauses that touch or overlap are one; a term without pauses is one span.
with

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

pauses as (

    select * from {{ ref('stg_accounts__pauses') }}

),

clipped as (

    select
        terms.subscription_id,
        terms.term_from_at,
        terms.term_to_at,
        greatest(
            terms.term_from_at, {{ bound_to_instant('pauses.paused_from', 'terms.timezone') }}
        ) as from_at,
        least(
            terms.term_to_at,
            case
                when pauses.paused_to is null then {{ end_of_time() }}
                else {{ bound_to_instant('pauses.paused_to', 'terms.timezone') }}
            end
        ) as to_at

    from terms
    inner join pauses
        on terms.subscription_id = pauses.subscription_id

),

paused as (

    select *
    from clipped
    where from_at < to_at

),

-- The end of a pause begins a span, unless another pause goes on.
ends as (

    select subscription_id, term_from_at, term_to_at, to_at as from_at
    from paused
    union
    select subscription_id, term_from_at, term_to_at, term_from_at as from_at
    from terms

),

spans as (

    select
        ends.subscription_id,
        ends.term_from_at,
        ends.from_at,
        least(
            ends.term_to_at,
            coalesce(min(paused.from_at), {{ end_of_time() }})
        ) as to_at,
        max(case when paused.from_at <= ends.from_at then 1 else 0 end) as is_paused

    from ends
    left join paused
        on ends.subscription_id = paused.subscription_id
        and ends.term_from_at = paused.term_from_at
        and ends.from_at < paused.to_at
    group by ends.subscription_id, ends.term_from_at, ends.term_to_at, ends.from_at

)

select
    subscription_id,
    term_from_at,
    from_at,
    to_at
from spans
where
    is_paused = 0
    and from_at < to_at
