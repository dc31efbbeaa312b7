-- Grain: one row per term, time_weighted meter, dimension values and local day on which a level
-- holds, with or without an event, up to the last period there is.
with

levels as (

    select * from {{ ref('met_held_levels') }}

),

periods as (

    select * from {{ ref('met_billing_periods') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

held as (

    select
        periods.subscription_id,
        periods.term_from_at,
        terms.timezone,
        levels.meter_code,
        levels.dimension_values,
        levels.value_quantity,
        greatest(levels.from_at, periods.from_at) as from_at,
        least(levels.to_at, periods.billed_to_at) as to_at

    from levels
    inner join periods
        on levels.subscription_id = periods.subscription_id
        and levels.term_from_at = periods.term_from_at
        and levels.from_at < periods.billed_to_at
        and levels.to_at > periods.from_at
    inner join terms
        on periods.subscription_id = terms.subscription_id
        and periods.term_from_at = terms.term_from_at
        and periods.billing_interval = terms.billing_interval
    where periods.billing_period is not null

),

dated as (

    select
        *,
        cast({{ utc_to_local('from_at', 'timezone') }} as date) as local_from_date,
        cast({{ utc_to_local('to_at', 'timezone') }} as date) as local_to_date

    from held

),

numbered as (

    select
        *,
        {{ numbers_to(days_between('local_from_date', 'local_to_date')) }} as day_number

    from dated

),

days as (

    select
        *,
        {{ add_days('local_from_date', 'day_number') }} as usage_date

    from numbered

),

cut as (

    select
        *,
        greatest(from_at, {{ local_to_utc('usage_date', 'timezone') }}) as day_from_at,
        least(to_at, {{ local_to_utc(add_days('usage_date', '1'), 'timezone') }}) as day_to_at

    from days

),

timed as (

    select
        *,
        {{ try_quantity('value_quantity', 'cast(' ~ microseconds_between(
            'day_from_at', 'day_to_at') ~ ' as decimal(18, 0))') }} as level_microseconds

    from cut
    where day_from_at < day_to_at

),

summed as (

    select
        subscription_id,
        term_from_at,
        meter_code,
        dimension_values,
        usage_date,
        {{ exact_sum('level_microseconds') }} as level_microseconds

    from timed
    group by subscription_id, term_from_at, meter_code, dimension_values, usage_date

)

select
    subscription_id,
    term_from_at,
    meter_code,
    dimension_values,
    usage_date,
    {{ quotient('level_microseconds', '3600000000') }} as quantity
from summed
