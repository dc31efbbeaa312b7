-- Grain: one row per meter.
-- The slot numbers the meters of one event type, so that a pass over events can hold them
-- side by side; the hash changes when the meaning of any meter of the type changes.
with

meters as (

    select * from {{ ref('meters') }}

),

numbered as (

    select
        *,
        row_number() over (partition by event_type order by meter_code) as meter_slot,
        md5(concat_ws(
            '|', meter_code, event_type, aggregation, value_property, filter, dimensions,
            cast(rounding_increment as varchar), cast(minimum_quantity as varchar)
        )) as meter_hash

    from meters

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
    md5(string_agg(meter_hash, '|') over (
        partition by event_type order by meter_slot
        rows between unbounded preceding and unbounded following
    )) as event_type_hash
from numbered
