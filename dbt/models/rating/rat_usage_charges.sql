-- Grain: one row per metered charge period and dimension values, with its exact amount: null
-- where it has more than 14 digits before the point, since one absurd reading must not stop the
-- bills of everybody else.
-- A view: most of the time of a table goes into storing it, and two models read it.
{{ config(materialized='view') }}
with

quantities as (

    select * from {{ ref('rat_chargeable_quantities') }}

),

event_amounts as (

    select * from {{ ref('rat_event_amounts') }}

),

-- What is multiplied with a price, and what the product is divided by, where a charge has one price.
priced as (

    select
        *,
        case pricing_model
            when 'package' then {{ try_quantity(
                whole_packages('greatest(begun_quantity, 0)', 'package_size'), 'share_day_count') }}
            else {{ try_quantity('metered_chargeable',
                price_multiple('share_day_count', 'price_quantity')) }}
        end as priced_quantity,
        {{ as_price("case pricing_model when 'percentage' then " ~ hundredth('unit_price')
            ~ " when 'dynamic' then coalesce(unit_price, " ~ as_price('1') ~ ") else unit_price end") }}
            as price,
        case pricing_model
            when 'package' then cast(share_of_day_count as decimal(38, 0))
            else {{ price_divisor('quantity_divisor', 'share_of_day_count', 'price_quantity') }}
        end as divisor

    from quantities

),

tier_amounts as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        dimension_values,
        line_from_at,
        count(*) - count(exact_amount) as unfit_count,
        -- In two parts, because a sum of amounts that fit may not fit itself.
        sum({{ whole_amount('exact_amount') }}) as whole_amount,
        sum({{ rest_of_amount('exact_amount') }}) as remaining_amount

    from {{ ref('rat_usage_tiers') }}
    group by
        subscription_id, term_from_at, charge_code, price_id, dimension_values, line_from_at

)

select
    quantities.subscription_id,
    quantities.term_from_at,
    quantities.customer_id,
    quantities.invoiced_customer_id,
    quantities.currency_code,
    quantities.timezone,
    quantities.billing_period,
    quantities.charge_code,
    quantities.charge_name,
    quantities.price_id,
    quantities.meter_code,
    quantities.meter_name,
    quantities.unit,
    quantities.pricing_model,
    case when quantities.pricing_model in ('per_unit', 'package') then quantities.unit_price end
        as unit_price,
    quantities.price_quantity,
    quantities.tax_category,
    quantities.dimension_values,
    quantities.period_from_at,
    quantities.line_from_at,
    quantities.line_to_at,
    quantities.event_count,
    quantities.metered_quantity,
    quantities.quantity,
    quantities.free_quantity,
    quantities.prepaid_quantity,
    quantities.chargeable_quantity,
    case
        when quantities.quantity is null then null
        when quantities.is_trial then {{ as_amount('0') }}
        when quantities.pricing_model in ('per_unit', 'package', 'dynamic')
            then {{ divided_product('quantities.priced_quantity', 'quantities.price',
                'quantities.divisor') }}
        when quantities.is_priced_by_event and quantities.event_count = 0
            then {{ as_amount('0') }}
        when quantities.is_priced_by_event then event_amounts.exact_amount
        when quantities.pricing_model = 'percentage' and quantities.unit_price is not null
            then {{ divided_product('quantities.priced_quantity', 'quantities.price',
                'quantities.divisor') }}
        when tier_amounts.unfit_count = 0
            then {{ try_sum('tier_amounts.whole_amount', 'tier_amounts.remaining_amount') }}
    end as exact_amount,
    coalesce(quantities.divisor <> 1, true) as is_divided,
    coalesce(quantities.quantity < 0, false)
    and quantities.pricing_model not in ('per_unit', 'percentage', 'dynamic') as is_negative_as_zero
from priced as quantities
left join tier_amounts
    on quantities.subscription_id = tier_amounts.subscription_id
    and quantities.term_from_at = tier_amounts.term_from_at
    and quantities.charge_code = tier_amounts.charge_code
    and quantities.price_id = tier_amounts.price_id
    and quantities.dimension_values = tier_amounts.dimension_values
    and quantities.line_from_at = tier_amounts.line_from_at
left join event_amounts
    on quantities.subscription_id = event_amounts.subscription_id
    and quantities.term_from_at = event_amounts.term_from_at
    and quantities.charge_code = event_amounts.charge_code
    and quantities.price_id = event_amounts.price_id
    and quantities.dimension_values = event_amounts.dimension_values
    and quantities.line_from_at = event_amounts.line_from_at
