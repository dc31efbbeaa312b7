-- Grain: one row per metered charge period and dimension values.
-- A charge period without usage has one row of zero, which still owes the first tier's flat amount
-- once the period has ended.
-- A quantity is a ratio, metered_quantity ÷ quantity_divisor: what decides or costs uses both, and
-- what is shown is rounded.
with

charge_periods as (

    select * from {{ ref('rat_charge_periods') }}
    where meter_code is not null

),

segments as (

    select * from {{ ref('met_usage_segments') }}

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
        {{ exact_sum('segments.quantity_sum') }} as quantity_sum

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

-- A level that is held is usage without an event, and so is what other prices of the charge have
-- seen of a quantity that cannot be added up.
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
        meters.unit_factor,
        meters.is_additive,
        cast(coalesce(summed.event_count, 0) as bigint) as event_count,
        case
            when used.dimension_values is null then {{ as_quantity('0') }}
            when meters.aggregation = 'count' then {{ as_quantity('summed.event_count') }}
            when meters.aggregation = 'sum' then summed.quantity_sum
            else value_quantities.metered_quantity
        end as metered_value,
        cast(meters.unit_divisor * coalesce(
            value_quantities.quantity_divisor, cast(1 as decimal(38, 0))
        ) as decimal(38, 0)) as quantity_divisor,
        coalesce(value_quantities.share_day_count, 1) as share_day_count,
        coalesce(value_quantities.share_of_day_count, 1) as share_of_day_count

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

-- Free units of discounts come on top of what the price includes.
granted as (

    select
        measured.*,
        case
            when measured.unit_factor = 1 then measured.metered_value
            else {{ try_quantity('measured.metered_value', 'measured.unit_factor') }}
        end as metered_quantity,
        {{ try_quantity_sum('measured.included_quantity', 'coalesce(free_units.free_quantity, 0)') }}
            as allowance_quantity

    from measured
    left join {{ ref('rat_free_units') }} as free_units
        on measured.subscription_id = free_units.subscription_id
        and measured.term_from_at = free_units.term_from_at
        and measured.charge_code = free_units.charge_code
        and measured.billing_period = free_units.billing_period

),

-- Free units are counted from the start of the period: what an earlier price of the same charge
-- has used up is not free again. Prices with filters may all have lines from the start on, so the
-- usage that they take tells which is the earlier. What cannot be added up is the same for all.
preceded as (

    select
        *,
        {{ as_quantity(exact_sum_over(
            as_quantity('case when metered_quantity > 0 and not is_trial and is_additive
                then metered_quantity else 0 end'),
            'partition by subscription_id, term_from_at, charge_code, billing_period, dimension_values,
                quantity_divisor
            order by used_from_at, line_from_at, price_id
            rows between unbounded preceding and 1 preceding'
        )) }} as metered_before

    from granted

),

-- An allowance that is more than can be metered is all of it.
available as (

    select
        *,
        {{ as_quantity('coalesce(' ~ try_quantity('allowance_quantity', 'quantity_divisor')
            ~ ' - case when is_additive then metered_before else 0 end, metered_quantity)') }}
            as available

    from preceded

),

-- A period has one allowance also where the plan changes: what was free on the plans before is not
-- free again. Of what each plan charges for its share of the days, each gives its share.
changed_plans as (

    select
        subscription_id,
        charge_code,
        dimension_values,
        {{ allowance_taken_in_turn('term_from_at, used_from_at, line_from_at, price_id') }} as lines

    from available
    where
        not is_trial
        and metered_quantity is not null
        and (is_additive or not is_prorated)
        and (term_from_at > period_from_at or active_to_at < period_to_at)
    group by
        subscription_id, charge_code, period_from_at, period_to_at, dimension_values,
        quantity_divisor
    having
        min(term_from_at) < max(term_from_at)
        and max(allowance_quantity) > 0

),

taken_in_turn as (

    select
        subscription_id,
        charge_code,
        dimension_values,
        {{ list_rows('lines') }} as line

    from changed_plans

),

turns as (

    select
        subscription_id,
        charge_code,
        dimension_values,
        line.term_from_at,
        line.price_id,
        line.line_from_at,
        line.free_quantity

    from taken_in_turn

),

allowed as (

    select
        available.*,
        case
            when available.is_trial then available.metered_quantity
            when available.metered_quantity <= 0 or available.available <= 0
                then {{ as_quantity('0') }}
            when turns.free_quantity is not null then turns.free_quantity
            when available.metered_quantity < available.available then available.metered_quantity
            else available.available
        end as metered_free

    from available
    left join turns
        on available.subscription_id = turns.subscription_id
        and available.charge_code = turns.charge_code
        and available.dimension_values = turns.dimension_values
        and available.term_from_at = turns.term_from_at
        and available.price_id = turns.price_id
        and available.line_from_at = turns.line_from_at

),

-- What is neither free nor given back is charged.
charged as (

    select
        *,
        {{ as_quantity('metered_quantity - metered_free') }} as metered_chargeable,
        {{ quotient('metered_quantity', 'quantity_divisor') }} as quantity,
        {{ quotient('metered_quantity - metered_free', 'quantity_divisor') }} as chargeable_quantity

    from allowed

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
    price_quantity,
    package_size,
    is_priced_by_event,
    is_trial,
    tax_category,
    dimension_values,
    period_from_at,
    line_from_at,
    line_to_at,
    event_count,
    metered_quantity,
    quantity_divisor,
    share_day_count,
    share_of_day_count,
    quantity,
    {{ as_quantity('quantity - chargeable_quantity') }} as free_quantity,
    chargeable_quantity,
    metered_chargeable,
    case
        when metered_chargeable > 0 then {{ quotient_up('metered_chargeable', 'quantity_divisor') }}
        else chargeable_quantity
    end as begun_quantity
from charged
