-- Grain: one row per recurring fee and billing period (and price version, when prorated).
-- A prorated fee counts local days: active days over days of the full period. The day on which
-- something starts counts, the day on which it ends does not, so no day is paid twice.
-- A fee that is not prorated is owed once for all of the period, at the price in force when it
-- starts.
with

charge_periods as (

    select * from {{ ref('rat_charge_periods') }}
    where
        meter_code is null
        and not is_trial

)

select
    subscription_id,
    term_from_at,
    customer_id,
    invoiced_customer_id,
    currency_code,
    timezone,
    billing_period,
    charge_code,
    charge_name,
    price_id,
    pricing_model,
    unit_price,
    tax_category,
    period_from_at,
    line_from_at,
    case when is_prorated then line_to_at else active_to_at end as line_to_at,
    active_day_count,
    period_day_count,
    case
        when is_prorated and active_day_count < period_day_count
            then {{ as_quantity(share(as_price('1'), 'active_day_count', 'period_day_count')) }}
        else {{ as_quantity('1') }}
    end as quantity,
    case
        when is_prorated and active_day_count < period_day_count
            then {{ share('unit_price', 'active_day_count', 'period_day_count') }}
        else {{ as_amount('unit_price') }}
    end as exact_amount,
    is_prorated and active_day_count < period_day_count as is_divided
from charge_periods
where
    is_prorated
    or starts_period
