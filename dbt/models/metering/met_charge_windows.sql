-- Grain: one row per term, charge, dimension filter and span in which one price version holds.
-- A negotiated price replaces the plan's charge while it is valid; before and after, the plan's
-- own price holds. One with a filter replaces the price of that filter, one without all of them
-- but those that are negotiated as well.
-- A phase is counted in months from the start of the term; the end of a trial cuts a window.
-- In the currency of the term and in those of its issued periods, since these stay in theirs.
with

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

term_currencies as (

    select subscription_id, term_from_at, currency_code from terms
    union
    select
        terms.subscription_id,
        terms.term_from_at,
        issued.currency_code
    from terms
    inner join {{ source('ledger', 'issued_invoice_lines') }} as issued
        on terms.subscription_id = issued.subscription_id
        and terms.currency_code <> issued.currency_code

),

prices as (

    select
        prices.*,
        coalesce(prices.dimension_filter, '') as filter_text,
        coalesce(nullif(prices.billing_interval, ''), plans.billing_interval) as interval_code

    from {{ ref('prices') }} as prices
    left join {{ ref('plans') }} as plans
        on prices.plan_code = plans.plan_code

),

filters as (

    select
        plan_code,
        charge_code,
        filter_text,
        max(case when filter_text <> '' then 1 else 0 end) over (
            partition by plan_code, charge_code
        ) = 1 as is_filtered

    from prices
    group by plan_code, charge_code, filter_text

),

offers as (

    select
        terms.subscription_id,
        terms.term_from_at,
        term_currencies.currency_code,
        prices.charge_code,
        filters.filter_text,
        filters.is_filtered,
        prices.price_id,
        prices.filter_text = filters.filter_text as is_own_filter,
        case when coalesce(prices.subscription_id, '') = '' then 1 else 0 end as preference,
        prices.interval_code,
        terms.paid_from_at,
        greatest(
            terms.term_from_at,
            case
                when coalesce(prices.valid_from, '') = '' then {{ beginning_of_time() }}
                else {{ bound_to_instant('prices.valid_from', 'terms.timezone') }}
            end,
            case
                when coalesce(prices.phase_from_month, 0) = 0 then {{ beginning_of_time() }}
                else {{ local_to_utc(add_months('cast(' ~ utc_to_local('terms.term_from_at',
                    'terms.timezone') ~ ' as date)', 'prices.phase_from_month'), 'terms.timezone') }}
            end
        ) as from_at,
        least(
            terms.term_to_at,
            case
                when coalesce(prices.valid_to, '') = '' then {{ end_of_time() }}
                else {{ bound_to_instant('prices.valid_to', 'terms.timezone') }}
            end,
            case
                when prices.phase_to_month is null then {{ end_of_time() }}
                else {{ local_to_utc(add_months('cast(' ~ utc_to_local('terms.term_from_at',
                    'terms.timezone') ~ ' as date)', 'prices.phase_to_month'), 'terms.timezone') }}
            end
        ) as to_at

    from terms
    inner join term_currencies
        on terms.subscription_id = term_currencies.subscription_id
        and terms.term_from_at = term_currencies.term_from_at
    inner join prices
        on terms.plan_code = prices.plan_code
        and coalesce(nullif(prices.currency_code, ''), terms.plan_currency_code, '')
        = coalesce(term_currencies.currency_code, '')
        and (
            coalesce(prices.subscription_id, '') = ''
            or prices.subscription_id = terms.subscription_id
        )
    inner join filters
        on prices.plan_code = filters.plan_code
        and prices.charge_code = filters.charge_code
        and (
            prices.filter_text = filters.filter_text
            or (prices.filter_text = '' and coalesce(prices.subscription_id, '') <> '')
        )

),

bounds as (

    select subscription_id, term_from_at, currency_code, charge_code, filter_text, from_at as bound_at
    from offers
    where from_at < to_at
    union
    select subscription_id, term_from_at, currency_code, charge_code, filter_text, to_at as bound_at
    from offers
    where from_at < to_at
    union
    select
        subscription_id, term_from_at, currency_code, charge_code, filter_text,
        paid_from_at as bound_at
    from offers
    where
        from_at < paid_from_at
        and paid_from_at < to_at

),

spans as (

    select
        *,
        lead(bound_at) over (
            partition by subscription_id, term_from_at, currency_code, charge_code, filter_text
            order by bound_at
        ) as next_bound_at

    from bounds

),

chosen as (

    select
        spans.subscription_id,
        spans.term_from_at,
        spans.currency_code,
        spans.charge_code,
        spans.filter_text,
        spans.bound_at as from_at,
        spans.next_bound_at as to_at,
        offers.price_id,
        offers.is_filtered,
        offers.is_own_filter,
        offers.interval_code,
        spans.bound_at < offers.paid_from_at as is_trial,
        row_number() over (
            partition by
                spans.subscription_id, spans.term_from_at, spans.currency_code,
                spans.charge_code, spans.filter_text, spans.bound_at
            order by
                offers.preference,
                case when offers.is_own_filter then 0 else 1 end,
                offers.price_id
        ) as choice

    from spans
    inner join offers
        on spans.subscription_id = offers.subscription_id
        and spans.term_from_at = offers.term_from_at
        and coalesce(spans.currency_code, '') = coalesce(offers.currency_code, '')
        and spans.charge_code = offers.charge_code
        and spans.filter_text = offers.filter_text
        and spans.bound_at >= offers.from_at
        and spans.next_bound_at <= offers.to_at

),

-- Neighbours of one price are one window: a bound that changes nothing splits no line.
marked as (

    select
        *,
        lag(price_id) over (
            partition by subscription_id, term_from_at, currency_code, charge_code, filter_text
            order by from_at
        ) as last_price_id,
        lag(is_trial) over (
            partition by subscription_id, term_from_at, currency_code, charge_code, filter_text
            order by from_at
        ) as was_trial,
        lag(to_at) over (
            partition by subscription_id, term_from_at, currency_code, charge_code, filter_text
            order by from_at
        ) as last_to_at

    from chosen
    where choice = 1

),

numbered as (

    select
        *,
        sum(case
            when price_id = last_price_id and is_trial = was_trial and from_at = last_to_at then 0
            else 1
        end) over (
            partition by subscription_id, term_from_at, currency_code, charge_code, filter_text
            order by from_at
        ) as window_number

    from marked

)

select
    subscription_id,
    term_from_at,
    currency_code,
    charge_code,
    filter_text as dimension_filter,
    price_id,
    is_filtered,
    is_trial,
    interval_code as billing_interval,
    min(from_at) as from_at,
    max(to_at) as to_at
from numbered
where is_own_filter
group by
    subscription_id, term_from_at, currency_code, charge_code, filter_text, price_id,
    is_filtered, is_trial, interval_code, window_number
