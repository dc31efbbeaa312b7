-- Grain: one row per term, charge and span in which one price version holds.
-- A negotiated price replaces the plan's charge while it is valid; before and after, the plan's
-- own price holds.
with

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

prices as (

    select * from {{ ref('prices') }}

),

offers as (

    select
        terms.subscription_id,
        terms.term_from_at,
        prices.charge_code,
        prices.price_id,
        case when coalesce(prices.subscription_id, '') = '' then 1 else 0 end as preference,
        greatest(
            terms.term_from_at,
            case
                when coalesce(prices.valid_from, '') = '' then {{ beginning_of_time() }}
                else {{ bound_to_instant('prices.valid_from', 'terms.timezone') }}
            end
        ) as from_at,
        least(
            terms.term_to_at,
            case
                when coalesce(prices.valid_to, '') = '' then {{ end_of_time() }}
                else {{ bound_to_instant('prices.valid_to', 'terms.timezone') }}
            end
        ) as to_at

    from terms
    inner join prices
        on terms.plan_code = prices.plan_code
        and (
            coalesce(prices.subscription_id, '') = ''
            or prices.subscription_id = terms.subscription_id
        )

),

bounds as (

    select subscription_id, term_from_at, charge_code, from_at as bound_at
    from offers
    where from_at < to_at
    union
    select subscription_id, term_from_at, charge_code, to_at as bound_at
    from offers
    where from_at < to_at

),

spans as (

    select
        *,
        lead(bound_at) over (
            partition by subscription_id, term_from_at, charge_code order by bound_at
        ) as next_bound_at

    from bounds

),

chosen as (

    select
        spans.subscription_id,
        spans.term_from_at,
        spans.charge_code,
        spans.bound_at as from_at,
        spans.next_bound_at as to_at,
        offers.price_id,
        row_number() over (
            partition by
                spans.subscription_id, spans.term_from_at, spans.charge_code, spans.bound_at
            order by offers.preference, offers.price_id
        ) as choice

    from spans
    inner join offers
        on spans.subscription_id = offers.subscription_id
        and spans.term_from_at = offers.term_from_at
        and spans.charge_code = offers.charge_code
        and spans.bound_at >= offers.from_at
        and spans.next_bound_at <= offers.to_at

),

-- Neighbours of one price are one window: a bound that changes nothing splits no line.
marked as (

    select
        *,
        case
            when
                price_id = lag(price_id)
                    over (
                        partition by subscription_id, term_from_at, charge_code order by from_at
                    )
                and from_at = lag(to_at) over (
                    partition by subscription_id, term_from_at, charge_code order by from_at
                )
                then 0
            else 1
        end as starts_window

    from chosen
    where choice = 1

),

numbered as (

    select
        *,
        sum(starts_window) over (
            partition by subscription_id, term_from_at, charge_code order by from_at
        ) as window_number

    from marked

)

select
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    min(from_at) as from_at,
    max(to_at) as to_at
from numbered
group by subscription_id, term_from_at, charge_code, price_id, window_number
