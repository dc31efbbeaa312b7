-- Grain: one row per discount, term, billing period, charge and tax category that it reaches.
-- A fixed amount is taken once per invoice from what the percentages leave, shared out by the
-- largest remainder in proportion to it, and never takes a charge below zero.
-- One that does not fit has no amount, and is on no invoice: inv_charges_set_aside has it.
with

amounts as (

    select * from {{ ref('inv_discountable_amounts') }}

),

percentages as (

    select
        subscription_id,
        term_from_at,
        billing_period,
        charge_code,
        tax_category,
        sum(net_amount) as net_amount

    from {{ ref('inv_percentage_discounts') }}
    group by subscription_id, term_from_at, billing_period, charge_code, tax_category

),

discounts as (

    select * from {{ ref('rat_discount_periods') }}
    where discount_kind = 'fixed'

),

currencies as (

    select * from {{ ref('currencies') }}

),

left_over as (

    select
        amounts.*,
        currencies.minor_units,
        {{ as_money('amounts.discountable_amount + coalesce(percentages.net_amount, 0)') }}
            as left_amount

    from amounts
    left join percentages
        on amounts.subscription_id = percentages.subscription_id
        and amounts.term_from_at = percentages.term_from_at
        and amounts.billing_period = percentages.billing_period
        and amounts.charge_code = percentages.charge_code
        and coalesce(amounts.tax_category, '') = coalesce(percentages.tax_category, '')
    left join currencies
        on amounts.currency_code = currencies.currency_code

),

matched as (

    select
        left_over.*,
        discounts.discount_code,
        discounts.discount_name,
        discounts.discount_amount,
        {{ as_money('sum(left_over.left_amount) over (
            partition by
                discounts.discount_code, left_over.invoiced_customer_id,
                left_over.currency_code, left_over.billing_period
        )') }} as left_total_amount

    from left_over
    inner join discounts
        on left_over.subscription_id = discounts.subscription_id
        and left_over.term_from_at = discounts.term_from_at
        and left_over.billing_period = discounts.billing_period
        and left_over.charge_code = coalesce(discounts.charge_code, left_over.charge_code)
    where left_over.left_amount > 0

),

taken as (

    select
        *,
        {{ round_to_minor_units('case when discount_amount < left_total_amount
            then discount_amount else left_total_amount end', 'minor_units') }} as taken_amount

    from matched

),

shared as (

    select
        *,
        {{ whole_share('taken_amount', 'left_amount', 'left_total_amount', 'minor_units') }}
            as share_amount,
        {{ share_remainder('taken_amount', 'left_amount', 'left_total_amount', 'minor_units') }}
            as remainder

    from taken

),

ranked as (

    select
        *,
        row_number() over (
            partition by discount_code, invoiced_customer_id, currency_code, billing_period
            order by
                -remainder, subscription_id, term_from_at, charge_code, coalesce(tax_category, '')
        ) * {{ minor_unit('minor_units') }} as unit_rank,
        taken_amount - sum(share_amount) over (
            partition by discount_code, invoiced_customer_id, currency_code, billing_period
        ) as unshared_amount

    from shared

),

completed as (

    select
        *,
        {{ as_money('share_amount + case when unit_rank <= unshared_amount then '
            ~ minor_unit('minor_units') ~ ' else 0 end') }} as full_share_amount

    from ranked

),

preceded as (

    select
        *,
        left_amount - coalesce(sum(full_share_amount) over (
            partition by
                subscription_id, term_from_at, billing_period, charge_code, tax_category
            order by discount_code
            rows between unbounded preceding and 1 preceding
        ), 0) as room_amount

    from completed

),

capped as (

    select
        *,
        {{ as_money('case when room_amount <= 0 then 0 when full_share_amount < room_amount
            then -full_share_amount else -room_amount end') }} as net_amount

    from preceded

)

select
    invoiced_customer_id,
    currency_code,
    billing_period,
    subscription_id,
    term_from_at,
    charge_code,
    charge_name,
    discount_code,
    discount_name,
    line_from_at,
    line_to_at,
    {{ try_amount('net_amount') }} as exact_amount,
    {{ as_money(try_amount('net_amount')) }} as net_amount,
    tax_category
from capped
where net_amount <> 0
