-- Grain: one row per price of a charge whose prices are told apart by filters, and dimension
-- values that the price takes. A price without a filter takes what is left, so it weighs nothing.
-- Prefixes are compared by length: one equality per length in use, not one test per prefix.
with

filters as (

    select * from {{ ref('stg_pricing__price_filters') }}

),

prices as (

    select * from {{ ref('prices') }}

),

filtered_charges as (

    select distinct
        prices.plan_code,
        prices.charge_code

    from prices
    inner join filters
        on prices.price_id = filters.price_id

),

seen as (

    select distinct
        meter_code,
        dimension_values

    from {{ ref('met_usage_segments') }}
    where meter_code in (select filters.meter_code from filters)

),

lengths as (

    select distinct
        meter_code,
        property_name,
        value_length

    from filters

),

cut as (

    select
        seen.meter_code,
        seen.dimension_values,
        lengths.property_name,
        lengths.value_length,
        {{ json_text_by_name('seen.dimension_values', 'lengths.property_name') }} as property_text

    from seen
    inner join lengths
        on seen.meter_code = lengths.meter_code

),

property_matches as (

    select
        filters.price_id,
        cut.dimension_values,
        filters.property_name,
        max(filters.match_rank) as match_rank

    from cut
    inner join filters
        on cut.meter_code = filters.meter_code
        and cut.property_name = filters.property_name
        and cut.value_length = filters.value_length
        and substr(cut.property_text, 1, cut.value_length) = filters.value_text
        and (filters.is_prefix or length(cut.property_text) = filters.value_length)
    group by filters.price_id, cut.dimension_values, filters.property_name

),

property_counts as (

    select
        price_id,
        count(distinct property_name) as property_count

    from filters
    group by price_id

)

select
    property_matches.price_id,
    property_matches.dimension_values,
    cast(sum(property_matches.match_rank) as integer) as match_rank
from property_matches
inner join property_counts
    on property_matches.price_id = property_counts.price_id
group by
    property_matches.price_id,
    property_matches.dimension_values,
    property_counts.property_count
having count(*) = property_counts.property_count

union all

select
    prices.price_id,
    seen.dimension_values,
    0 as match_rank
from prices
inner join filtered_charges
    on prices.plan_code = filtered_charges.plan_code
    and prices.charge_code = filtered_charges.charge_code
inner join seen
    on prices.meter_code = seen.meter_code
where coalesce(prices.dimension_filter, '') = ''
