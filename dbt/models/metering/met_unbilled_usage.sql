-- Grain: one row per UTC month, customer, subscription or subject, meter, dimension values and
-- reason of metered usage that nobody is billed for.
-- Other usage of an event that a plan takes for one meter alone is left out on purpose.
with

meters as (

    select * from {{ ref('stg_pricing__meters') }}

),

priced_meters as (

    select distinct
        terms.subscription_id,
        terms.term_from_at,
        meters.meter_code,
        meters.event_type

    from {{ ref('stg_accounts__subscriptions') }} as terms
    inner join {{ ref('prices') }} as prices
        on terms.plan_code = prices.plan_code
    inner join meters
        on prices.meter_code = meters.meter_code

),

unpriced as (

    select
        segments.event_month,
        segments.customer_id,
        segments.subscription_id,
        cast(null as string) as subject,
        segments.meter_code,
        segments.dimension_values,
        case
            when max(case when priced_meters.meter_code = segments.meter_code then 1 end) = 1
                then 'unpriced_values'
            when max(priced_meters.event_type) is null then 'unpriced_meter'
        end as reason,
        segments.segment_from_at,
        max(segments.event_count) as event_count,
        max(segments.quantity_sum) as quantity_sum

    from {{ ref('met_unpriced_segments') }} as segments
    inner join meters
        on segments.meter_code = meters.meter_code
    left join priced_meters
        on segments.subscription_id = priced_meters.subscription_id
        and segments.term_from_at = priced_meters.term_from_at
        and meters.event_type = priced_meters.event_type
    group by
        segments.event_month, segments.customer_id, segments.subscription_id,
        segments.term_from_at, segments.meter_code, segments.dimension_values,
        segments.segment_from_at

),

subject_customers as (

    select
        subject,
        case when min(customer_id) = max(customer_id) then min(customer_id) end as customer_id

    from {{ ref('met_subjects') }}
    group by subject

),

unbilled as (

    select
        event_month, customer_id, subscription_id, subject, meter_code, dimension_values, reason,
        event_count, quantity_sum
    from unpriced
    where reason is not null

    union all

    select
        cast(date_trunc('month', assigned.event_date) as date) as event_month,
        subject_customers.customer_id,
        cast(null as string) as subscription_id,
        assigned.subject,
        assigned.meter_code,
        assigned.dimension_values,
        assigned.slice_fate as reason,
        assigned.event_count,
        assigned.quantity_sum
    from {{ ref('met_usage_assigned') }} as assigned
    left join subject_customers
        on assigned.subject = subject_customers.subject
    where assigned.slice_fate in (
        'unknown_subject', 'no_active_subscription', 'ambiguous_subscription'
    )

)

select
    unbilled.event_month,
    unbilled.customer_id,
    unbilled.subscription_id,
    unbilled.subject,
    unbilled.meter_code,
    unbilled.dimension_values,
    unbilled.reason,
    cast(sum(unbilled.event_count) as bigint) as event_count,
    {{ exact_sum("case meters.aggregation when 'count' then "
        ~ as_quantity('unbilled.event_count') ~ " when 'sum' then unbilled.quantity_sum end") }}
        as quantity
from unbilled
inner join meters
    on unbilled.meter_code = meters.meter_code
group by
    unbilled.event_month, unbilled.customer_id, unbilled.subscription_id, unbilled.subject,
    unbilled.meter_code, unbilled.dimension_values, unbilled.reason
