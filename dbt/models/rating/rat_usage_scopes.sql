-- Grain: one row per metered charge period and dimension values that its price takes, with the
-- span in which it takes them.
with

charge_periods as (

    select * from {{ ref('rat_charge_periods') }}
    where meter_code is not null

),

usage_windows as (

    select * from {{ ref('met_usage_windows') }}

)

select
    charge_periods.subscription_id,
    charge_periods.term_from_at,
    charge_periods.charge_code,
    charge_periods.price_id,
    charge_periods.line_from_at,
    charge_periods.meter_code,
    usage_windows.dimension_values,
    greatest(charge_periods.line_from_at, usage_windows.from_at) as from_at,
    least(charge_periods.line_to_at, usage_windows.to_at) as to_at
from charge_periods
inner join usage_windows
    on charge_periods.subscription_id = usage_windows.subscription_id
    and charge_periods.term_from_at = usage_windows.term_from_at
    and charge_periods.charge_code = usage_windows.charge_code
    and charge_periods.price_id = usage_windows.price_id
    and charge_periods.line_from_at < usage_windows.to_at
    and charge_periods.line_to_at > usage_windows.from_at
