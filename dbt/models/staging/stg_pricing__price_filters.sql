-- Grain: one row per price, property of its filter and value that it takes.
-- A value that ends in * takes every text that begins with what stands before the star.
-- The rank grows with what is written, and a whole value goes before its own prefix.
with

prices as (

    select * from {{ ref('prices') }}
    where coalesce(dimension_filter, '') <> ''

),

pairs as (

    select
        price_id,
        meter_code,
        {{ split_rows('dimension_filter', "';'") }} as pair_text

    from prices

),

patterns as (

    select
        price_id,
        meter_code,
        substr(pair_text, 1, position('=' in pair_text) - 1) as property_name,
        {{ split_rows("substr(pair_text, position('=' in pair_text) + 1)", "'|'") }}
            as pattern_text

    from pairs

),

shaped as (

    select
        *,
        right(pattern_text, 1) = '*' as is_prefix

    from patterns

),

valued as (

    select
        *,
        case
            when is_prefix then substr(pattern_text, 1, length(pattern_text) - 1)
            else pattern_text
        end as value_text

    from shaped

)

select
    price_id,
    meter_code,
    property_name,
    value_text,
    is_prefix,
    cast(length(value_text) as integer) as value_length,
    cast(1 + 2 * length(value_text) + case when is_prefix then 0 else 1 end as integer)
        as match_rank
from valued
