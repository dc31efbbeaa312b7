-- Grain: one row per subscription, meter, dimension values and day of the customer.
select
    usage_date,
    customer_id,
    subscription_id,
    meter_code,
    dimension_values,
    unit,
    {{ as_quantity('sum(quantity)') }} as quantity,
    cast(sum(event_count) as bigint) as event_count
from {{ ref('met_usage_daily') }}
group by usage_date, customer_id, subscription_id, meter_code, dimension_values, unit
