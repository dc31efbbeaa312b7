-- Grain: one row per day with usage or in a billing period.
with

periods as (

    select
        min(period_from_date) as first_date,
        max(period_to_date) as last_date

    from {{ ref('met_billing_periods') }}

),

numbered as (

    select
        first_date,
        {{ numbers_to(days_between('first_date', 'last_date')) }} as day_number

    from periods
    where first_date is not null

),

dates as (

    select {{ add_days('first_date', 'day_number') }} as calendar_date
    from numbered

)

select
    calendar_date,
    cast(date_trunc('month', calendar_date) as date) as calendar_month,
    {{ month_text('calendar_date') }} as billing_period,
    cast(extract(year from calendar_date) as integer) as calendar_year,
    cast(extract(quarter from calendar_date) as integer) as calendar_quarter,
    {{ iso_weekday('calendar_date') }} as iso_weekday
from dates
