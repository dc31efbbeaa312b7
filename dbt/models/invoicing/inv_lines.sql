-- Grain: one row per line of a draft invoice.
-- An adjustment joins the customer's next open invoice; where there is none, it stands alone in
-- the latest period. A zero line is not printed.
with

charge_lines as (

    select * from {{ ref('inv_charge_lines') }}

),

closed_periods as (

    select * from {{ ref('inv_closed_periods') }}

),

adjustments as (

    select * from {{ ref('inv_adjustments') }}

),

customers as (

    select * from {{ ref('stg_accounts__customers') }}

),

open_lines as (

    select
        charge_lines.invoiced_customer_id as customer_id,
        charge_lines.currency_code,
        charge_lines.billing_period,
        'charge' as line_type,
        charge_lines.subscription_id,
        charge_lines.charge_code,
        charge_lines.charge_name,
        charge_lines.price_id,
        charge_lines.meter_code,
        charge_lines.meter_name,
        charge_lines.pricing_model,
        charge_lines.dimension_values,
        charge_lines.term_from_at,
        charge_lines.line_from_at,
        charge_lines.line_to_at,
        charge_lines.quantity,
        charge_lines.free_quantity,
        charge_lines.unit,
        charge_lines.unit_price,
        charge_lines.exact_amount,
        charge_lines.net_amount,
        charge_lines.tax_category,
        charge_lines.charge_name as description,
        cast(null as varchar) as adjusted_billing_period

    from charge_lines
    left join closed_periods
        on charge_lines.invoiced_customer_id = closed_periods.customer_id
        and charge_lines.currency_code = closed_periods.currency_code
        and charge_lines.billing_period = closed_periods.billing_period
    where
        closed_periods.customer_id is null
        and charge_lines.net_amount <> 0

),

open_periods as (

    select distinct customer_id, currency_code, billing_period from open_lines

),

latest as (

    select max(billing_period) as billing_period from {{ ref('met_billing_periods') }}

),

next_periods as (

    select
        adjustments.customer_id,
        adjustments.currency_code,
        adjustments.adjusted_billing_period,
        min(open_periods.billing_period) as billing_period

    from adjustments
    inner join open_periods
        on adjustments.customer_id = open_periods.customer_id
        and adjustments.currency_code = open_periods.currency_code
        and adjustments.adjusted_billing_period < open_periods.billing_period
    group by
        adjustments.customer_id,
        adjustments.currency_code,
        adjustments.adjusted_billing_period

),

adjustment_lines as (

    select
        adjustments.customer_id,
        adjustments.currency_code,
        coalesce(next_periods.billing_period, latest.billing_period) as billing_period,
        'adjustment' as line_type,
        adjustments.subscription_id,
        adjustments.charge_code,
        adjustments.charge_name,
        cast(null as varchar) as price_id,
        cast(null as varchar) as meter_code,
        cast(null as varchar) as meter_name,
        cast(null as varchar) as pricing_model,
        '{}' as dimension_values,
        cast(null as timestamp) as term_from_at,
        {{ local_to_utc("concat(adjustments.adjusted_billing_period, '-01')", 'customers.timezone') }}
            as line_from_at,
        {{ local_to_utc(add_months("cast(concat(adjustments.adjusted_billing_period,
            '-01') as date)", 1), 'customers.timezone') }}
            as line_to_at,
        {{ as_quantity('1') }} as quantity,
        {{ as_quantity('0') }} as free_quantity,
        cast(null as varchar) as unit,
        cast(null as {{ price_type() }}) as unit_price,
        {{ as_amount('adjustments.net_amount') }} as exact_amount,
        adjustments.net_amount,
        adjustments.tax_category,
        concat(adjustments.charge_name, ' (', adjustments.adjusted_billing_period, ')') as description,
        adjustments.adjusted_billing_period

    from adjustments
    inner join customers
        on adjustments.customer_id = customers.customer_id
    cross join latest
    left join next_periods
        on adjustments.customer_id = next_periods.customer_id
        and adjustments.currency_code = next_periods.currency_code
        and adjustments.adjusted_billing_period = next_periods.adjusted_billing_period

),

lines as (

    select * from open_lines
    union all
    select * from adjustment_lines

),

dated as (

    select
        lines.*,
        customers.country_code,
        -- The supply of a period is taxed at the rate of its last day.
        cast({{ utc_to_local("lines.line_to_at - interval '1' second", 'customers.timezone') }} as date)
            as tax_date

    from lines
    inner join customers
        on lines.customer_id = customers.customer_id

),

taxed as (

    select
        dated.*,
        tax_rates.tax_code,
        {{ as_price('tax_rates.rate') }} as tax_rate,
        dated.tax_category is not null and tax_rates.tax_code is null as lacks_tax_rate

    from dated
    left join {{ ref('tax_rates') }} as tax_rates
        on dated.tax_category = tax_rates.tax_category
        and dated.country_code = tax_rates.country_code
        and dated.tax_date >= coalesce(
            cast(nullif(tax_rates.valid_from, '') as date),
            cast('1900-01-01' as date)
        )
        and dated.tax_date < coalesce(
            cast(nullif(tax_rates.valid_to, '') as date),
            cast('9000-01-01' as date)
        )

),

-- A second invoice of the same period can only be adjustments that stand alone.
keyed as (

    select
        taxed.*,
        concat(
            'inv_',
            substr(md5(concat_ws(
                '|', taxed.customer_id, taxed.currency_code, taxed.billing_period,
                cast(coalesce(closed_periods.invoice_count, 0) as varchar)
            )), 1, 20)
        ) as invoice_id

    from taxed
    left join closed_periods
        on taxed.customer_id = closed_periods.customer_id
        and taxed.currency_code = closed_periods.currency_code
        and taxed.billing_period = closed_periods.billing_period

)

select
    invoice_id,
    customer_id,
    currency_code,
    billing_period,
    line_type,
    subscription_id,
    charge_code,
    charge_name,
    price_id,
    meter_code,
    meter_name,
    pricing_model,
    dimension_values,
    term_from_at,
    line_from_at,
    line_to_at,
    quantity,
    free_quantity,
    unit,
    unit_price,
    exact_amount,
    net_amount,
    tax_category,
    description,
    adjusted_billing_period,
    country_code,
    tax_date,
    tax_code,
    tax_rate,
    lacks_tax_rate,
    cast(row_number() over (
        partition by invoice_id
        order by
            case line_type when 'charge' then 1 else 2 end, subscription_id, charge_code, line_from_at,
            dimension_values, price_id, adjusted_billing_period, tax_category
    ) as integer) as line_number
from keyed
