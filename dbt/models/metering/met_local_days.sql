-- Grain: one row per time zone in use and UTC day with usage.
-- Tells the customer's date of an instant by one comparison, so that no zone arithmetic is
-- done per event: before next_midnight_at it is local_date, from then on next_local_date.
-- What is metered knows its days, so that of the events only those that landed since are asked.
{% set slices = source('metered_before', 'met_usage_slices') %}
with

zones as (

    select distinct timezone from {{ ref('stg_accounts__customers') }}
    union
    select 'UTC' as timezone

),

days as (

    {% if execute and is_built(['met_usage_slices']) %}
    select event_date from {{ slices }}
    union
    {{ days_with_news(source('raw', 'usage_events'), slices) }}
    {% else %}
    select distinct cast(event_at as date) as event_date
    from {{ source('raw', 'usage_events') }}
    {% endif %}

),

dated as (

    select
        zones.timezone,
        days.event_date,
        cast({{ utc_to_local('cast(days.event_date as timestamp)', 'zones.timezone') }} as date)
            as local_date,
        cast({{ utc_to_local("cast(days.event_date as timestamp) + interval '86399' second",
            'zones.timezone') }} as date)
            as next_local_date

    from zones
    cross join days

)

select
    timezone,
    event_date,
    local_date,
    next_local_date,
    case
        when next_local_date > local_date then {{ local_to_utc('next_local_date', 'timezone') }}
        else {{ end_of_time() }}
    end as next_midnight_at
from dated
