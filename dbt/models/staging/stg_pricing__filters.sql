-- Grain: one row per filter of a meter or a price, condition of it and value that it names.
-- Filters are taken apart here and nowhere else. All conditions of a filter have to hold; of the
-- values of one, = takes any and != takes none.
with

filtered as (

    select
        meter_code,
        cast(null as string) as price_id,
        filter as filter_text
    from {{ ref('meters') }}
    where coalesce(filter, '') <> ''

    union all

    select
        meter_code,
        price_id,
        dimension_filter as filter_text
    from {{ ref('prices') }}
    where coalesce(dimension_filter, '') <> ''

),

conditions as (

    select
        *,
        {{ split_rows('filter_text', "';'") }} as condition_text

    from filtered

),

parted as (

    select
        *,
        regexp_extract(condition_text, '(?s)^(.*?)(!=|>=|<=|=|>|<)', 1) as property_name,
        regexp_extract(condition_text, '(?s)^.*?(!=|>=|<=|=|>|<)', 1) as operator

    from conditions

),

described as (

    select
        *,
        position(concat_ws('', ';', condition_text, ';') in concat_ws('', ';', filter_text, ';'))
            as condition_number,
        substr(condition_text, length(property_name) + length(operator) + 1) as values_text

    from parted

),

patterns as (

    select
        *,
        {{ split_rows('values_text', "'|'") }} as pattern_text

    from described

),

valued as (

    select
        *,
        right(pattern_text, 1) = '*' as is_prefix

    from patterns

)

select distinct
    meter_code,
    price_id,
    filter_text,
    cast(condition_number as integer) as condition_number,
    property_name,
    operator,
    values_text,
    case
        when is_prefix then substr(pattern_text, 1, length(pattern_text) - 1)
        else pattern_text
    end as value_text,
    case when not is_prefix then {{ parse_quantity('pattern_text') }} end as value_number,
    is_prefix
from valued
