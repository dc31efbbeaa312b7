-- Grain: one row per usage segment that no price takes: its plan has none for its meter, for its
-- dimension values or at its time. Usage before the first period is in no invoice, so it is not
-- rated either. Of an event with several meters another one may be priced all the same.
with

usage_windows as (

    select * from {{ ref('met_usage_windows') }}

),

-- The periods of a term and interval follow each other without a gap.
coverage as (

    select
        subscription_id,
        term_from_at,
        billing_interval,
        min(from_at) as from_at,
        max(to_at) as to_at

    from {{ ref('met_billing_periods') }}
    group by subscription_id, term_from_at, billing_interval

),

covered_windows as (

    select
        usage_windows.subscription_id,
        usage_windows.term_from_at,
        usage_windows.meter_code,
        usage_windows.dimension_values,
        greatest(usage_windows.from_at, coverage.from_at) as from_at,
        least(usage_windows.to_at, coverage.to_at) as to_at

    from usage_windows
    inner join coverage
        on usage_windows.subscription_id = coverage.subscription_id
        and usage_windows.term_from_at = coverage.term_from_at
        and usage_windows.billing_interval = coverage.billing_interval

)

select
    segments.event_month,
    segments.subscription_id,
    segments.term_from_at,
    segments.customer_id,
    segments.meter_code,
    segments.dimension_values,
    segments.segment_from_at,
    segments.first_event_at,
    segments.last_event_at,
    segments.event_count,
    segments.quantity_sum,
    segments.quantity_max
from {{ ref('met_usage_segments') }} as segments
where
    segments.subscription_id is not null
    and not exists (
        select 1
        from covered_windows
        where
            covered_windows.subscription_id = segments.subscription_id
            and covered_windows.term_from_at = segments.term_from_at
            and covered_windows.meter_code = segments.meter_code
            and covered_windows.dimension_values = segments.dimension_values
            and covered_windows.from_at <= segments.first_event_at
            and covered_windows.to_at > segments.first_event_at
    )
