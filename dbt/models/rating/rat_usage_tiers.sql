-- Grain: one row per usage quantity under a price with tiers and tier it reaches.
-- Tiered: each unit at the price of the tier in which it falls, plus the flat amount of every
-- tier entered. Volume: all units at the price of the tier in which the total falls.
-- A percentage with tiers is tiered. A tier with packages charges whole ones, rounded up.
-- A negative total is rated as zero: the first tier is owed, and nothing is given back, except
-- that a percentage gives back at the rate of the first tier.
-- Which tiers are reached is decided on what the quantity begins, up to the 12th place, as bounds have
-- no more places; what is charged is divided last.
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
        quantities.price_quantity,
        quantities.chargeable_quantity,
        quantities.metered_chargeable,
        quantities.quantity_divisor,
        quantities.begun_quantity,
        quantities.share_day_count,
        quantities.share_of_day_count,
        tiers.tier_number,
        tiers.tier_from,
        tiers.tier_up_to,
        tiers.unit_price,
        tiers.flat_amount,
        tiers.package_size,
        quantities.begun_quantity <= coalesce(tiers.tier_up_to, quantities.begun_quantity)
            as is_last

    from quantities
    inner join tiers
        on quantities.price_id = tiers.price_id
    where
        tiers.tier_number = 1
        or quantities.begun_quantity > tiers.tier_from

),

-- A tier that is full has its whole size, and nothing to divide.
parted as (

    select
        *,
        case
            when begun_quantity <= 0 and pricing_model <> 'percentage' then 'empty'
            when begun_quantity <= 0 or pricing_model = 'volume' then 'all'
            when is_last then 'rest'
            else 'full'
        end as part

    from reached
    where
        pricing_model <> 'volume'
        or is_last

),

counted as (

    select
        *,
        {{ as_quantity("case part when 'empty' then 0 when 'all' then chargeable_quantity
            when 'rest' then chargeable_quantity - tier_from else tier_up_to - tier_from end") }}
            as quantity,
        {{ as_quantity("case part when 'empty' then 0 when 'all' then begun_quantity
            when 'rest' then begun_quantity - tier_from else tier_up_to - tier_from end") }}
            as begun_in_tier,
        {{ as_quantity("case part when 'empty' then 0 when 'all' then metered_chargeable
            when 'rest' then metered_chargeable - tier_from * quantity_divisor
            else tier_up_to - tier_from end") }}
            as metered_in_tier,
        case when part in ('all', 'rest') then quantity_divisor else cast(1 as decimal(38, 0)) end
            as tier_divisor

    from parted

),

-- What is multiplied with the price of the tier, and what the product is divided by.
priced as (

    select
        *,
        case
            when package_size is not null
                then {{ try_quantity(whole_packages('begun_in_tier', 'package_size'),
                    'share_day_count') }}
            else {{ try_quantity('metered_in_tier',
                price_multiple('share_day_count', 'price_quantity')) }}
        end as priced_quantity,
        {{ as_price("case when pricing_model = 'percentage' and package_size is null then "
            ~ hundredth('unit_price') ~ " else unit_price end") }} as price,
        case
            when package_size is not null then cast(share_of_day_count as decimal(38, 0))
            else {{ price_divisor('tier_divisor', 'share_of_day_count', 'price_quantity') }}
        end as divisor

    from counted

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
    {{ try_sum(divided_product('priced_quantity', 'price', 'divisor'),
        divided_product(as_quantity('share_day_count'), 'flat_amount',
            'cast(share_of_day_count as decimal(38, 0))')) }} as exact_amount
from priced
