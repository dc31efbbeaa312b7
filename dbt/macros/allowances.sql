-- What is free of each line, the lines of a charge and period over changes of plan one after the
-- other: what is left of the allowance of its own plan (`available`), less what was free on the plans
-- before. A fold, because what a plan gives depends on what those before it gave.
-- What cannot be added up is the same for all lines of a plan, so that its most generous line counts.
{% macro allowance_taken_in_turn(ordering) %}{{ adapter.dispatch('allowance_taken_in_turn', 'meterhouse')(ordering) }}{% endmacro %}

{% macro duckdb__allowance_taken_in_turn(ordering) %}
    {%- set free = 'greatest(least(step[1].metered_quantity, step[1].available - coalesce(list_sum(list_transform('
        ~ 'list_filter(taken, lambda line : line.term_from_at < step[1].term_from_at),'
        ~ ' lambda line : line.counted_quantity)), 0)), 0)' -%}
    list_reduce(
        list([struct_pack(
            term_from_at := term_from_at, price_id := price_id, line_from_at := line_from_at,
            is_additive := is_additive, metered_quantity := metered_quantity, available := available,
            free_quantity := {{ as_quantity('greatest(least(metered_quantity, available), 0)') }},
            counted_quantity := {{ as_quantity('greatest(least(metered_quantity, available), 0)') }}
        )] order by {{ ordering }}),
        lambda taken, step : list_append(taken, struct_pack(
            term_from_at := step[1].term_from_at, price_id := step[1].price_id,
            line_from_at := step[1].line_from_at, is_additive := step[1].is_additive,
            metered_quantity := step[1].metered_quantity, available := step[1].available,
            free_quantity := {{ as_quantity(free) }},
            counted_quantity := {{ as_quantity('case when step[1].is_additive then ' ~ free ~ ' else greatest(' ~ free
                ~ ' - coalesce(list_sum(list_transform(list_filter(taken,'
                ~ ' lambda line : line.term_from_at = step[1].term_from_at),'
                ~ ' lambda line : line.counted_quantity)), 0), 0) end') }}
        ))
    )
{% endmacro %}

{% macro spark__allowance_taken_in_turn(ordering) %}
    {%- set sum_of = 'cast(0 as ' ~ quantity_type() ~ '), (quantity, line) -> ' ~ as_quantity('quantity + line.counted_quantity') -%}
    {%- set free = 'greatest(least(step.metered_quantity, step.available'
        ~ ' - aggregate(filter(taken, line -> line.term_from_at < step.term_from_at), ' ~ sum_of ~ ')), 0)' -%}
    aggregate(
        sort_array(collect_list(named_struct(
            'step', struct({{ ordering }}), 'term_from_at', term_from_at, 'price_id', price_id,
            'line_from_at', line_from_at, 'is_additive', is_additive,
            'metered_quantity', metered_quantity, 'available', available
        ))),
        cast(array() as array<struct<term_from_at: timestamp, price_id: string, line_from_at: timestamp,
            free_quantity: {{ quantity_type() }}, counted_quantity: {{ quantity_type() }}>>),
        (taken, step) -> concat(taken, array(named_struct(
            'term_from_at', step.term_from_at, 'price_id', step.price_id, 'line_from_at', step.line_from_at,
            'free_quantity', {{ as_quantity(free) }},
            'counted_quantity', {{ as_quantity('case when step.is_additive then ' ~ free ~ ' else greatest(' ~ free
                ~ ' - aggregate(filter(taken, line -> line.term_from_at = step.term_from_at), ' ~ sum_of ~ '), 0) end') }}
        )))
    )
{% endmacro %}
