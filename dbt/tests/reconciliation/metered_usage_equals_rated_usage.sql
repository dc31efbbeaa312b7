-- Metered = rated, charge by charge: the usage of slices that a price covers is the usage of the
-- charges. Quantities for sum and count meters, which add up; events for all meters.
-- Usage before the first period has no charge, which is why its fate is unpriced. Usage of a
-- period longer than the plan's waits for the invoice with which the period ends, and of one that is
-- billed by the month for its month. That of a settled period was compared when it was rated. A sum
-- that does not fit is null on both sides, and its charge is set aside.
with

billed as (

    select
        periods.subscription_id,
        periods.term_from_at,
        periods.billing_interval,
        min(periods.from_at) as first_from_at,
        case
            when
                {{ interval_months('periods.billing_interval') }}
                > {{ interval_months('terms.billing_interval') }}
                then max(case when periods.billing_period is not null then periods.to_at end)
            else {{ end_of_time() }}
        end as last_to_at

    from {{ ref('met_billing_periods') }} as periods
    inner join {{ ref('stg_accounts__subscriptions') }} as terms
        on periods.subscription_id = terms.subscription_id
        and periods.term_from_at = terms.term_from_at
    group by
        periods.subscription_id, periods.term_from_at, periods.billing_interval,
        terms.billing_interval

),

-- Spans of which no charge speaks in this run.
left_out as (

    select
        periods.subscription_id,
        periods.term_from_at,
        periods.billing_interval,
        windows.currency_code,
        case
            when inputs.is_settled or windows.currency_code <> invoice_periods.price_currency_code
                then periods.from_at
            else periods.billed_to_at
        end as from_at,
        periods.to_at

    from {{ ref('met_billing_periods') }} as periods
    inner join (
        select distinct subscription_id, term_from_at, currency_code
        from {{ ref('met_charge_windows') }}
    ) as windows
        on periods.subscription_id = windows.subscription_id
        and periods.term_from_at = windows.term_from_at
    inner join {{ ref('met_invoice_periods') }} as invoice_periods
        on periods.subscription_id = invoice_periods.subscription_id
        and periods.term_from_at = invoice_periods.term_from_at
        and periods.billing_period = invoice_periods.billing_period
    left join {{ ref('rat_period_inputs') }} as inputs
        on invoice_periods.invoiced_customer_id = inputs.invoiced_customer_id
        and invoice_periods.currency_code = inputs.currency_code
        and periods.billing_period = inputs.billing_period
    where
        inputs.is_settled
        or windows.currency_code <> invoice_periods.price_currency_code
        or periods.billed_to_at < periods.to_at

),

metered as (

    select
        assigned.subscription_id,
        assigned.term_from_at,
        windows.charge_code,
        assigned.meter_code,
        sum(assigned.event_count) as event_count,
        {{ exact_sum("case meters.aggregation
            when 'count' then " ~ as_quantity('assigned.event_count') ~ "
            when 'sum' then assigned.quantity_sum
            else " ~ as_quantity('0') ~ "
        end") }} as quantity,
        max(meters.unit_factor) as unit_factor

    from {{ ref('met_usage_assigned') }} as assigned
    inner join {{ ref('met_usage_windows') }} as windows
        on assigned.subscription_id = windows.subscription_id
        and assigned.term_from_at = windows.term_from_at
        and assigned.meter_code = windows.meter_code
        and assigned.dimension_values = windows.dimension_values
        and assigned.first_event_at >= windows.from_at
        and assigned.first_event_at < windows.to_at
    inner join billed
        on assigned.subscription_id = billed.subscription_id
        and assigned.term_from_at = billed.term_from_at
        and windows.billing_interval = billed.billing_interval
        and assigned.first_event_at >= billed.first_from_at
        and assigned.first_event_at < billed.last_to_at
    inner join {{ ref('stg_pricing__meters') }} as meters
        on assigned.meter_code = meters.meter_code
    left join left_out
        on assigned.subscription_id = left_out.subscription_id
        and assigned.term_from_at = left_out.term_from_at
        and windows.billing_interval = left_out.billing_interval
        and windows.currency_code = left_out.currency_code
        and assigned.first_event_at >= left_out.from_at
        and assigned.first_event_at < left_out.to_at
    where
        assigned.slice_fate = 'metered'
        and left_out.subscription_id is null
    group by
        assigned.subscription_id, assigned.term_from_at, windows.charge_code, assigned.meter_code

),

rated as (

    select
        charges.subscription_id,
        charges.term_from_at,
        charges.charge_code,
        charges.meter_code,
        sum(charges.event_count) as event_count,
        {{ exact_sum("case
            when meters.aggregation in ('count', 'sum') then charges.metered_quantity
            else " ~ as_quantity('0') ~ "
        end") }} as quantity

    from {{ ref('rat_usage_charges') }} as charges
    inner join {{ ref('stg_pricing__meters') }} as meters
        on charges.meter_code = meters.meter_code
    group by
        charges.subscription_id, charges.term_from_at, charges.charge_code, charges.meter_code

)

select
    coalesce(metered.subscription_id, rated.subscription_id) as subscription_id,
    coalesce(metered.charge_code, rated.charge_code) as charge_code,
    coalesce(metered.meter_code, rated.meter_code) as meter_code,
    coalesce(metered.event_count, 0) - coalesce(rated.event_count, 0) as gap_count,
    metered.quantity as metered_quantity,
    rated.quantity as rated_quantity
from metered
full outer join rated
    on metered.subscription_id = rated.subscription_id
    and metered.term_from_at = rated.term_from_at
    and metered.charge_code = rated.charge_code
    and metered.meter_code = rated.meter_code
where
    coalesce(metered.event_count, 0) <> coalesce(rated.event_count, 0)
    or coalesce({{ try_quantity('metered.quantity', 'metered.unit_factor') }}, 0)
    <> coalesce(rated.quantity, 0)
