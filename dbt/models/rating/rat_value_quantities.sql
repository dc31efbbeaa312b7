-- Grain: one row per metered charge period and dimension values of a meter whose quantities cannot
-- be added up (highest, lowest, last, 95th percentile, different values), or of a level held over
-- time.
-- What cannot be added up is measured over all prices that a charge has in a period, and each of
-- them charges it for its share of the days; also where nothing was used.
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

segments as (

    select * from {{ ref('met_usage_segments') }}

),

event_values as (

    select * from {{ ref('met_values_assigned') }}

),

unique_values as (

    select * from {{ ref('met_unique_assigned') }}

),

levels as (

    select * from {{ ref('met_held_levels') }}

),

active_spans as (

    select * from {{ ref('met_active_spans') }}

),

whole_periods as (

    select
        charge_periods.*,
        meters.aggregation

    from charge_periods
    inner join meters
        on charge_periods.meter_code = meters.meter_code
        and not meters.is_additive

),

whole_scopes as (

    select
        scopes.*,
        whole_periods.aggregation,
        whole_periods.is_trial,
        whole_periods.period_from_at,
        whole_periods.period_to_at,
        whole_periods.timezone

    from scopes
    inner join whole_periods
        on scopes.subscription_id = whole_periods.subscription_id
        and scopes.term_from_at = whole_periods.term_from_at
        and scopes.charge_code = whole_periods.charge_code
        and scopes.price_id = whole_periods.price_id
        and scopes.line_from_at = whole_periods.line_from_at

),

ranked as (

    select
        scopes.subscription_id,
        scopes.term_from_at,
        scopes.charge_code,
        scopes.meter_code,
        scopes.is_trial,
        scopes.period_from_at,
        scopes.period_to_at,
        scopes.dimension_values,
        scopes.aggregation,
        event_values.value_quantity,
        count(*) over (
            partition by
                scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.meter_code,
                scopes.is_trial, scopes.period_from_at, scopes.period_to_at,
                scopes.dimension_values
        ) as value_count,
        row_number() over (
            partition by
                scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.meter_code,
                scopes.is_trial, scopes.period_from_at, scopes.period_to_at,
                scopes.dimension_values
            order by event_values.value_quantity
        ) as value_rank,
        row_number() over (
            partition by
                scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.meter_code,
                scopes.is_trial, scopes.period_from_at, scopes.period_to_at,
                scopes.dimension_values
            order by event_values.event_at desc, event_values.event_id desc, event_values.source desc
        ) as recency

    from whole_scopes as scopes
    inner join event_values
        on scopes.subscription_id = event_values.subscription_id
        and scopes.term_from_at = event_values.term_from_at
        and scopes.meter_code = event_values.meter_code
        and scopes.dimension_values = event_values.dimension_values
        and event_values.event_at >= scopes.from_at
        and event_values.event_at < scopes.to_at
    where scopes.aggregation in ('min', 'latest', 'percentile_95')

),

