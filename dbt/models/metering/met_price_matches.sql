-- Grain: one row per price of a charge whose prices are told apart by filters, and dimension
-- values that the price takes. A price without a filter takes what is left, so it weighs nothing.
-- The weight of a match grows with what is written: a whole value weighs more than any prefix of
-- it, a longer prefix more than a shorter one, and any of them more than a comparison alone.
with

filters as (

    select * from {{ ref('stg_pricing__filters') }}
    where price_id is not null

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

properties as (

    select distinct
        meter_code,
        property_name

    from filters

),

texts as (

    select
        seen.meter_code,
        seen.dimension_values,
        properties.property_name,
        {{ json_text_by_name('seen.dimension_values', 'properties.property_name') }}
            as property_text

    from seen
    inner join properties
        on seen.meter_code = properties.meter_code

),

numbered as (

    select
        *,
        {{ parse_quantity('property_text') }} as property_number

    from texts

),

lengths as (

    select distinct
        meter_code,
        property_name,
        length(value_text) as value_length

    from filters
    where operator in ('=', '!=')

),

-- Prefixes are compared by length: one equality per length in use, not one test per prefix.
cut as (

    select
        texts.*,
        lengths.value_length,
        substr(texts.property_text, 1, lengths.value_length) as cut_text

    from texts
    inner join lengths
        on texts.meter_code = lengths.meter_code
        and texts.property_name = lengths.property_name

),

named_values as (

    select
        filters.price_id,
        cut.dimension_values,
        filters.condition_number,
        case
            when filters.is_prefix then 1 + 2 * cut.value_length
            else 2 + 2 * cut.value_length
        end as match_rank

    from cut
    inner join filters
        on cut.meter_code = filters.meter_code
        and cut.property_name = filters.property_name
        and cut.value_length = length(filters.value_text)
        and cut.cut_text = filters.value_text
        and (filters.is_prefix or length(cut.property_text) = cut.value_length)
    where filters.operator in ('=', '!=')

    union all

    select
        filters.price_id,
        numbered.dimension_values,
        filters.condition_number,
        2 + 2 * length(numbered.property_text) as match_rank

    from numbered
    inner join filters
        on numbered.meter_code = filters.meter_code
        and numbered.property_name = filters.property_name
        and numbered.property_number = filters.value_number
    where filters.operator in ('=', '!=')

),

named_matches as (

    select
        price_id,
        dimension_values,
        condition_number,
        max(match_rank) as match_rank

    from named_values
    group by price_id, dimension_values, condition_number

),

conditions as (

    select
        price_id,
        meter_code,
        condition_number,
        property_name,
        operator,
        max(value_number) as value_number

    from filters
    group by price_id, meter_code, condition_number, property_name, operator

),

condition_matches as (

    select
        named_matches.price_id,
        named_matches.dimension_values,
        conditions.property_name,
        named_matches.match_rank
    from named_matches
    inner join conditions
        on named_matches.price_id = conditions.price_id
        and named_matches.condition_number = conditions.condition_number
    where conditions.operator = '='

    union all

    select
        conditions.price_id,
        numbered.dimension_values,
        conditions.property_name,
        1 as match_rank
    from conditions
    inner join numbered
        on conditions.meter_code = numbered.meter_code
        and conditions.property_name = numbered.property_name
    left join named_matches
        on conditions.price_id = named_matches.price_id
        and conditions.condition_number = named_matches.condition_number
        and numbered.dimension_values = named_matches.dimension_values
    where
        case conditions.operator
            when '!=' then named_matches.price_id is null
            when '>' then numbered.property_number > conditions.value_number
            when '>=' then numbered.property_number >= conditions.value_number
            when '<' then numbered.property_number < conditions.value_number
            when '<=' then numbered.property_number <= conditions.value_number
            else false
        end

),

property_matches as (

    select
        price_id,
        dimension_values,
        property_name,
        count(*) as condition_count,
        max(match_rank) as match_rank

    from condition_matches
    group by price_id, dimension_values, property_name

),

condition_counts as (

    select
        price_id,
        count(*) as condition_count

    from conditions
    group by price_id

)

select
    property_matches.price_id,
    property_matches.dimension_values,
    cast(sum(property_matches.match_rank) as integer) as match_rank
from property_matches
inner join condition_counts
    on property_matches.price_id = condition_counts.price_id
group by
    property_matches.price_id,
    property_matches.dimension_values,
    condition_counts.condition_count
having sum(property_matches.condition_count) = condition_counts.condition_count

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
