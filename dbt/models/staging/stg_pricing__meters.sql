-- Grain: one row per meter.
-- The slot numbers the meters of one event type, so that a pass over events can hold them
-- side by side; the hash changes when the meaning of any meter of the type changes.
with

meters as (

    select * from {{ ref('meters') }}

),

prices as (

    select * from {{ ref('prices') }}

),

priced_meters as (

    select
        meter_code,
        max(case when coalesce(dimension_filter, '') <> '' then 1 else 0 end) = 1 as is_filtered,
        max(case
            when
                coalesce(event_fee, event_minimum_amount, event_maximum_amount) is not null
                or free_event_count is not null
                then 1
            else 0
        end) = 1 as is_priced_by_event

    from prices
    group by meter_code

),

-- What a meter reads by bands or looks at in its filter, as a text that changes with its meaning.
readings as (

    select
        meter_code,
        case when band_kind = 'time' then 1 else 0 end as is_by_time,
        concat_ws(
            '|', name, band_kind, property_name, cast(up_to as string), day_numbers,
            cast(from_minute as string), cast(to_minute as string), holiday_date, band
        ) as reading_text
    from {{ ref('stg_pricing__meter_properties') }}
    where band_kind is not null

    union all

    select
        meter_code,
        0 as is_by_time,
        concat_ws('', property_name, operator, values_text) as reading_text
    from {{ ref('stg_pricing__filters') }}
    where price_id is null

),

read_meters as (

    select
        meter_code,
        max(is_by_time) = 1 as has_time_bands,
        md5({{ joined_text('reading_text', 'reading_text') }}) as reading_hash

    from readings
    group by meter_code

),

described as (

    select
        meters.*,
        {{ as_quantity('coalesce(meters.unit_quantity, 1)') }} as unit_size,
        read_meters.reading_hash,
        coalesce(read_meters.has_time_bands, false) as has_time_band,
        coalesce(priced_meters.is_filtered, false) as is_filtered,
        meters.aggregation in ('min', 'latest', 'time_weighted', 'percentile_95')
        or coalesce(priced_meters.is_priced_by_event, false) as keeps_event_values

    from meters
    left join priced_meters
        on meters.meter_code = priced_meters.meter_code
    left join read_meters
        on meters.meter_code = read_meters.meter_code

),

numbered as (

    select
        *,
        row_number() over (partition by event_type order by meter_code) as meter_slot,
        -- Whether an event is rated then depends on the dimensions of all meters of its type.
        max(case when is_filtered then 1 else 0 end) over (partition by event_type) = 1
            as has_filtered_prices,
        max(case when has_time_band then 1 else 0 end) over (partition by event_type) = 1
            as has_time_bands,
        md5(concat_ws(
            '|', meter_code, event_type, aggregation, value_property, filter, dimensions,
            cast(rounding_increment as string), cast(minimum_quantity as string),
            case when is_filtered then 'filtered' end,
            case when keeps_event_values then 'by event' end, reading_hash
        )) as meter_hash

    from described

)

select
    meter_code,
    meter_name,
    event_type,
    aggregation,
    nullif(value_property, '') as value_property,
    unit,
    nullif(filter, '') as filter,
    nullif(dimensions, '') as dimensions,
    {{ as_quantity('rounding_increment') }} as rounding_increment,
    {{ as_quantity('minimum_quantity') }} as minimum_quantity,
    unit_size as unit_quantity,
    {{ ratio_divisor('unit_size') }} as unit_factor,
    {{ ratio_dividend('unit_size') }} as unit_divisor,
    aggregation in ('count', 'sum', 'time_weighted') as is_additive,
    meter_slot,
    keeps_event_values,
    has_filtered_prices,
    has_time_bands,
    md5({{ joined_over('meter_hash', 'partition by event_type order by meter_slot
        rows between unbounded preceding and unbounded following') }}) as event_type_hash
from numbered
