-- Grain: one row per charge period and dimension values whose events are priced one by one.
-- An event owes its percentage and the fee, within the bounds of the price; a reversal gives back
-- what the same event would owe. The first events of a period, over price versions, are free.
with

scopes as (

    select * from {{ ref('rat_usage_scopes') }}

),

charge_periods as (

    select * from {{ ref('rat_charge_periods') }}
    where
        is_priced_by_event
        and not is_trial

),

event_values as (

    select * from {{ ref('met_values_assigned') }}

),

meters as (

    select * from {{ ref('stg_pricing__meters') }}

),

counted as (

    select
        scopes.subscription_id,
        scopes.term_from_at,
        scopes.charge_code,
        scopes.price_id,
        scopes.line_from_at,
        scopes.dimension_values,
        charge_periods.free_event_count,
        charge_periods.event_minimum_amount,
        charge_periods.event_maximum_amount,
        event_values.value_quantity,
        {{ try_sum(divided_product(
            try_quantity('abs(event_values.value_quantity)', 'meters.unit_factor'),
            hundredth('charge_periods.unit_price'), 'meters.unit_divisor'
        ), 'charge_periods.event_fee') }}
            as owed_amount,
        row_number() over (
            partition by
                scopes.subscription_id, scopes.term_from_at, scopes.charge_code,
                charge_periods.billing_period, scopes.dimension_values
            order by event_values.event_at, event_values.event_id, event_values.source
        ) as event_number

    from scopes
    inner join charge_periods
        on scopes.subscription_id = charge_periods.subscription_id
        and scopes.term_from_at = charge_periods.term_from_at
        and scopes.charge_code = charge_periods.charge_code
        and scopes.price_id = charge_periods.price_id
        and scopes.line_from_at = charge_periods.line_from_at
    inner join meters
        on scopes.meter_code = meters.meter_code
    inner join event_values
        on scopes.subscription_id = event_values.subscription_id
        and scopes.term_from_at = event_values.term_from_at
        and scopes.meter_code = event_values.meter_code
        and scopes.dimension_values = event_values.dimension_values
        and event_values.event_at >= scopes.from_at
        and event_values.event_at < scopes.to_at

),

bounded as (

    select
        *,
        case
            when event_number <= free_event_count then {{ as_amount('0') }}
            when owed_amount < event_minimum_amount then {{ as_amount('event_minimum_amount') }}
            when owed_amount > event_maximum_amount then {{ as_amount('event_maximum_amount') }}
            else owed_amount
        end * case when value_quantity < 0 then -1 else 1 end as event_amount

    from counted

),

-- In two parts, because a sum of amounts that fit may not fit itself.
summed as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        line_from_at,
        dimension_values,
        count(*) - count(event_amount) as unfit_count,
        sum({{ whole_amount('event_amount') }}) as whole_amount,
        sum({{ rest_of_amount('event_amount') }}) as remaining_amount

    from bounded
    group by
        subscription_id, term_from_at, charge_code, price_id, line_from_at, dimension_values

)

select
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    line_from_at,
    dimension_values,
    case
        when unfit_count = 0 then {{ try_sum('whole_amount', 'remaining_amount') }}
    end as exact_amount
from summed
