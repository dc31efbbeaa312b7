-- Grain: one row per line that a customer owes as of everything now known, closed periods too.
-- Amounts are in the terms of the price: with tax where the price includes it.
-- A view: most of the time of a table goes into storing it, and two models read it.
{{ config(materialized='view') }}
with

charge_lines as (

    select * from {{ ref('inv_charge_lines') }}

),

bound_lines as (

    select * from {{ ref('inv_bound_lines') }}

),

commitment_lines as (

    select * from {{ ref('inv_commitment_lines') }}

),

discount_lines as (

    select * from {{ ref('inv_discount_lines') }}

),

terms as (

    select * from {{ ref('stg_accounts__subscriptions') }}

),

-- A charge has a line for each filter with bounds, so it says which.
filter_properties as (

    select
        filter_text,
        property_name,
        min(condition_number) as condition_number,
        replace({{ joined_text('condition_text', 'condition_number') }}, chr(10), ';')
            as conditions_text

    from (
        select distinct
            filter_text,
            property_name,
            condition_number,
            case when operator = '=' then values_text else concat_ws('', operator, values_text) end
                as condition_text
        from {{ ref('stg_pricing__filters') }}
        where price_id is not null
    ) as conditions
    group by filter_text, property_name

),

filters as (

    select
        filter_text,
        concat_ws('', '{', replace({{ joined_text(
            "concat_ws('', " ~ json_quoted('property_name') ~ ", ': ', " ~ json_quoted('conditions_text') ~ ")",
            'condition_number'
        ) }}, chr(10), ', '), '}') as filter_json

    from filter_properties
    group by filter_text

),

added_lines as (

    select
        bound_lines.invoiced_customer_id, bound_lines.currency_code, bound_lines.billing_period,
        bound_lines.line_type, bound_lines.subscription_id, bound_lines.term_from_at,
        bound_lines.charge_code, bound_lines.charge_name, bound_lines.price_id,
        bound_lines.line_from_at, bound_lines.line_to_at, bound_lines.exact_amount,
        bound_lines.net_amount, bound_lines.tax_category,
        concat_ws('', bound_lines.charge_name, ': ', bound_lines.line_type) as description,
        cast(null as string) as discount_code, 2 as line_order,
        coalesce(filters.filter_json, '{}') as dimension_values
    from bound_lines
    left join filters
        on bound_lines.dimension_filter = filters.filter_text

    union all

    select
        invoiced_customer_id, currency_code, billing_period, line_type, subscription_id,
        term_from_at, commitment_code as charge_code, commitment_name as charge_name,
        cast(null as string) as price_id, line_from_at, line_to_at, exact_amount, net_amount,
        tax_category, concat_ws('', commitment_name, ': ', replace(line_type, '_', '-')) as description,
        cast(null as string) as discount_code, 3 as line_order, '{}' as dimension_values
    from commitment_lines

    union all

    select
        invoiced_customer_id, currency_code, billing_period, 'discount' as line_type,
        subscription_id, term_from_at, charge_code, charge_name, cast(null as string) as price_id,
        line_from_at, line_to_at, exact_amount, net_amount, tax_category,
        concat_ws('', discount_name, ': ', charge_name) as description, discount_code,
        3 + discount_order as line_order, '{}' as dimension_values
    from discount_lines

),

lines as (

    select
        invoiced_customer_id, currency_code, billing_period, 'charge' as line_type,
        subscription_id, term_from_at, charge_code, charge_name, price_id, meter_code, meter_name,
        pricing_model, dimension_values, line_from_at, line_to_at, quantity, free_quantity,
        prepaid_quantity, unit, unit_price, price_quantity, exact_amount, net_amount, tax_category,
        charge_name as description,
        cast(null as string) as discount_code, 1 as line_order
    from charge_lines

    union all

    select
        invoiced_customer_id, currency_code, billing_period, line_type,
        subscription_id, term_from_at, charge_code, charge_name, price_id,
        cast(null as string) as meter_code, cast(null as string) as meter_name,
        cast(null as string) as pricing_model, dimension_values, line_from_at, line_to_at,
        {{ as_quantity('1') }} as quantity, {{ as_quantity('0') }} as free_quantity,
        {{ as_quantity('0') }} as prepaid_quantity,
        cast(null as string) as unit, cast(null as {{ price_type() }}) as unit_price,
        cast(null as {{ quantity_type() }}) as price_quantity,
        exact_amount, net_amount, tax_category, description, discount_code, line_order
    from added_lines

)

select
    lines.invoiced_customer_id,
    lines.currency_code,
    lines.billing_period,
    lines.line_type,
    lines.subscription_id,
    lines.term_from_at,
    lines.charge_code,
    lines.charge_name,
    lines.price_id,
    lines.meter_code,
    lines.meter_name,
    lines.pricing_model,
    lines.dimension_values,
    lines.line_from_at,
    lines.line_to_at,
    terms.timezone,
    lines.quantity,
    lines.free_quantity,
    lines.prepaid_quantity,
    lines.unit,
    lines.unit_price,
    lines.price_quantity,
    lines.exact_amount,
    lines.net_amount as priced_amount,
    lines.tax_category,
    terms.is_tax_included,
    lines.description,
    lines.discount_code,
    lines.line_order
from lines
inner join terms
    on lines.subscription_id = terms.subscription_id
    and lines.term_from_at = terms.term_from_at
