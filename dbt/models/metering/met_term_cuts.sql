-- Grain: one row per term and instant at which a price or a period of it begins or ends.
with

cuts as (

    select subscription_id, term_from_at, from_at as cut_at from {{ ref('met_charge_windows') }}
    union
    select subscription_id, term_from_at, to_at as cut_at from {{ ref('met_charge_windows') }}
    union
    select subscription_id, term_from_at, from_at as cut_at from {{ ref('met_billing_periods') }}
    union
    select subscription_id, term_from_at, to_at as cut_at from {{ ref('met_billing_periods') }}

)

select
    subscription_id,
    term_from_at,
    cut_at
from cuts
