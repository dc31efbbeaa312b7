-- Grain: one row per term, charge, dimension filter, price version and billing period in which
-- it is active.
-- Of a period that is billed by the month usage is billed up to the end of the billed month, and a
-- fee in arrears once the period has ended. Days are counted in all of the line all the same.
with

charge_windows as (

    select * from {{ ref('met_charge_windows') }}

),

periods as (

    select * from {{ ref('met_billing_periods') }}

),

invoice_periods as (

    select * from {{ ref('met_invoice_periods') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

prices as (

    select * from {{ ref('prices') }}

),

spans as (

    select * from {{ ref('met_active_spans') }}

),

invoiced as (

    select
        periods.*,
        charge_windows.currency_code as price_currency_code,
        charge_windows.charge_code,
        charge_windows.price_id,
        charge_windows.dimension_filter,
        charge_windows.is_trial,
        prices.billed = 'advance' as is_in_advance,
        coalesce(prices.meter_code, '') = '' and not coalesce(prices.prorated, false) as is_whole_fee,
        greatest(charge_windows.from_at, periods.from_at) as line_from_at,
        least(charge_windows.to_at, periods.to_at) as line_to_at

    from periods
    inner join charge_windows
        on periods.subscription_id = charge_windows.subscription_id
        and periods.term_from_at = charge_windows.term_from_at
        and periods.billing_interval = charge_windows.billing_interval
        and charge_windows.from_at < periods.to_at
        and charge_windows.to_at > periods.from_at
    inner join prices
        on charge_windows.price_id = prices.price_id
    where
        case
            when prices.billed = 'advance' then periods.advance_billing_period
            else periods.billing_period
        end is not null
        and case
            when coalesce(prices.meter_code, '') <> ''
                then charge_windows.from_at < periods.billed_to_at
            else prices.billed = 'advance' or periods.has_ended
        end

),

paused_subscriptions as (

    select distinct subscription_id from {{ ref('stg_accounts__pauses') }}

),

-- A price whose line is paused from end to end owes nothing, not even a flat amount. A fee that
-- is not prorated is for all of its period, whenever its price changes.
active as (

    select
        invoiced.subscription_id,
        invoiced.term_from_at,
        invoiced.charge_code,
        invoiced.price_id,
        invoiced.line_from_at,
        cast(sum(case when spans.from_at < invoiced.line_to_at then {{ local_days_between(
            'greatest(spans.from_at, invoiced.line_from_at)',
            'least(spans.to_at, invoiced.line_to_at)', 'terms.timezone'
        ) }} else 0 end) as bigint) as active_day_count

    from invoiced
    inner join paused_subscriptions
        on invoiced.subscription_id = paused_subscriptions.subscription_id
    inner join spans
        on invoiced.subscription_id = spans.subscription_id
        and invoiced.term_from_at = spans.term_from_at
        and invoiced.line_from_at < spans.to_at
        and case when invoiced.is_whole_fee then invoiced.to_at else invoiced.line_to_at end
        > spans.from_at
    inner join terms
        on invoiced.subscription_id = terms.subscription_id
        and invoiced.term_from_at = terms.term_from_at
    group by
        invoiced.subscription_id, invoiced.term_from_at, invoiced.charge_code,
        invoiced.price_id, invoiced.line_from_at

)

select
    invoiced.subscription_id,
    invoiced.term_from_at,
    terms.customer_id,
    coalesce(invoice_periods.invoiced_customer_id, terms.invoiced_customer_id)
        as invoiced_customer_id,
    coalesce(invoice_periods.currency_code, terms.currency_code) as currency_code,
    terms.timezone,
    case
        when invoiced.is_in_advance then invoiced.advance_billing_period
        else invoiced.billing_period
    end as billing_period,
    invoiced.period_day_count,
    invoiced.full_from_at as period_from_at,
    invoiced.full_to_at as period_to_at,
    invoiced.to_at as active_to_at,
    prices.charge_code,
    prices.charge_name,
    prices.price_id,
    invoiced.dimension_filter,
    invoiced.is_trial,
    nullif(prices.meter_code, '') as meter_code,
    prices.pricing_model,
    {{ as_price('prices.unit_price') }} as unit_price,
    {{ as_quantity('prices.price_quantity') }} as price_quantity,
    {{ as_quantity('prices.package_size') }} as package_size,
    {{ as_quantity('coalesce(prices.included_quantity, 0)') }} as included_quantity,
    coalesce(prices.prorated, false) as is_prorated,
    coalesce(
        prices.event_fee, prices.event_minimum_amount, prices.event_maximum_amount
    ) is not null or prices.free_event_count is not null as is_priced_by_event,
    {{ as_price('coalesce(prices.event_fee, 0)') }} as event_fee,
    cast(coalesce(prices.free_event_count, 0) as bigint) as free_event_count,
    {{ as_price('prices.event_minimum_amount') }} as event_minimum_amount,
    {{ as_price('prices.event_maximum_amount') }} as event_maximum_amount,
    nullif(prices.tax_category, '') as tax_category,
    invoiced.line_from_at,
    case
        when coalesce(prices.meter_code, '') = '' then invoiced.line_to_at
        else least(invoiced.line_to_at, invoiced.billed_to_at)
    end as line_to_at,
    coalesce(
        active.active_day_count,
        {{ local_days_between('invoiced.line_from_at', 'invoiced.line_to_at', 'terms.timezone') }}
    ) as active_day_count,
    -- A paid term begins when its trial ends.
    invoiced.line_from_at = greatest(invoiced.from_at, terms.paid_from_at) as starts_period,
    invoiced.has_ended
from invoiced
left join paused_subscriptions
    on invoiced.subscription_id = paused_subscriptions.subscription_id
left join active
    on invoiced.subscription_id = active.subscription_id
    and invoiced.term_from_at = active.term_from_at
    and invoiced.charge_code = active.charge_code
    and invoiced.price_id = active.price_id
    and invoiced.line_from_at = active.line_from_at
inner join terms
    on invoiced.subscription_id = terms.subscription_id
    and invoiced.term_from_at = terms.term_from_at
inner join prices
    on invoiced.price_id = prices.price_id
left join invoice_periods
    on invoiced.subscription_id = invoice_periods.subscription_id
    and invoiced.term_from_at = invoice_periods.term_from_at
    and case
        when invoiced.is_in_advance then invoiced.advance_billing_period
        else invoiced.billing_period
    end = invoice_periods.billing_period
where
    (paused_subscriptions.subscription_id is null or active.active_day_count is not null)
    and coalesce(invoiced.price_currency_code, '')
    = coalesce(invoice_periods.price_currency_code, terms.currency_code, '')
