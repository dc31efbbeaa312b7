-- The meters of the price book, read once a run, so that the one pass over the events names
-- each property directly instead of looking its path up row by row.
{% macro meters_by_event_type() %}
    {% set meters = [] %}
    {% if execute %}
        {% set rows = run_query(
            "select meter_code, event_type, aggregation, value_property, filter, dimensions,"
            ~ " cast(rounding_increment as varchar) as rounding_increment,"
            ~ " cast(minimum_quantity as varchar) as minimum_quantity, meter_slot"
            ~ " from " ~ ref('stg_pricing__meters') ~ " order by event_type, meter_slot") %}
        {% for row in rows.rows %}
            {% do meters.append({
                'meter_code': row[0], 'event_type': row[1], 'aggregation': row[2],
                'value_property': row[3], 'filter': row[4], 'dimensions': row[5],
                'rounding_increment': row[6], 'minimum_quantity': row[7], 'slot': row[8] | int,
            }) %}
        {% endfor %}
    {% endif %}
    {{ return(meters) }}
{% endmacro %}

-- True where every `property=value|value` pair of the filter holds.
{% macro meter_filter(meter) %}
    {%- if not meter.filter -%} true {%- else -%}
    {%- for pair in meter.filter.split(';') if pair.strip() -%}
        {%- set parts = pair.split('=', 1) -%}
        {{ ' and ' if not loop.first }}coalesce({{ json_text('data', parts[0].strip()) }} in (
        {%- for value in parts[1].split('|') -%}{{ ', ' if not loop.first }}{{ sql_text(value.strip()) }}{%- endfor -%}), false)
    {%- endfor -%}
    {%- endif -%}
{% endmacro %}

-- The dimension values of one event as a JSON object, in the order of the price book.
{% macro meter_dimensions(meter) %}
    {%- if not meter.dimensions -%} '{}' {%- else -%}
    '{'
    {%- for name in meter.dimensions.split('|') %} || {{ sql_text((', ' if not loop.first else '') ~ '"' ~ name.strip() ~ '": ') }} || {{ json_quoted(json_text('data', name.strip())) }}{% endfor %} || '}'
    {%- endif -%}
{% endmacro %}

-- One case expression over event types for one slot; `body` is called with each meter in it.
{% macro case_of_slot(meters, slot, body, default) %}
    {%- set here = meters | selectattr('slot', 'equalto', slot) | list -%}
    {%- if here -%}
    case event_type {% for meter in here %} when {{ sql_text(meter.event_type) }} then {{ body(meter) }}{% endfor %} else {{ default }} end
    {%- else -%} {{ default }} {%- endif -%}
{% endmacro %}

{% macro meter_value_text(meter) %}{{ json_text('data', meter.value_property) if meter.value_property else 'null' }}{% endmacro %}
{% macro meter_is_numeric(meter) %}{{ 'true' if meter.aggregation not in ('count', 'unique_count') else 'false' }}{% endmacro %}
{% macro meter_needs_value(meter) %}{{ 'true' if meter.aggregation != 'count' else 'false' }}{% endmacro %}
{% macro meter_increment(meter) %}{{ 'cast(' ~ sql_text(meter.rounding_increment) ~ ' as ' ~ quantity_type() ~ ')' if meter.rounding_increment else 'null' }}{% endmacro %}
{% macro meter_minimum(meter) %}{{ 'cast(' ~ sql_text(meter.minimum_quantity) ~ ' as ' ~ quantity_type() ~ ')' if meter.minimum_quantity else 'null' }}{% endmacro %}

-- The value of a slot after the per-event increment and minimum of its meter (60/1 billing).
{% macro rounded_value(meters, slot) %}
    {%- set value = 'placed.value_' ~ slot -%}
    {%- set here = meters | selectattr('slot', 'equalto', slot) | list -%}
    {%- set adjusted = here | selectattr('rounding_increment') | list + here | rejectattr('rounding_increment') | selectattr('minimum_quantity') | list -%}
    {%- if adjusted -%}
    case placed.event_type
        {% for meter in adjusted %}
        when {{ sql_text(meter.event_type) }} then {{ adjusted_value(meter, value) }}
        {% endfor %}
        else {{ value }}
    end
    {%- else -%} {{ value }} {%- endif -%}
{% endmacro %}

-- A minimum lifts the size of the event, whatever its sign: a reversal undoes what was billed.
{% macro adjusted_value(meter, value) %}
    {%- set rounded = round_up_to(value, meter_increment(meter)) if meter.rounding_increment else value -%}
    {%- if meter.minimum_quantity -%}
    case
        when {{ value }} < 0 then least({{ rounded }}, -{{ meter_minimum(meter) }})
        when {{ value }} > 0 then greatest({{ rounded }}, {{ meter_minimum(meter) }})
        else {{ rounded }}
    end
    {%- else -%} {{ rounded }} {%- endif -%}
{% endmacro %}
