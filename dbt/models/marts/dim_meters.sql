-- Grain: one row per meter.
select
    meter_code,
    meter_name,
    event_type,
    aggregation,
    value_property,
    unit,
    filter,
    dimensions,
    rounding_increment,
    minimum_quantity,
    unit_quantity
from {{ ref('stg_pricing__meters') }}
