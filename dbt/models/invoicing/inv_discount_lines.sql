-- Grain: one row per discount, term, billing period, charge, tax category and span of tax rates.
-- A discount is taxed like what it is taken from: where the rates change between two lines of a
-- charge, it is shared out in proportion to them, and the last takes what rounding leaves.
-- A line that does not fit has no amount, and is on no invoice: inv_charges_set_aside has it.
with

discounts as (

    select *, 1 as discount_order from {{ ref('inv_percentage_discounts') }}
    union all
    select *, 2 as discount_order from {{ ref('inv_fixed_discounts') }}

),

parts as (

    select * from {{ ref('inv_discountable_parts') }}

),

currencies as (

    select * from {{ ref('currencies') }}

),

matched as (

    select
        discounts.invoiced_customer_id,
        discounts.currency_code,
        discounts.billing_period,
        discounts.subscription_id,
        discounts.term_from_at,
        discounts.charge_code,
        discounts.charge_name,
        discounts.discount_code,
        discounts.discount_name,
        discounts.discount_order,
        discounts.exact_amount,
        discounts.net_amount,
        discounts.tax_category,
        parts.line_from_at,
        parts.line_to_at,
        currencies.minor_units,
        parts.discountable_amount as part_amount,
        count(*) over whole as part_count,
        {{ as_money('sum(parts.discountable_amount) over whole') }} as whole_amount,
        {{ as_money('sum(parts.discountable_amount) over so_far') }} as amount_so_far

    from discounts
    inner join parts
        on discounts.subscription_id = parts.subscription_id
        and discounts.term_from_at = parts.term_from_at
        and discounts.billing_period = parts.billing_period
        and discounts.charge_code = parts.charge_code
        and coalesce(discounts.tax_category, '') = coalesce(parts.tax_category, '')
    left join currencies
        on discounts.currency_code = currencies.currency_code
    window
        whole as (
            partition by
                discounts.discount_code, discounts.subscription_id, discounts.term_from_at,
                discounts.billing_period, discounts.charge_code, discounts.tax_category
        ),
        so_far as (
            partition by
                discounts.discount_code, discounts.subscription_id, discounts.term_from_at,
                discounts.billing_period, discounts.charge_code, discounts.tax_category
            order by parts.line_to_at
            rows between unbounded preceding and current row
        )

),

parted as (

    select
        *,
        {{ share_of_part(
            'net_amount', 'part_amount', 'amount_so_far', 'whole_amount', 'minor_units'
        ) }} as taken_amount

    from matched

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
    discount_order,
    line_from_at,
    line_to_at,
    case when part_count = 1 then exact_amount else {{ try_amount('taken_amount') }} end
        as exact_amount,
    {{ as_money(try_amount('taken_amount')) }} as net_amount,
    tax_category
from parted
where coalesce(taken_amount, 1) <> 0
