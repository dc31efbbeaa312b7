-- Grain: one row per term and billing period that has an invoice by now: the period that the
-- invoice is for, the plan's own or, where prices have shorter ones, the shortest.
-- A longer one ends with the same invoice but began before it.
with

ranked as (

    select
        *,
        row_number() over (
            partition by subscription_id, term_from_at, billing_period
            order by to_at asc, from_at desc
        ) as length_rank

    from {{ ref('met_billing_periods') }}
    where billing_period is not null

)

select
    subscription_id,
    term_from_at,
    billing_period,
    from_at,
    to_at
from ranked
where length_rank = 1
