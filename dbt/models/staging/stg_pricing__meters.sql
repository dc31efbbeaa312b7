-- Grain: one row per meter.
-- The slot numbers the meters of one event type, so that a pass over events can hold them
-- side by side; the hash changes when the meaning of any meter of the type changes.
with

meters as (

    select * from {{ ref('meters') }}

),

filtered_meters as (

    select distinct meter_code
    from {{ ref('prices') }}
    where coalesce(dimension_filter, '') <> ''

),

numbered as (

    select
        meters.*,
        row_number() over (
            partition by meters.event_type order by meters.meter_code
        ) as meter_slot,
        -- Whether an event is rated then depends on the dimensions of all meters of its type.
        max(case when filtered_meters.meter_code is null then 0 else 1 end) over (
            partition by meters.event_type
        ) = 1 as has_filtered_prices,
        md5(concat_ws(
            '|', meters.meter_code, meters.event_type, meters.aggregation,
            meters.value_property, meters.filter, meters.dimensions,
            cast(meters.rounding_increment as varchar),
            cast(meters.minimum_quantity as varchar), filtered_meters.meter_code
        )) as meter_hash

    from meters
    left join filtered_meters
        on meters.meter_code = filtered_meters.meter_code

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
    meter_slot,
    has_filtered_prices,
    md5(string_agg(meter_hash, '|') over (
        partition by event_type order by meter_slot
        rows between unbounded preceding and unbounded following
    )) as event_type_hash
from numbered
