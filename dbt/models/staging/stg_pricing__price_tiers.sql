-- Grain: one row per tier of a price.
-- A tier runs from the bound before it, itself excluded, up to its own bound, included.
with

price_tiers as (

    select * from {{ ref('price_tiers') }}

)

select
    price_id,
    cast(row_number() over (partition by price_id order by up_to nulls last) as integer)
        as tier_number,
    {{ as_quantity('coalesce(lag(up_to) over (partition by price_id order by up_to nulls last), 0)') }}
        as tier_from,
    {{ as_quantity('up_to') }} as tier_up_to,
    {{ as_price('coalesce(unit_price, 0)') }} as unit_price,
    {{ as_price('coalesce(flat_amount, 0)') }} as flat_amount,
    {{ as_quantity('package_size') }} as package_size
from price_tiers
