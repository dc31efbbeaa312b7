-- Grain: one row per metered charge period and dimension values, with its exact amount: null
-- where it has more than 14 digits before the point, since one absurd reading must not stop the
-- bills of everybody else.
-- A view: most of the time of a table goes into storing it, and two models read it.
{{ config(materialized='view') }}
with

quantities as (

    select * from {{ ref('rat_chargeable_quantities') }}

),

event_amounts as (

    select * from {{ ref('rat_event_amounts') }}

),

tier_amounts as (

    select
        subscription_id,
        term_from_at,
        charge_code,
        price_id,
        dimension_values,
        line_from_at,
        count(*) - count(exact_amount) as unfit_count,
        -- In two parts, because a sum of amounts that fit may not fit itself.
        sum(cast(exact_amount as decimal(38, 0))) as whole_amount,
        sum(exact_amount - cast(exact_amount as decimal(38, 0))) as remaining_amount

    from {{ ref('rat_usage_tiers') }}
    group by
        subscription_id, term_from_at, charge_code, price_id, dimension_values, line_from_at

)

select
    quantities.subscription_id,
    quantities.term_from_at,
    quantities.customer_id,
    quantities.invoiced_customer_id,
    quantities.currency_code,
    quantities.timezone,
    quantities.billing_period,
    quantities.charge_code,
    quantities.charge_name,
    quantities.price_id,
    quantities.meter_code,
    quantities.meter_name,
    quantities.unit,
    quantities.pricing_model,
    case when quantities.pricing_model in ('per_unit', 'package') then quantities.unit_price end
        as unit_price,
    quantities.tax_category,
    quantities.dimension_values,
    quantities.period_from_at,
    quantities.line_from_at,
    quantities.line_to_at,
    quantities.event_count,
    quantities.quantity,
    quantities.free_quantity,
    quantities.prepaid_quantity,
    quantities.chargeable_quantity,
    case
        when quantities.quantity is null then null
        when quantities.is_trial then {{ as_amount('0') }}
        when quantities.pricing_model = 'per_unit'
            then {{ try_product('quantities.chargeable_quantity', 'quantities.unit_price') }}
        when quantities.pricing_model = 'package' and quantities.chargeable_quantity > 0
            then {{ try_product(whole_packages('quantities.chargeable_quantity',
                'quantities.package_size'), 'quantities.unit_price') }}
        when quantities.pricing_model = 'package' then {{ as_amount('0') }}
        when quantities.pricing_model = 'dynamic'
            then {{ try_product('quantities.chargeable_quantity',
                'coalesce(quantities.unit_price, ' ~ as_price('1') ~ ')') }}
        when quantities.is_priced_by_event and quantities.event_count = 0
            then {{ as_amount('0') }}
        when quantities.is_priced_by_event then event_amounts.exact_amount
        when quantities.pricing_model = 'percentage' and quantities.unit_price is not null
            then {{ try_product('quantities.chargeable_quantity',
                hundredth('quantities.unit_price')) }}
        when tier_amounts.unfit_count = 0
            then {{ try_sum('tier_amounts.whole_amount', 'tier_amounts.remaining_amount') }}
    end as exact_amount,
    coalesce(quantities.quantity < 0, false)
    and quantities.pricing_model not in ('per_unit', 'percentage', 'dynamic') as is_negative_as_zero
from quantities
left join tier_amounts
    on quantities.subscription_id = tier_amounts.subscription_id
    and quantities.term_from_at = tier_amounts.term_from_at
    and quantities.charge_code = tier_amounts.charge_code
    and quantities.price_id = tier_amounts.price_id
    and quantities.dimension_values = tier_amounts.dimension_values
    and quantities.line_from_at = tier_amounts.line_from_at
left join event_amounts
    on quantities.subscription_id = event_amounts.subscription_id
    and quantities.term_from_at = event_amounts.term_from_at
    and quantities.charge_code = event_amounts.charge_code
    and quantities.price_id = event_amounts.price_id
    and quantities.dimension_values = event_amounts.dimension_values
    and quantities.line_from_at = event_amounts.line_from_at
