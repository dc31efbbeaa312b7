-- Grain: one row per subject that is known at all, with the zone its usage days are counted in.
-- Customers without any subscription are known too: their usage is no_active_subscription.
with

subjects as (

    select * from {{ ref('met_subjects') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

known as (

    select subject, timezone from subjects
    union all
    select customer_id as subject, timezone from customers

)

select
    subject,
    min(timezone) as timezone
from known
group by subject
