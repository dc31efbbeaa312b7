-- Grain: one row per metered charge period and dimension values, less what was prepaid in units.
-- Prepaid units were sold at a price of their own, so what is left of the usage is priced as if it
-- were all: tiers and packages begin with it, as they do after the allowance.
-- A view: most of the time of a table goes into storing it.
{{ config(materialized='view') }}
with

quantities as (

    select * from {{ ref('rat_usage_quantities') }}

),

prepaid as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        dimension_values,
        line_from_at,
        max(payable_quantity) as payable_quantity,
        sum(prepaid_quantity) as prepaid_quantity

    from {{ ref('rat_prepaid_units') }}
    group by
        subscription_id, term_from_at, charge_code, price_id, dimension_values, line_from_at

),

-- Where a line is charged for a share of its quantity, so are the units: they are taken from all of
-- it times the days of the share, and what is left is divided by those days again.
paid as (

    select
        quantities.*,
        prepaid.prepaid_quantity,
        case
            when prepaid.prepaid_quantity is null then quantities.metered_chargeable
            when prepaid.prepaid_quantity = prepaid.payable_quantity then {{ as_quantity('0') }}
            when quantities.share_day_count = quantities.share_of_day_count
                then {{ as_quantity('quantities.metered_chargeable - '
                    ~ try_quantity(as_quantity('prepaid.prepaid_quantity'), 'quantities.quantity_divisor')) }}
            else {{ as_quantity(
                try_quantity('quantities.metered_chargeable', 'quantities.share_day_count') ~ ' - '
                ~ try_quantity(
                    try_quantity(as_quantity('prepaid.prepaid_quantity'), 'quantities.quantity_divisor'),
                    'quantities.share_of_day_count'
                )
            ) }}
        end as left_metered,
        case
            when
                prepaid.prepaid_quantity < prepaid.payable_quantity
                and quantities.share_day_count <> quantities.share_of_day_count
                then cast(quantities.quantity_divisor * quantities.share_day_count as decimal(38, 0))
            else quantities.quantity_divisor
        end as left_divisor

    from quantities
    left join prepaid
        on quantities.subscription_id = prepaid.subscription_id
        and quantities.term_from_at = prepaid.term_from_at
        and quantities.charge_code = prepaid.charge_code
        and quantities.price_id = prepaid.price_id
        and quantities.dimension_values = prepaid.dimension_values
        and quantities.line_from_at = prepaid.line_from_at

)

select
    subscription_id,
    term_from_at,
    customer_id,
    invoiced_customer_id,
    currency_code,
    timezone,
    billing_period,
    charge_code,
    charge_name,
    price_id,
    meter_code,
    meter_name,
    unit,
    pricing_model,
    unit_price,
    price_quantity,
    package_size,
    is_priced_by_event,
    is_trial,
    tax_category,
    dimension_values,
    period_from_at,
    line_from_at,
    line_to_at,
    event_count,
    metered_quantity,
    left_divisor as quantity_divisor,
    share_day_count,
    share_of_day_count,
    quantity,
    free_quantity,
    {{ as_quantity('coalesce(prepaid_quantity, 0)') }} as prepaid_quantity,
    case
        when prepaid_quantity is null then chargeable_quantity
        else {{ quotient('left_metered', 'left_divisor') }}
    end as chargeable_quantity,
    left_metered as metered_chargeable,
    case
        when prepaid_quantity is null then begun_quantity
        else {{ quotient_up('left_metered', 'left_divisor') }}
    end as begun_quantity
from paid
