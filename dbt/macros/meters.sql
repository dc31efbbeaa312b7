-- The meters of the price book, read once a run, so that the one pass over the events names
-- each property directly instead of looking its path up row by row. The staging models have taken
-- the price book apart; here its rows are only put side by side, by meter and by event type.
{% macro meters_by_event_type() %}
    {# Named before anything else, since dbt learns while parsing what a model depends on. #}
    {% set meter_rows, property_rows, filter_rows = ref('stg_pricing__meters'), ref('stg_pricing__meter_properties'), ref('stg_pricing__filters') %}
    {% set meters, types, by_code = [], {}, {} %}
    {% if execute %}
        {% for row in run_query(
            "select meter_code, event_type, aggregation, value_property, has_filtered_prices, has_time_bands, meter_slot,"
            ~ " cast(rounding_increment as string) as rounding_increment,"
            ~ " cast(minimum_quantity as string) as minimum_quantity"
            ~ " from " ~ meter_rows ~ " order by event_type, meter_slot").rows %}
            {% set type = types.setdefault(row.event_type, {
                'dimensions': [], 'properties': [], 'numbers': [], 'filtered': {}, 'sources': {}, 'bands': {}, 'timed': []
            }) %}
            {% if row.value_property and row.value_property not in type.properties %}{% do type.properties.append(row.value_property) %}{% endif %}
            {% do meters.append({
                'meter_code': row.meter_code, 'event_type': row.event_type, 'aggregation': row.aggregation,
                'value_property': row.value_property, 'rounding_increment': row.rounding_increment,
                'minimum_quantity': row.minimum_quantity, 'slot': row.meter_slot | int,
                'has_filtered_prices': row.has_filtered_prices, 'has_time_bands': row.has_time_bands,
                'type': type, 'dimensions': [], 'conditions': [],
            }) %}
            {% do by_code.update({row.meter_code: meters[-1]}) %}
        {% endfor %}
        {% for row in run_query(
            "select meter_code, name, dimension_position, property_name, filter_number, band_kind,"
            ~ " cast(up_to as string) as up_to, day_numbers, from_minute, to_minute, holiday_date, band"
            ~ " from " ~ property_rows
            ~ " order by meter_code, coalesce(dimension_position, 1000000), name, band_number").rows %}
            {% set meter = by_code[row.meter_code] %}
            {% set type = meter.type %}
            {% if row.dimension_position is not none %}
                {% if row.name not in meter.dimensions %}{% do meter.dimensions.append(row.name) %}{% endif %}
                {% if row.name not in type.dimensions %}{% do type.dimensions.append(row.name) %}{% endif %}
            {% endif %}
            {% if row.property_name %}
                {% do type.sources.update({row.name: row.property_name}) %}
                {% if row.property_name not in type.properties %}{% do type.properties.append(row.property_name) %}{% endif %}
            {% endif %}
            {% if row.filter_number is not none %}{% do type.filtered.update({row.filter_number | int: row.property_name}) %}{% endif %}
            {% if row.band_kind == 'size' and row.property_name not in type.numbers %}{% do type.numbers.append(row.property_name) %}{% endif %}
            {% if row.band_kind == 'time' and row.name not in type.timed %}{% do type.timed.append(row.name) %}{% endif %}
            {# Each meter that has the name has all of its bands: those of the first are enough. #}
            {% set bands = type.bands.setdefault(row.name, []) %}
            {% if row.band_kind and (not bands or bands[0].meter_code == row.meter_code) %}{% do bands.append(row) %}{% endif %}
        {% endfor %}
        {% for row in run_query(
            "select meter_code, condition_number, property_name, operator, value_text, is_prefix,"
            ~ " cast(value_number as string) as value_number from " ~ filter_rows
            ~ " where price_id is null order by meter_code, condition_number, value_text").rows %}
            {% set meter = by_code[row.meter_code] %}
            {% set type, conditions = meter.type, meter.conditions %}
            {% if not conditions or conditions[-1].number != row.condition_number %}
                {% do conditions.append({
                    'number': row.condition_number, 'name': row.property_name, 'operator': row.operator,
                    'texts': [], 'numbers': [], 'prefixes': [], 'is_timed': row.property_name in type.timed,
                    'is_compared': row.operator not in ('=', '!=') and not type.bands[row.property_name],
                }) %}
            {% endif %}
            {% do (conditions[-1].prefixes if row.is_prefix else conditions[-1].texts).append(row.value_text) %}
            {% if row.value_number is not none %}
                {% do conditions[-1].numbers.append(row.value_number) %}
                {% if not type.bands[row.property_name] and row.property_name not in type.numbers %}{% do type.numbers.append(row.property_name) %}{% endif %}
            {% endif %}
        {% endfor %}
    {% endif %}
    {% for type in types.values() %}{% do type.update({'filtered': type.filtered | dictsort | map('last') | list}) %}{% endfor %}
    {{ return(meters) }}
{% endmacro %}

-- What an event has under a name: a property as sent, or the band in which its size falls. Bands of
-- the time are told where the local time is known.
{% macro named_text(meter, name) %}
    {{ 'null' if name in meter.type.timed else size_band(meter, name) if meter.type.bands[name] else property_text(meter, meter.type.sources[name]) }}
{%- endmacro %}

-- A bound belongs to its band; an event without a size has none.
{% macro size_band(meter, name) %}
    {%- set number = number_column(meter, meter.type.sources[name]) -%}
    case
        when {{ number }} is null then null
        {% for band in meter.type.bands[name] %}
        {{ 'when ' ~ number ~ ' <= ' ~ as_quantity(sql_text(band.up_to)) ~ ' then' if band.up_to is not none else 'else' }} {{ sql_text(band.band) }}
        {% endfor %}
    end
{%- endmacro %}

-- By the clock on the customer's wall, so that days of 23 and 25 hours need no care.
{% macro time_band(meter, name) %}
    {%- set bands = meter.type.bands[name] | selectattr('band_kind', 'equalto', 'time') | list -%}
    {%- set dates = meter.type.bands[name] | selectattr('band_kind', 'equalto', 'holiday') | map(attribute='holiday_date') | list -%}
    {%- set day -%}
    {% if dates %}case when cast(placed.local_event_at as date) in (cast('{{ dates | join("' as date), cast('") }}' as date)) then 8 else {{ iso_weekday('cast(placed.local_event_at as date)') }} end{% else %}{{ iso_weekday('cast(placed.local_event_at as date)') }}{% endif %}
    {%- endset -%}
    {%- set minute = 'extract(hour from placed.local_event_at) * 60 + extract(minute from placed.local_event_at)' -%}
    case
        {% for band in bands %}
        when {{ day }} in ({{ band.day_numbers }}) and {{ minute }} >= {{ band.from_minute | int }} and {{ minute }} < {{ band.to_minute | int }} then {{ sql_text(band.band) }}
        {% endfor %}
    end
{%- endmacro %}

-- The meters, told which properties of landed events have a column of their own (data_<property>)
-- and which column holds the others as JSON. Where there is no other_data, data holds all.
{% macro with_property_columns(meters, usage_events) %}
    {% set types = {} %}
    {% if execute %}
        {% for column in adapter.get_columns_in_relation(usage_events) %}{% do types.update({column.name: column.dtype | lower}) %}{% endfor %}
    {% endif %}
    {% set has_columns = 'other_data' in types %}
    {% for meter in meters %}
        {% do meter.update({'json_column': 'other_data' if has_columns else 'data', 'column_types': types if has_columns else {}}) %}
    {% endfor %}
    {{ return(meters) }}
{% endmacro %}

{% macro property_type(meter, property) %}{{ return(meter.column_types.get('data_' ~ property, '')) }}{% endmacro %}
{% macro property_column(property) %}"data_{{ property | replace('"', '""') }}"{% endmacro %}

-- The properties that the meters of an event type read, from one pass over the JSON.
{% macro properties_by_event_type(meters) %}
    {%- set first_meters = [] -%}
    {%- for meter in meters if meter.slot == 1 and meter.type.properties -%}{%- do first_meters.append(meter) -%}{%- endfor -%}
    {%- if first_meters -%}
    case event_type
        {% for meter in first_meters %}
        when {{ sql_text(meter.event_type) }} then {{ json_texts(meter.json_column, meter.type.properties) }}
        {% endfor %}
    end
    {%- else -%} null {%- endif -%}
{% endmacro %}

{% macro property_text(meter, property) %}
    {%- set text = json_property_text(meter, property) -%}
    {{ 'coalesce(cast(' ~ property_column(property) ~ ' as string), ' ~ text ~ ')' if property_type(meter, property) else text }}
{%- endmacro %}
{% macro json_property_text(meter, property) %}{{ list_item('property_texts', meter.type.properties.index(property) + 1) }}{% endmacro %}

-- A property as a number: null where it is none, or has more digits than can be held.
{% macro property_number(meter, property) %}
    {%- if property_type(meter, property) == 'bigint' -%}
    coalesce({{ as_quantity(property_column(property)) }}, {{ parse_quantity(json_property_text(meter, property)) }})
    {%- else -%} {{ parse_quantity(property_text(meter, property)) }} {%- endif -%}
{%- endmacro %}
{% macro number_column(meter, property) %}{{ return('property_number_' ~ (meter.type.numbers.index(property) + 1)) }}{% endmacro %}

-- One case expression over the event types that have so many of something; `body` is called with
-- a meter of the type and its nth of them.
{% macro case_of_nth(meters, kind, number, body, default) %}
    {%- set here = [] -%}
    {%- for meter in meters if meter.slot == 1 and meter.type[kind] | length >= number -%}{%- do here.append(meter) -%}{%- endfor -%}
    {%- if here -%}
    case event_type {% for meter in here %} when {{ sql_text(meter.event_type) }} then {{ body(meter, meter.type[kind][number - 1]) }}{% endfor %} else {{ default }} end
    {%- else -%} {{ default }} {%- endif -%}
{% endmacro %}

-- Query of events with what the meters of their type read from them side by side (slot 1, 2, ...),
-- and why one cannot be used. One query for two models, since whether a record is rejected also
-- decides whether it has taken its id. The events have event_type and the JSON of the meters.
{% macro judged_events(meters, events) %}
{% set compared_slots = [] %}
{% for meter in meters if meter.conditions | selectattr('is_compared') | list and meter.slot not in compared_slots %}{% do compared_slots.append(meter.slot) %}{% endfor %}
{% set slots = range(1, slot_count(meters) + 1) %}
{% set dimension_numbers = range(1, type_count(meters, 'dimensions', 1) + 1) %}
    with

    opened as (

        select
            *,
            {{ properties_by_event_type(meters) }} as property_texts

        from {{ events }}

    ),

    -- What is compared as a number is read as one once, for all meters that look at it.
    numbered as (

        select
            *
            {%- for number in range(1, type_count(meters, 'numbers') + 1) %},
            {{ case_of_nth(meters, 'numbers', number, property_number, 'null') }} as property_number_{{ number }}
            {%- endfor %}

        from opened

    ),

    extracted as (

        select
            *,
            {% for slot in slots %}
            {{ case_of_slot(meters, slot, meter_filter, 'false') }} as is_taken_{{ slot }},
            cast({{ case_of_slot(meters, slot, meter_value_text, 'null') }} as string) as value_text_{{ slot }},
            cast({{ case_of_slot(meters, slot, meter_value_integer, 'null') }} as bigint) as value_integer_{{ slot }},
            {{ case_of_slot(meters, slot, meter_needs_value, 'false') }} as needs_value_{{ slot }},
            {{ case_of_slot(meters, slot, meter_is_numeric, 'false') }} as is_numeric_{{ slot }},
            {% endfor %}
            {% for slot in compared_slots %}
            {{ case_of_slot(meters, slot, unheld_property, 'null') }} as unheld_detail_{{ slot }},
            {% endfor %}
            {% for number in range(1, type_count(meters, 'filtered') + 1) %}
            {{ case_of_nth(meters, 'filtered', number, has_property, 'false') }} as has_filter_property_{{ number }},
            {% endfor %}
            {% for number in dimension_numbers %}
            cast({{ case_of_nth(meters, 'dimensions', number, named_text, 'null') }} as string) as dimension_text_{{ number }}{{ ',' if not loop.last }}
            {% endfor %}

        from numbered

    ),

    parsed as (

        select
            *,
            {% for slot in slots %}
            case
                when is_taken_{{ slot }} and is_numeric_{{ slot }}
                    then coalesce({{ as_quantity('value_integer_' ~ slot) }}, {{ parse_quantity('value_text_' ~ slot) }})
            end as value_{{ slot }}{{ ',' if not loop.last }}
            {% endfor %}

        from extracted

    ),

    metered as (

        select
            *,
            {% for slot in slots %}
            is_taken_{{ slot }} and not (
                needs_value_{{ slot }} and value_integer_{{ slot }} is null and coalesce(value_text_{{ slot }}, '') = ''
            )
                as is_metered_{{ slot }}{{ ',' if not loop.last }}
            {% endfor %}

        from parsed

    )

    select
        *,
        case
            {% for slot in compared_slots %}
            when unheld_detail_{{ slot }} is not null then 'out_of_range'
            {% endfor %}
            {% for slot in slots %}
            when is_metered_{{ slot }} and is_numeric_{{ slot }}
                and (value_{{ slot }} is null or {{ is_beyond_rounding(meters, slot) }})
                then case
                    when value_integer_{{ slot }} is not null or {{ is_number('value_text_' ~ slot) }} then 'out_of_range'
                    else 'invalid_quantity'
                end
            {% endfor %}
            when ({% for slot in slots %}{{ ' or ' if not loop.first }}is_taken_{{ slot }}{% endfor %})
                and not ({% for slot in slots %}{{ ' or ' if not loop.first }}is_metered_{{ slot }}{% endfor %})
                then 'invalid_quantity'
        end as reject_reason,
        case
            {% for slot in compared_slots %}
            when unheld_detail_{{ slot }} is not null then unheld_detail_{{ slot }}
            {% endfor %}
            {% for slot in slots %}
            when is_metered_{{ slot }} and is_numeric_{{ slot }}
                and (value_{{ slot }} is null or {{ is_beyond_rounding(meters, slot) }})
                then concat_ws('', {{ case_of_slot(meters, slot, meter_value_name, "''") }}, ': ', {{ unusable_number(slot) }})
            {% endfor %}
            when ({% for slot in slots %}{{ ' or ' if not loop.first }}is_taken_{{ slot }}{% endfor %})
                and not ({% for slot in slots %}{{ ' or ' if not loop.first }}is_metered_{{ slot }}{% endfor %})
                then concat_ws('', 'missing or empty: ', concat_ws(
                    ', '{% for slot in slots %}, case when is_taken_{{ slot }} then {{ case_of_slot(meters, slot, meter_value_name, "''") }} end{% endfor %}
                ))
        end as reject_detail

    from metered
{% endmacro %}

-- Why the value of a slot cannot be used, and what to send instead.
{% macro unusable_number(slot) %}
    case
        when value_{{ slot }} is not null
            then concat_ws('', cast(value_{{ slot }} as string), ' leaves no room for the increment of its meter')
        else {{ unheld_number('value_text_' ~ slot) }}
    end
{%- endmacro %}

-- The same of any text that is no number, or more of one than can be held.
{% macro unheld_number(text) %}
    {%- set quote = sql_text("'") -%}
    case
        when not {{ is_number(text) }} then concat_ws('', {{ quote }}, substr({{ text }}, 1, 100), {{ quote }}, ' is no number')
        else concat_ws(
            '',
            {{ quote }}, substr({{ text }}, 1, 100), {{ quote }},
            case
                when length({{ scientific_whole(trimmed(text)) }}) > 26 then ' has more than 26 digits before the point'
                else ' has more than 12 places, as a number held in binary has; send it as a decimal or as text'
            end
        )
    end
{%- endmacro %}

-- True where all conditions of the filter hold that can be told without the clock of the customer.
{% macro meter_filter(meter) %}
    {%- set conditions = [] -%}
    {%- for condition in meter.conditions if not condition.is_timed -%}{%- do conditions.append(holds(meter, condition)) -%}{%- endfor -%}
    {{ conditions | join(' and ') or 'true' }}
{%- endmacro %}

-- Which compared property of an event has more digits than can be held, where everything else that
-- the filter asks for holds: such a number is neither rounded nor left out in silence.
{% macro unheld_property(meter) %}
    {%- set compared, others = meter.conditions | selectattr('is_compared') | list, [] -%}
    {%- if not compared %}{{ return('null') }}{% endif -%}
    {%- for condition in meter.conditions if not condition.is_compared and not condition.is_timed -%}{%- do others.append(holds(meter, condition)) -%}{%- endfor -%}
    {%- for condition in compared -%}
        {%- do others.append('(' ~ number_column(meter, condition.name) ~ ' is null or ' ~ holds(meter, condition) ~ ')') -%}
    {%- endfor -%}
    case
        {% for condition in compared %}
        {%- set text = property_text(meter, condition.name) %}
        when {{ number_column(meter, condition.name) }} is null and {{ is_number(text) }} and {{ others | join(' and ') }}
            then concat_ws('', {{ sql_text(condition.name ~ ': ') }}, {{ unheld_number(text) }})
        {% endfor %}
    end
{%- endmacro %}

-- Whether the meter of a slot takes an event, where the local time is known as well.
{% macro taken_in_time(meters, slot) %}
    {%- set timed = [] -%}
    {%- for meter in meters | selectattr('slot', 'equalto', slot) -%}
        {%- for condition in meter.conditions if condition.is_timed -%}
            {%- do timed.append('(placed.event_type <> ' ~ sql_text(meter.event_type) ~ ' or ' ~ holds(meter, condition) ~ ')') -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ (['placed.is_metered_' ~ slot] + timed) | join(' and ') }}
{%- endmacro %}

-- Whether one condition of a filter holds. Numbers are equal as numbers; what an event does not
-- have is equal to nothing and not to be compared, so that = and != of the same values take every
-- event between them.
{% macro holds(meter, condition) %}
    {%- set name, operator = condition.name, condition.operator -%}
    {%- set text = time_band(meter, name) if condition.is_timed else named_text(meter, name) -%}
    {%- set number = parse_quantity(text) if meter.type.bands[name] else (number_column(meter, meter.type.sources[name]) if condition.numbers else '') -%}
    {%- set tests, texts, numbers = [], [], [] -%}
    {%- for value in condition.texts -%}{%- do texts.append(sql_text(value)) -%}{%- endfor -%}
    {%- for value in condition.numbers -%}{%- do numbers.append(as_quantity(sql_text(value))) -%}{%- endfor -%}
    {%- if operator in ('=', '!=') -%}
        {%- if texts | length > numbers | length -%}{%- do tests.append('(' ~ text ~ ') in (' ~ texts | join(', ') ~ ')') -%}{%- endif -%}
        {%- if numbers -%}{%- do tests.append('(' ~ number ~ ') in (' ~ numbers | join(', ') ~ ')') -%}{%- endif -%}
        {%- for prefix in condition.prefixes -%}{%- do tests.append('substr(' ~ text ~ ', 1, ' ~ prefix | length ~ ') = ' ~ sql_text(prefix)) -%}{%- endfor -%}
    {%- else -%}
        {%- do tests.append('(' ~ number ~ ') ' ~ operator ~ ' ' ~ numbers[0]) -%}
    {%- endif -%}
    {{ 'not ' if operator == '!=' }}coalesce({{ tests | join(' or ') }}, false)
{%- endmacro %}

{% macro has_property(meter, property) %}({{ property_column(property) ~ ' is not null or ' if property_type(meter, property) }}{{ json_property_text(meter, property) }} is not null){% endmacro %}

-- The nth dimension of a placed event, bands of its local time included.
{% macro placed_dimension(meters, number) %}
    {%- set text, timed = 'placed.dimension_text_' ~ number, [] -%}
    {%- for meter in meters if meter.slot == 1 and meter.type.dimensions | length >= number -%}
        {%- if meter.type.dimensions[number - 1] in meter.type.timed -%}{%- do timed.append(meter) -%}{%- endif -%}
    {%- endfor -%}
    {%- if timed -%}
    case placed.event_type
        {% for meter in timed %}
        when {{ sql_text(meter.event_type) }} then {{ time_band(meter, meter.type.dimensions[number - 1]) }}
        {% endfor %}
        else {{ text }}
    end
    {%- else -%} {{ text }} {%- endif -%}
{% endmacro %}

-- The dimension values of one event as a JSON object, in the order of the price book.
{% macro meter_dimensions(meter) %}
    {%- if not meter.dimensions -%} '{}' {%- else -%}
    '{'
    {%- for name in meter.dimensions %} || {{ sql_text((', ' if not loop.first else '') ~ json_key(name)) }} || {{ json_quoted('dimension_text_' ~ (meter.type.dimensions.index(name) + 1)) }}{% endfor %} || '}'
    {%- endif -%}
{% endmacro %}

-- All dimension values of one event, where whether it is rated depends on them; else nothing, so
-- that events are not told apart for no reason.
{% macro event_dimensions(meters) %}
    {%- set first_meters = [] -%}
    {%- for meter in meters if meter.slot == 1 and meter.has_filtered_prices and meter.type.dimensions -%}{%- do first_meters.append(meter) -%}{%- endfor -%}
    {%- if first_meters -%}
    case event_type
        {% for meter in first_meters %}
        when {{ sql_text(meter.event_type) }} then {% for name in meter.type.dimensions %}{{ " || ', ' || " if not loop.first }}{{ json_quoted('dimension_text_' ~ loop.index) }}{% endfor %}
        {% endfor %}
        else ''
    end
    {%- else -%} '' {%- endif -%}
{% endmacro %}

-- One case expression over event types for one slot; `body` is called with each meter in it.
{% macro case_of_slot(meters, slot, body, default) %}
    {%- set here = meters | selectattr('slot', 'equalto', slot) | list -%}
    {%- if here -%}
    case event_type {% for meter in here %} when {{ sql_text(meter.event_type) }} then {{ body(meter) }}{% endfor %} else {{ default }} end
    {%- else -%} {{ default }} {%- endif -%}
{% endmacro %}

-- The value as a text, unless it is in a column of whole numbers, which needs no reading.
{% macro meter_value_text(meter) %}
    {%- if not meter.value_property -%} null
    {%- elif property_type(meter, meter.value_property) == 'bigint' -%} {{ json_property_text(meter, meter.value_property) }}
    {%- else -%} {{ property_text(meter, meter.value_property) }} {%- endif -%}
{% endmacro %}
{% macro meter_value_integer(meter) %}{{ property_column(meter.value_property) if meter.value_property and property_type(meter, meter.value_property) == 'bigint' else 'null' }}{% endmacro %}
{% macro meter_is_numeric(meter) %}{{ 'true' if meter.aggregation not in ('count', 'unique_count') else 'false' }}{% endmacro %}
{% macro meter_value_name(meter) %}{{ sql_text(meter.value_property or '') }}{% endmacro %}
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

-- Whether a value is so large that the increment of its meter may not fit on top of it.
{% macro is_beyond_rounding(meters, slot) %}
    {%- set rounding = meters | selectattr('slot', 'equalto', slot) | selectattr('rounding_increment') | list -%}
    {%- if rounding -%}
    case event_type
        {% for meter in rounding %}
        when {{ sql_text(meter.event_type) }}
            then abs(value_{{ slot }}) > {{ as_quantity("'99999999999999999999999999'") }} - {{ meter_increment(meter) }}
        {% endfor %}
        else false
    end
    {%- else -%} false {%- endif -%}
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

-- How many meters an event type has at most, and how many of something else.
{% macro slot_count(meters) %}{{ return([1, (meters | map(attribute='slot') | max) if meters else 1] | max) }}{% endmacro %}
{% macro type_count(meters, kind, least=0) %}
    {% set counts = [least] %}
    {% for meter in meters %}{% do counts.append(meter.type[kind] | length) %}{% endfor %}
    {{ return(counts | max) }}
{% endmacro %}

-- The meter of a slot where it took the event; taken_slots is ' 1 3' when slots 1 and 3 did.
{% macro taken_meter(taken_slots, meter_slot, meter_code) %}
    case
        when {{ taken_slots }} || ' ' like '% ' || cast({{ meter_slot }} as string) || ' %' then {{ meter_code }}
    end
{% endmacro %}

-- True in the first slot that took the event, or in the first of all: counts an event once.
{% macro is_counted_slot(taken_slots, meter_slot) %}
    case
        when {{ taken_slots }} = '' then coalesce({{ meter_slot }}, 1) = 1
        else {{ taken_slots }} || ' ' like ' ' || cast({{ meter_slot }} as string) || ' %'
    end
{% endmacro %}

-- The slots in which a meter of any event type is aggregated in this way.
{% macro slots_of(meters, aggregation) %}{{ return(meters | selectattr('aggregation', 'equalto', aggregation) | map(attribute='slot') | unique | sort) }}{% endmacro %}

-- The column of the slot, out of columns that end in the slot's number; null without one.
{% macro slot_value(slots, meter_slot, prefix) %}
    {%- if slots -%}
    case {{ meter_slot }} {% for slot in slots %} when {{ slot }} then {{ prefix }}{{ slot }}{% endfor %} end
    {%- else -%} null {%- endif -%}
{% endmacro %}

{% macro dimensions_of_slot(meters, meter_slot) %}
    case {{ meter_slot }} {% for slot in range(1, slot_count(meters) + 1) %} when {{ slot }} then {{ case_of_slot(meters, slot, meter_dimensions, "'{}'") }}{% endfor %} end
{% endmacro %}

-- The days of a time band as numbers for a list: Monday is 1, a holiday is 8.
{% macro day_numbers(days) %}
    {%- set text = namespace(value="replace(" ~ days ~ ", '|', ', ')") -%}
    {%- for day in ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun', 'holiday'] -%}
        {%- set text.value = "replace(" ~ text.value ~ ", '" ~ day ~ "', '" ~ loop.index ~ "')" -%}
    {%- endfor -%}
    {{ return(text.value) }}
{% endmacro %}
