-- Grain: one row per metered charge period and dimension values.
-- A charge period without usage has one row of zero, which still owes the first tier's flat amount
-- once the period has ended.
with

charge_periods as (

    select * from {{ ref('rat_charge_periods') }}
    where meter_code is not null

),

segments as (

    select * from {{ ref('met_usage_segments') }}

),

unique_values as (

    select * from {{ ref('met_unique_assigned') }}

),

scopes as (

    select * from {{ ref('rat_usage_scopes') }}

),

value_quantities as (

    select * from {{ ref('rat_value_quantities') }}

),

meters as (

    select * from {{ ref('stg_pricing__meters') }}

),

summed as (

    select
        scopes.subscription_id,
        scopes.term_from_at,
        scopes.charge_code,
        scopes.price_id,
        scopes.line_from_at,
        scopes.dimension_values,
        sum(segments.event_count) as event_count,
        {{ exact_sum('segments.quantity_sum') }} as quantity_sum,
        {{ as_quantity('max(segments.quantity_max)') }} as quantity_max

    from scopes
    inner join segments
        on scopes.subscription_id = segments.subscription_id
        and scopes.term_from_at = segments.term_from_at
        and scopes.meter_code = segments.meter_code
        and scopes.dimension_values = segments.dimension_values
        and segments.first_event_at >= scopes.from_at
        and segments.first_event_at < scopes.to_at
    group by
        scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.price_id,
        scopes.line_from_at, scopes.dimension_values

),

counted as (

    select
        scopes.subscription_id,
        scopes.term_from_at,
        scopes.charge_code,
        scopes.price_id,
        scopes.line_from_at,
        scopes.dimension_values,
        count(distinct unique_values.value_text) as value_count

    from scopes
    inner join unique_values
        on scopes.subscription_id = unique_values.subscription_id
        and scopes.term_from_at = unique_values.term_from_at
        and scopes.meter_code = unique_values.meter_code
        and scopes.dimension_values = unique_values.dimension_values
        and unique_values.first_event_at >= scopes.from_at
        and unique_values.first_event_at < scopes.to_at
    group by
        scopes.subscription_id, scopes.term_from_at, scopes.charge_code, scopes.price_id,
        scopes.line_from_at, scopes.dimension_values

),

-- A level that is held is usage without an event.
used as (

    select subscription_id, term_from_at, charge_code, price_id, line_from_at, dimension_values
    from summed
    union
    select subscription_id, term_from_at, charge_code, price_id, line_from_at, dimension_values
    from value_quantities

),

first_uses as (

    select
        subscription_id, term_from_at, charge_code, price_id, line_from_at, dimension_values,
        min(from_at) as used_from_at

    from scopes
    group by subscription_id, term_from_at, charge_code, price_id, line_from_at, dimension_values

),

measured as (

    select
        charge_periods.*,
        coalesce(used.dimension_values, '{}') as dimension_values,
        coalesce(first_uses.used_from_at, charge_periods.line_from_at) as used_from_at,
        meters.meter_name,
        meters.unit,
        cast(coalesce(summed.event_count, 0) as bigint) as event_count,
        case
            when used.dimension_values is null then {{ as_quantity('0') }}
            when meters.aggregation = 'count' then {{ as_quantity('summed.event_count') }}
            when meters.aggregation = 'sum' then summed.quantity_sum
            when meters.aggregation = 'max' then summed.quantity_max
            when meters.aggregation = 'unique_count' then {{ as_quantity('counted.value_count') }}
            else value_quantities.quantity
        end as quantity

    from charge_periods
    inner join meters
        on charge_periods.meter_code = meters.meter_code
    left join used
        on charge_periods.subscription_id = used.subscription_id
        and charge_periods.term_from_at = used.term_from_at
        and charge_periods.charge_code = used.charge_code
        and charge_periods.price_id = used.price_id
        and charge_periods.line_from_at = used.line_from_at
    left join first_uses
        on used.subscription_id = first_uses.subscription_id
        and used.term_from_at = first_uses.term_from_at
        and used.charge_code = first_uses.charge_code
        and used.price_id = first_uses.price_id
        and used.line_from_at = first_uses.line_from_at
        and used.dimension_values = first_uses.dimension_values
    left join summed
        on used.subscription_id = summed.subscription_id
        and used.term_from_at = summed.term_from_at
        and used.charge_code = summed.charge_code
        and used.price_id = summed.price_id
        and used.line_from_at = summed.line_from_at
        and used.dimension_values = summed.dimension_values
    left join counted
        on used.subscription_id = counted.subscription_id
        and used.term_from_at = counted.term_from_at
        and used.charge_code = counted.charge_code
        and used.price_id = counted.price_id
        and used.line_from_at = counted.line_from_at
        and used.dimension_values = counted.dimension_values
    left join value_quantities
        on used.subscription_id = value_quantities.subscription_id
        and used.term_from_at = value_quantities.term_from_at
        and used.charge_code = value_quantities.charge_code
        and used.price_id = value_quantities.price_id
        and used.line_from_at = value_quantities.line_from_at
        and used.dimension_values = value_quantities.dimension_values
    where
        used.dimension_values is not null
        or charge_periods.has_ended

),

-- Free units are counted from the start of the period: what an earlier price of the same charge
-- has used up is not free again. Prices with filters may all have lines from the start on, so the
-- usage that they take tells which is the earlier.
preceded as (

    select
        *,
        {{ as_quantity(exact_sum_over(
            as_quantity('case when quantity > 0 and not is_trial then quantity else 0 end'),
            'partition by subscription_id, term_from_at, charge_code, billing_period, dimension_values
            order by used_from_at, line_from_at, price_id
            rows between unbounded preceding and 1 preceding'
        )) }} as quantity_before

    from measured

),

-- Free units of discounts come on top of what the price includes.
granted as (

    select
        preceded.*,
        {{ as_quantity('preceded.included_quantity + coalesce(free_units.free_quantity, 0)') }}
            as allowance_quantity

    from preceded
    left join {{ ref('rat_free_units') }} as free_units
        on preceded.subscription_id = free_units.subscription_id
        and preceded.term_from_at = free_units.term_from_at
        and preceded.charge_code = free_units.charge_code
        and preceded.billing_period = free_units.billing_period

),

allowed as (

    select
        *,
        {{ as_quantity('case when allowance_quantity > quantity_before
            then allowance_quantity - quantity_before else 0 end') }}
            as remaining_quantity

    from granted

)

select
    subscription_id,
    term_from_at,
    customer_id,
    invoiced_customer_id,
    currency_code,
    timezone,
    billing_period,
    charge_code,
    charge_name,
    price_id,
    meter_code,
    meter_name,
    unit,
    pricing_model,
    unit_price,
    package_size,
    is_priced_by_event,
    is_trial,
    tax_category,
    dimension_values,
    period_from_at,
    line_from_at,
    line_to_at,
    event_count,
    quantity,
    {{ as_quantity('case when is_trial then quantity when quantity <= 0 then 0
        when quantity < remaining_quantity
        then quantity else remaining_quantity end') }}
        as free_quantity,
    {{ as_quantity('case when is_trial then 0 when quantity <= 0 then quantity
        when quantity < remaining_quantity
        then 0 else quantity - remaining_quantity end') }}
        as chargeable_quantity
from allowed
