-- Grain: one row per usage quantity under a price with tiers and tier it reaches.
-- Tiered: each unit at the price of the tier in which it falls, plus the flat amount of every
-- tier entered. Volume: all units at the price of the tier in which the total falls.
-- A percentage with tiers is tiered. A tier with packages charges whole ones, rounded up.
-- A negative total is rated as zero: the first tier is owed, and nothing is given back, except
-- that a percentage gives back at the rate of the first tier.
with

quantities as (

    select * from {{ ref('rat_chargeable_quantities') }}
    where
        not is_trial
        and (
            pricing_model in ('tiered', 'volume')
            or (pricing_model = 'percentage' and unit_price is null)
        )

),

tiers as (

    select * from {{ ref('stg_pricing__price_tiers') }}

),

reached as (

    select
        quantities.subscription_id,
        quantities.term_from_at,
        quantities.charge_code,
        quantities.price_id,
        quantities.dimension_values,
        quantities.line_from_at,
        quantities.pricing_model,
        quantities.chargeable_quantity,
        tiers.tier_number,
        tiers.tier_from,
        tiers.tier_up_to,
        tiers.unit_price,
        tiers.flat_amount,
        tiers.package_size,
        quantities.chargeable_quantity <= coalesce(tiers.tier_up_to, quantities.chargeable_quantity)
            as is_last

    from quantities
    inner join tiers
        on quantities.price_id = tiers.price_id
    where
        tiers.tier_number = 1
        or quantities.chargeable_quantity > tiers.tier_from

),

counted as (

    select
        *,
        {{ as_quantity("case when chargeable_quantity <= 0 and pricing_model = 'percentage'
            then chargeable_quantity when chargeable_quantity <= 0 then 0
            when pricing_model = 'volume' then chargeable_quantity when is_last
            then chargeable_quantity - tier_from else tier_up_to - tier_from end") }}
            as quantity

    from reached
    where
        pricing_model <> 'volume'
        or is_last

)

select
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    dimension_values,
    line_from_at,
    tier_number,
    tier_from,
    tier_up_to,
    quantity,
    unit_price,
    flat_amount,
    case
        when package_size is not null
            then {{ try_sum(try_product(whole_packages('quantity', 'package_size'),
                'unit_price'), 'flat_amount') }}
        when pricing_model = 'percentage'
            then {{ try_sum(try_product('quantity', hundredth('unit_price')), 'flat_amount') }}
        else {{ try_sum(try_product('quantity', 'unit_price'), 'flat_amount') }}
    end as exact_amount
from counted
