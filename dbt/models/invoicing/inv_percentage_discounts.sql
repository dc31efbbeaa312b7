-- Grain: one row per discount, term, billing period, charge and tax category.
-- Several percentages of one charge add up, to 100 at most. Each is what it adds to the rounded
-- sum of those before it, so that no rounding takes off more than the charge.
-- One that does not fit has no amount, and is on no invoice: inv_charges_set_aside has it.
with

amounts as (

    select * from {{ ref('inv_discountable_amounts') }}

),

discounts as (

    select * from {{ ref('rat_discount_periods') }}
    where discount_kind = 'percentage'

),

currencies as (

    select * from {{ ref('currencies') }}

),

matched as (

    select
        amounts.*,
        currencies.minor_units,
        discounts.discount_code,
        discounts.discount_name,
        discounts.discount_percent,
        coalesce(sum(discounts.discount_percent) over (
            partition by
                amounts.subscription_id, amounts.term_from_at, amounts.billing_period,
                amounts.charge_code, amounts.tax_category
            order by discounts.discount_code
            rows between unbounded preceding and 1 preceding
        ), 0) as percent_before

    from amounts
    inner join discounts
        on amounts.subscription_id = discounts.subscription_id
        and amounts.term_from_at = discounts.term_from_at
        and amounts.billing_period = discounts.billing_period
        and amounts.charge_code = coalesce(discounts.charge_code, amounts.charge_code)
    left join currencies
        on amounts.currency_code = currencies.currency_code

),

summed as (

    select
        *,
        {{ percent_of('discountable_amount', 'case when percent_before < 100
            then percent_before else 100 end') }} as amount_before,
        {{ percent_of('discountable_amount', 'case when percent_before + discount_percent < 100
            then percent_before + discount_percent else 100 end') }} as amount_so_far

    from matched

),

exact as (

    select
        *,
        {{ try_amount(round_to_minor_units('amount_before', 'minor_units') ~ ' - amount_so_far') }}
            as exact_amount

    from summed

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
    exact_amount,
    {{ round_to_minor_units('exact_amount', 'minor_units') }} as net_amount,
    tax_category
from exact
