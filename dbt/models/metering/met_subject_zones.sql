-- Grain: one row per subject that is known at all, with the zone its usage days are counted in.
-- Customers without any subscription are known too: their usage is no_active_subscription.
-- The hash changes when usage of the subject may belong to another term than before.
with

subjects as (

    select * from {{ ref('met_subjects') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

known as (

    select
        subject,
        timezone,
        concat_ws(
            '|', subscription_id, cast(term_from_at as string), customer_id,
            cast(from_at as string), cast(to_at as string)
        ) as span_text
    from subjects

    union all

    select
        customer_id as subject,
        timezone,
        '' as span_text
    from customers

)

select
    subject,
    min(timezone) as timezone,
    md5({{ joined_text('span_text', 'span_text') }}) as subject_hash
from known
group by subject
