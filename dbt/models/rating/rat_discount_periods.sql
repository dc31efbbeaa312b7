-- Grain: one row per discount, term and billing period in which the discount holds.
-- It holds for periods that begin while it is valid, so that no period is discounted in part.
with

discounts as (

    select * from {{ ref('discounts') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

periods as (

    select * from {{ ref('met_invoice_periods') }}

),

-- A discount is matched by the narrowest name it has first, an equality: alternatives in a join
-- would compare each discount with every term.
named_discounts as (

    select
        *,
        concat_ws(
            '|',
            case
                when coalesce(subscription_id, '') <> '' then 'subscription'
                when coalesce(customer_id, '') <> '' then 'customer'
                else 'everybody'
            end,
            coalesce(nullif(subscription_id, ''), nullif(customer_id, ''), '')
        ) as term_name

    from discounts

),

term_names as (

    select subscription_id, term_from_at, 'everybody|' as term_name
    from terms
    union
    select subscription_id, term_from_at, concat_ws('|', 'subscription', subscription_id) as term_name
    from terms
    union
    select subscription_id, term_from_at, concat_ws('|', 'customer', customer_id) as term_name
    from terms
    union
    select subscription_id, term_from_at, concat_ws('|', 'customer', invoiced_customer_id) as term_name
    from periods

),

offered as (

    select
        discounts.discount_code,
        discounts.discount_name,
        discounts.discount_kind,
        discounts.discount_percent,
        discounts.discount_amount,
        discounts.free_quantity,
        nullif(discounts.charge_code, '') as charge_code,
        discounts.period_count,
        terms.subscription_id,
        terms.term_from_at,
        terms.customer_id,
        nullif(discounts.customer_id, '') as discount_customer_id,
        nullif(discounts.currency_code, '') as discount_currency_code,
        -- A discount of one customer counts its periods once, whatever the subscriptions.
        case when coalesce(discounts.customer_id, '') = '' then terms.subscription_id else '' end
            as counted_subscription_id,
        case
            when coalesce(discounts.valid_from, '') = '' then {{ beginning_of_time() }}
            else {{ bound_to_instant('discounts.valid_from', 'terms.timezone') }}
        end as valid_from_at,
        case
            when coalesce(discounts.valid_to, '') = '' then {{ end_of_time() }}
            else {{ bound_to_instant('discounts.valid_to', 'terms.timezone') }}
        end as valid_to_at

    from named_discounts as discounts
    inner join term_names
        on discounts.term_name = term_names.term_name
    inner join terms
        on term_names.subscription_id = terms.subscription_id
        and term_names.term_from_at = terms.term_from_at
        and coalesce(nullif(discounts.plan_code, ''), terms.plan_code) = terms.plan_code

),

counted as (

    select
        offered.*,
        periods.invoiced_customer_id,
        periods.currency_code,
        periods.billing_period,
        dense_rank() over (
            partition by offered.discount_code, offered.counted_subscription_id
            order by periods.billing_period
        ) as period_number

    from offered
    inner join periods
        on offered.subscription_id = periods.subscription_id
        and offered.term_from_at = periods.term_from_at
        and periods.from_at >= offered.valid_from_at
        and periods.from_at < offered.valid_to_at
        and coalesce(offered.discount_customer_id, offered.customer_id)
        in (offered.customer_id, periods.invoiced_customer_id)
        and coalesce(offered.discount_currency_code, periods.currency_code)
        = periods.currency_code

)

select
    discount_code,
    discount_name,
    discount_kind,
    {{ as_price('discount_percent') }} as discount_percent,
    {{ as_money('discount_amount') }} as discount_amount,
    {{ as_quantity('free_quantity') }} as free_quantity,
    subscription_id,
    term_from_at,
    invoiced_customer_id,
    currency_code,
    billing_period,
    charge_code
from counted
where period_number <= coalesce(period_count, period_number)
