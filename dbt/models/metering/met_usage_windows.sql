-- Grain: one row per term, metered charge, dimension values seen and span in which one price
-- takes them. Where the prices of the charge have filters, that is the negotiated one before the
-- plan's, then the one of most weight. Usage that no window holds is unpriced.
with

charge_windows as (

    select
        charge_windows.*,
        prices.meter_code,
        case when coalesce(prices.subscription_id, '') = '' then 1 else 0 end as preference

    from {{ ref('met_charge_windows') }} as charge_windows
    inner join {{ ref('prices') }} as prices
        on charge_windows.price_id = prices.price_id
    where coalesce(prices.meter_code, '') <> ''

),

matches as (

    select * from {{ ref('met_price_matches') }}

),

usage as (

    select * from {{ ref('met_usage_segments') }}

),

held_meters as (

    select meter_code
    from {{ ref('stg_pricing__meters') }}
    where aggregation = 'time_weighted'

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

seen as (

    select
        subscription_id,
        term_from_at,
        meter_code,
        dimension_values
    from usage
    union
    -- A level holds on, also on the plan that follows.
    select
        usage.subscription_id,
        terms.term_from_at,
        usage.meter_code,
        usage.dimension_values
    from usage
    inner join held_meters
        on usage.meter_code = held_meters.meter_code
    inner join terms
        on usage.subscription_id = terms.subscription_id
        and usage.term_from_at < terms.term_from_at

),

seen_windows as (

    select
        charge_windows.*,
        seen.dimension_values

    from charge_windows
    inner join seen
        on charge_windows.subscription_id = seen.subscription_id
        and charge_windows.term_from_at = seen.term_from_at
        and charge_windows.meter_code = seen.meter_code

),

offers as (

    select
        seen_windows.*,
        matches.match_rank

    from seen_windows
    inner join matches
        on seen_windows.price_id = matches.price_id
        and seen_windows.dimension_values = matches.dimension_values
    where seen_windows.is_filtered

),

bounds as (

    select
        subscription_id, term_from_at, currency_code, charge_code, dimension_values,
        from_at as bound_at
    from offers
    union
    select
        subscription_id, term_from_at, currency_code, charge_code, dimension_values,
        to_at as bound_at
    from offers

),

spans as (

    select
        *,
        lead(bound_at) over (
            partition by
                subscription_id, term_from_at, currency_code, charge_code, dimension_values
            order by bound_at
        ) as next_bound_at

    from bounds

),

ranked as (

    select
        spans.subscription_id,
        spans.term_from_at,
        spans.currency_code,
        spans.charge_code,
        spans.dimension_values,
        offers.price_id,
        offers.meter_code,
        offers.billing_interval,
        spans.bound_at as from_at,
        spans.next_bound_at as to_at,
        row_number() over (
            partition by
                spans.subscription_id, spans.term_from_at, spans.currency_code,
                spans.charge_code, spans.dimension_values, spans.bound_at
            order by offers.preference asc, offers.match_rank desc, offers.price_id asc
        ) as choice

    from spans
    inner join offers
        on spans.subscription_id = offers.subscription_id
        and spans.term_from_at = offers.term_from_at
        and coalesce(spans.currency_code, '') = coalesce(offers.currency_code, '')
        and spans.charge_code = offers.charge_code
        and spans.dimension_values = offers.dimension_values
        and spans.bound_at >= offers.from_at
        and spans.next_bound_at <= offers.to_at

)

select
    subscription_id,
    term_from_at,
    currency_code,
    charge_code,
    price_id,
    meter_code,
    dimension_values,
    billing_interval,
    from_at,
    to_at
from seen_windows
where not is_filtered

union all

select
    subscription_id,
    term_from_at,
    currency_code,
    charge_code,
    price_id,
    meter_code,
    dimension_values,
    billing_interval,
    from_at,
    to_at
from ranked
where choice = 1
