-- Grain: one row per line of a draft invoice, before tax, in the terms of its price.
-- An adjustment belongs to the billed month: it joins the customer's invoice of that or, where there
-- is none, stands alone in it. A zero line is not printed.
with

owed_lines as (

    select * from {{ ref('inv_owed_lines') }}

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
        owed_lines.invoiced_customer_id as customer_id,
        owed_lines.currency_code,
        owed_lines.billing_period,
        owed_lines.line_type,
        owed_lines.subscription_id,
        owed_lines.charge_code,
        owed_lines.charge_name,
        owed_lines.price_id,
        owed_lines.meter_code,
        owed_lines.meter_name,
        owed_lines.pricing_model,
        owed_lines.dimension_values,
        owed_lines.term_from_at,
        owed_lines.line_from_at,
        owed_lines.line_to_at,
        owed_lines.timezone,
        owed_lines.quantity,
        owed_lines.free_quantity,
        owed_lines.prepaid_quantity,
        owed_lines.unit,
        owed_lines.unit_price,
        owed_lines.price_quantity,
        owed_lines.exact_amount,
        owed_lines.priced_amount,
        owed_lines.tax_category,
        owed_lines.is_tax_included,
        owed_lines.description,
        owed_lines.discount_code,
        owed_lines.line_order,
        cast(null as string) as adjusted_billing_period

    from owed_lines
    left join closed_periods
        on owed_lines.invoiced_customer_id = closed_periods.customer_id
        and owed_lines.currency_code = closed_periods.currency_code
        and owed_lines.billing_period = closed_periods.billing_period
    where
        closed_periods.customer_id is null
        and owed_lines.priced_amount <> 0

),

billed as (

    select {{ billed_month('max(coalesce(issue_period, billing_period))') }} as billing_period
    from {{ source('ledger', 'issued_invoices') }}

),

adjustment_lines as (

    select
        adjustments.customer_id,
        adjustments.currency_code,
        billed.billing_period,
        'adjustment' as line_type,
        adjustments.subscription_id,
        adjustments.charge_code,
        adjustments.charge_name,
        cast(null as string) as price_id,
        cast(null as string) as meter_code,
        cast(null as string) as meter_name,
        cast(null as string) as pricing_model,
        '{}' as dimension_values,
        cast(null as timestamp) as term_from_at,
        adjustments.line_from_at,
        adjustments.line_to_at,
        adjustments.timezone,
        {{ as_quantity('1') }} as quantity,
        {{ as_quantity('0') }} as free_quantity,
        {{ as_quantity('0') }} as prepaid_quantity,
        cast(null as string) as unit,
        cast(null as {{ price_type() }}) as unit_price,
        cast(null as {{ quantity_type() }}) as price_quantity,
        {{ as_amount('adjustments.priced_amount') }} as exact_amount,
        adjustments.priced_amount,
        adjustments.tax_category,
        adjustments.is_tax_included,
        concat_ws('', adjustments.charge_name, ' (', adjustments.adjusted_billing_period, ')')
            as description,
        cast(null as string) as discount_code,
        6 as line_order,
        adjustments.adjusted_billing_period

    from adjustments
    cross join billed
    where adjustments.priced_amount is not null

),

lines as (

    select * from open_lines
    union all
    select * from adjustment_lines

)

-- A second invoice of the same period can only be adjustments that stand alone.
select
    concat_ws(
        '',
        'inv_',
        substr(md5(concat_ws(
            '|', lines.customer_id, lines.currency_code, lines.billing_period,
            cast(coalesce(closed_periods.invoice_count, 0) as string)
        )), 1, 20)
    ) as invoice_id,
    lines.customer_id,
    lines.currency_code,
    lines.billing_period,
    lines.line_type,
    lines.subscription_id,
    lines.charge_code,
    lines.charge_name,
    lines.price_id,
    lines.meter_code,
    lines.meter_name,
    lines.pricing_model,
    lines.dimension_values,
    lines.term_from_at,
    lines.line_from_at,
    lines.line_to_at,
    lines.quantity,
    lines.free_quantity,
    lines.prepaid_quantity,
    lines.unit,
    lines.unit_price,
    lines.price_quantity,
    lines.exact_amount,
    lines.priced_amount,
    lines.tax_category,
    lines.is_tax_included,
    lines.description,
    lines.discount_code,
    lines.line_order,
    lines.adjusted_billing_period,
    customers.country_code,
    customers.tax_treatment,
    {{ last_local_date('lines.line_to_at', 'lines.timezone') }} as tax_date
from lines
inner join customers
    on lines.customer_id = customers.customer_id
left join closed_periods
    on lines.customer_id = closed_periods.customer_id
    and lines.currency_code = closed_periods.currency_code
    and lines.billing_period = closed_periods.billing_period