-- Nearest rank: the lowest value that at least 95 of 100 values do not exceed.
measured as (

    select
        subscription_id, term_from_at, charge_code, meter_code, is_trial, period_from_at,
        period_to_at, dimension_values,
        case max(aggregation)
            when 'min' then min(value_quantity)
            when 'latest' then max(case when recency = 1 then value_quantity end)
            else min(case when value_rank * 100 >= value_count * 95 then value_quantity end)
        end as metered_quantity

    from ranked
    group by
        subscription_id, term_from_at, charge_code, meter_code, is_trial, period_from_at,
        period_to_at, dimension_values

    union all

    select
        scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.meter_code,
        scopes.is_trial, scopes.period_from_at, scopes.period_to_at, scopes.dimension_values,
        max(segments.quantity_max) as metered_quantity

    from whole_scopes as scopes
    inner join segments
        on scopes.subscription_id = segments.subscription_id
        and scopes.term_from_at = segments.term_from_at
        and scopes.meter_code = segments.meter_code
        and scopes.dimension_values = segments.dimension_values
        and segments.first_event_at >= scopes.from_at
        and segments.first_event_at < scopes.to_at
    where scopes.aggregation = 'max'
    group by
        scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.meter_code,
        scopes.is_trial, scopes.period_from_at, scopes.period_to_at, scopes.dimension_values

    union all

    select
        scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.meter_code,
        scopes.is_trial, scopes.period_from_at, scopes.period_to_at, scopes.dimension_values,
        {{ as_quantity('count(distinct unique_values.value_text)') }} as metered_quantity

    from whole_scopes as scopes
    inner join unique_values
        on scopes.subscription_id = unique_values.subscription_id
        and scopes.term_from_at = unique_values.term_from_at
        and scopes.meter_code = unique_values.meter_code
        and scopes.dimension_values = unique_values.dimension_values
        and unique_values.first_event_at >= scopes.from_at
        and unique_values.first_event_at < scopes.to_at
    where scopes.aggregation = 'unique_count'
    group by
        scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.meter_code,
        scopes.is_trial, scopes.period_from_at, scopes.period_to_at, scopes.dimension_values

),

-- A price with a filter may take a value for some of its days only; a pause has no days.
taken as (

    select
        scopes.subscription_id,
        scopes.term_from_at,
        scopes.charge_code,
        scopes.price_id,
        scopes.line_from_at,
        scopes.dimension_values,
        min(measured.metered_quantity) as metered_quantity,
        min(scopes.from_at) as used_from_at,
        sum(coalesce({{ local_days_between(
            'greatest(scopes.from_at, active_spans.from_at)',
            'least(scopes.to_at, active_spans.to_at)', 'scopes.timezone'
        ) }}, 0)) as day_count

    from whole_scopes as scopes
    inner join measured
        on scopes.subscription_id = measured.subscription_id
        and scopes.term_from_at = measured.term_from_at
        and scopes.charge_code = measured.charge_code
        and scopes.meter_code = measured.meter_code
        and scopes.is_trial = measured.is_trial
        and scopes.period_from_at = measured.period_from_at
        and scopes.period_to_at = measured.period_to_at
        and scopes.dimension_values = measured.dimension_values
    left join active_spans
        on scopes.subscription_id = active_spans.subscription_id
        and scopes.term_from_at = active_spans.term_from_at
        and scopes.from_at < active_spans.to_at
        and scopes.to_at > active_spans.from_at
    group by
        scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.price_id,
        scopes.line_from_at, scopes.dimension_values

),

-- What nobody used is shared as well once the period has ended, by the prices of one filter: of its
-- flat amount each owes its part.
counted as (

    select
        whole_periods.subscription_id,
        whole_periods.term_from_at,
        whole_periods.charge_code,
        whole_periods.price_id,
        whole_periods.line_from_at,
        whole_periods.is_trial,
        whole_periods.is_prorated,
        whole_periods.period_day_count,
        whole_periods.period_from_at,
        whole_periods.period_to_at,
        case when taken.price_id is null then whole_periods.dimension_filter else '' end
            as unused_filter,
        coalesce(taken.dimension_values, '{}') as dimension_values,
        coalesce(taken.metered_quantity, 0) as metered_quantity,
        coalesce(taken.used_from_at, whole_periods.line_from_at) as used_from_at,
        coalesce(taken.day_count, whole_periods.active_day_count) as day_count

    from whole_periods
    left join taken
        on whole_periods.subscription_id = taken.subscription_id
        and whole_periods.term_from_at = taken.term_from_at
        and whole_periods.charge_code = taken.charge_code
        and whole_periods.price_id = taken.price_id
        and whole_periods.line_from_at = taken.line_from_at
    where
        taken.price_id is not null
        or whole_periods.has_ended

),

