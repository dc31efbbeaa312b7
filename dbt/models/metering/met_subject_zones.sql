-- Grain: one row per subject that is known at all, with the zone its usage days are counted in, and
-- all of its zones where it was handed to a customer in another one.
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
        from_at,
        concat_ws(
            '|', subscription_id, cast(term_from_at as string), customer_id,
            cast(from_at as string), cast(to_at as string)
        ) as span_text
    from subjects

    union all

    select
        customer_id as subject,
        timezone,
        {{ end_of_time() }} as from_at,
        '' as span_text
    from customers

),

spans as (

    select
        *,
        {{ zone_span('from_at', 'timezone') }} as zone_span

    from known

)

select
    subject,
    min(zone_span).timezone as timezone,
    case when min(timezone) <> max(timezone) then {{ sorted_list('zone_span') }} end as zone_spans,
    md5({{ joined_text('span_text', 'span_text') }}) as subject_hash
from spans
group by subject
