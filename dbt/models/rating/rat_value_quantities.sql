-- Grain: one row per metered charge period and dimension values of a meter that is billed by
-- single values: the lowest, the last, the 95th percentile, or a level held over time.
-- A level counts while it holds in the line: level × hours, or for a prorated price the average
-- level of the full period.
with

scopes as (

    select * from {{ ref('rat_usage_scopes') }}

),

charge_periods as (

    select * from {{ ref('rat_charge_periods') }}

),

meters as (

    select * from {{ ref('stg_pricing__meters') }}

),

event_values as (

    select * from {{ ref('met_values_assigned') }}

),

levels as (

    select * from {{ ref('met_held_levels') }}

),

ranked as (

    select
        scopes.subscription_id,
        scopes.term_from_at,
        scopes.charge_code,
        scopes.price_id,
        scopes.line_from_at,
        scopes.dimension_values,
        meters.aggregation,
        event_values.value_quantity,
        count(*) over (
            partition by
                scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.price_id,
                scopes.line_from_at, scopes.dimension_values
        ) as value_count,
        row_number() over (
            partition by
                scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.price_id,
                scopes.line_from_at, scopes.dimension_values
            order by event_values.value_quantity
        ) as value_rank,
        row_number() over (
            partition by
                scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.price_id,
                scopes.line_from_at, scopes.dimension_values
            order by event_values.event_at desc, event_values.event_id desc, event_values.source desc
        ) as recency

    from scopes
    inner join meters
        on scopes.meter_code = meters.meter_code
        and meters.aggregation in ('min', 'latest', 'percentile_95')
    inner join event_values
        on scopes.subscription_id = event_values.subscription_id
        and scopes.term_from_at = event_values.term_from_at
        and scopes.meter_code = event_values.meter_code
        and scopes.dimension_values = event_values.dimension_values
        and event_values.event_at >= scopes.from_at
        and event_values.event_at < scopes.to_at

),

-- Nearest rank: the lowest value that at least 95 of 100 values do not exceed.
chosen as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        line_from_at,
        dimension_values,
        case max(aggregation)
            when 'min' then min(value_quantity)
            when 'latest' then max(case when recency = 1 then value_quantity end)
            else min(case when value_rank * 100 >= value_count * 95 then value_quantity end)
        end as quantity

    from ranked
    group by subscription_id, term_from_at, charge_code, price_id, line_from_at, dimension_values

),

timed as (

    select
        scopes.subscription_id,
        scopes.term_from_at,
        scopes.charge_code,
        scopes.price_id,
        scopes.line_from_at,
        scopes.dimension_values,
        {{ try_quantity('levels.value_quantity', 'cast(' ~ microseconds_between(
            'greatest(levels.from_at, scopes.from_at)', 'least(levels.to_at, scopes.to_at)'
        ) ~ ' as decimal(18, 0))') }} as level_microseconds

    from scopes
    inner join levels
        on scopes.subscription_id = levels.subscription_id
        and scopes.term_from_at = levels.term_from_at
        and scopes.meter_code = levels.meter_code
        and scopes.dimension_values = levels.dimension_values
        and levels.from_at < scopes.to_at
        and levels.to_at > scopes.from_at

),

held as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        line_from_at,
        dimension_values,
        {{ exact_sum('level_microseconds') }} as level_microseconds

    from timed
    group by subscription_id, term_from_at, charge_code, price_id, line_from_at, dimension_values

)

select
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    line_from_at,
    dimension_values,
    {{ as_quantity('quantity') }} as quantity
from chosen

union all

select
    held.subscription_id,
    held.term_from_at,
    held.charge_code,
    held.price_id,
    held.line_from_at,
    held.dimension_values,
    {{ quotient('held.level_microseconds', 'case when charge_periods.is_prorated then '
        ~ microseconds_between('charge_periods.period_from_at', 'charge_periods.period_to_at')
        ~ ' else 3600000000 end') }} as quantity
from held
inner join charge_periods
    on held.subscription_id = charge_periods.subscription_id
    and held.term_from_at = charge_periods.term_from_at
    and held.charge_code = charge_periods.charge_code
    and held.price_id = charge_periods.price_id
    and held.line_from_at = charge_periods.line_from_at