shared as (

    select
        *,
        count(*) over (
            partition by
                subscription_id, term_from_at, charge_code, is_trial, period_from_at, period_to_at,
                dimension_values, unused_filter
        ) as price_count,
        sum(day_count) over (
            partition by
                subscription_id, term_from_at, charge_code, is_trial, period_from_at, period_to_at,
                dimension_values, unused_filter
        ) as shared_day_count,
        row_number() over (
            partition by
                subscription_id, term_from_at, charge_code, is_trial, period_from_at, period_to_at,
                dimension_values, unused_filter
            order by used_from_at desc, line_from_at desc, price_id desc
        ) as recency

    from counted

),

-- Seconds are enough where nothing begins or ends within one, and leave room for larger levels. All
-- that one allowance is for is counted in the same.
held as (

    select
        scopes.subscription_id,
        scopes.term_from_at,
        scopes.charge_code,
        scopes.price_id,
        scopes.line_from_at,
        scopes.dimension_values,
        levels.value_quantity,
        {{ microseconds_between(
            'greatest(levels.from_at, scopes.from_at)', 'least(levels.to_at, scopes.to_at)'
        ) }} as held_microseconds

    from scopes
    inner join levels
        on scopes.subscription_id = levels.subscription_id
        and scopes.term_from_at = levels.term_from_at
        and scopes.meter_code = levels.meter_code
        and scopes.dimension_values = levels.dimension_values
        and levels.from_at < scopes.to_at
        and levels.to_at > scopes.from_at

),

timed as (

    select
        *,
        case
            when
                max(held_microseconds % 1000000) over (
                    partition by subscription_id, charge_code, dimension_values
                ) = 0
                then 1000000
            else 1
        end as time_unit

    from held

),

weighted as (

    select
        *,
        {{ try_quantity('value_quantity', 'cast(' ~ whole_quotient('held_microseconds', 'time_unit', 7)
            ~ ' as decimal(18, 0))') }} as level_time

    from timed

),

held_levels as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        line_from_at,
        dimension_values,
        time_unit,
        {{ exact_sum('level_time') }} as level_time

    from weighted
    group by
        subscription_id, term_from_at, charge_code, price_id, line_from_at, dimension_values,
        time_unit

)

select
    subscription_id,
    term_from_at,
    charge_code,
    price_id,
    line_from_at,
    dimension_values,
    {{ as_quantity('metered_quantity') }} as metered_quantity,
    cast(1 as decimal(38, 0)) as quantity_divisor,
    cast(case
        when is_prorated and day_count < period_day_count then day_count
        when is_prorated or price_count = 1 then 1
        -- Where all prices begin and end within one day, the last of them has it.
        when shared_day_count = 0 then case when recency = 1 then 1 else 0 end
        else day_count
    end as bigint) as share_day_count,
    cast(case
        when is_prorated and day_count < period_day_count then period_day_count
        when is_prorated or price_count = 1 or shared_day_count = 0 then 1
        else shared_day_count
    end as bigint) as share_of_day_count
from shared

union all

select
    held_levels.subscription_id,
    held_levels.term_from_at,
    held_levels.charge_code,
    held_levels.price_id,
    held_levels.line_from_at,
    held_levels.dimension_values,
    held_levels.level_time as metered_quantity,
    cast({{ whole_quotient('case when charge_periods.is_prorated then '
        ~ microseconds_between('charge_periods.period_from_at', 'charge_periods.period_to_at')
        ~ ' else 3600000000 end', 'held_levels.time_unit', 7) }} as decimal(38, 0))
        as quantity_divisor,
    cast(1 as bigint) as share_day_count,
    cast(1 as bigint) as share_of_day_count
from held_levels
inner join charge_periods
    on held_levels.subscription_id = charge_periods.subscription_id
    and held_levels.term_from_at = charge_periods.term_from_at
    and held_levels.charge_code = charge_periods.charge_code
    and held_levels.price_id = charge_periods.price_id
    and held_levels.line_from_at = charge_periods.line_from_at
