-- The meters of the price book, read once a run, so that the one pass over the events names
-- each property directly instead of looking its path up row by row.
{% macro meters_by_event_type() %}
    {# Named before anything else, since dbt learns while parsing what a model depends on. #}
    {% set bands, times, holidays = ref('dimension_bands'), ref('time_bands'), ref('holidays') %}
    {% set meters = [] %}
    {% if execute %}
        {% set rows = run_query(
            "select meter_code, event_type, aggregation, value_property, filter, dimensions,"
            ~ " cast(rounding_increment as string) as rounding_increment,"
            ~ " cast(minimum_quantity as string) as minimum_quantity, meter_slot, has_filtered_prices"
            ~ " from " ~ ref('stg_pricing__meters') ~ " order by event_type, meter_slot") %}
        {% for row in rows.rows %}
            {% do meters.append({
                'meter_code': row[0], 'event_type': row[1], 'aggregation': row[2],
                'value_property': row[3], 'filter': row[4], 'dimensions': row[5],
                'rounding_increment': row[6], 'minimum_quantity': row[7], 'slot': row[8] | int,
                'has_filtered_prices': row[9],
            }) %}
        {% endfor %}
        {% set size_bands = run_query("select event_type, dimension, property, cast(up_to as string) as up_to, band"
            ~ " from " ~ bands ~ " order by event_type, dimension, up_to nulls last").rows %}
        {% set time_bands = run_query("select dimension, days, from_time, to_time, band from " ~ times
            ~ " order by dimension, days, from_time").rows %}
        {% set holiday_dates = run_query("select dimension, holiday_date from " ~ holidays ~ " order by 1, 2").rows %}
        {% for meter in meters %}
            {% set size_here, time_here, dates_here = [], [], [] %}
            {% for row in size_bands if row[0] == meter.event_type %}{% do size_here.append(row) %}{% endfor %}
            {% for row in time_bands %}{% do time_here.append(row) %}{% endfor %}
            {% for row in holiday_dates %}{% do dates_here.append(row) %}{% endfor %}
            {% do meter.update({'size_bands': size_here, 'time_bands': time_here, 'holidays': dates_here}) %}
        {% endfor %}
    {% endif %}
    {% for meter in meters %}
        {% set here = meters | selectattr('event_type', 'equalto', meter.event_type) | list %}
        {% set dimensions, properties = [], [] %}
        {% for other in here %}
            {% do dimensions.extend(meter_dimension_names(other)) %}
            {% do properties.extend(meter_property_names(other)) %}
        {% endfor %}
        {% do meter.update({
            'dimension_names': dimensions | unique(case_sensitive=true) | list,
            'property_names': properties | unique(case_sensitive=true) | list,
        }) %}
    {% endfor %}
    {{ return(meters) }}
{% endmacro %}

{% macro meter_dimension_names(meter) %}
    {{ return((meter.dimensions or '').split('|') | map('trim') | select | list) }}
{% endmacro %}

{% macro meter_property_names(meter) %}
    {% set names = [meter.value_property] if meter.value_property else [] %}
    {% for name in meter_dimension_names(meter) %}
        {% set property = dimension_property(meter, name) %}
        {% if property %}{% do names.append(property) %}{% endif %}
    {% endfor %}
    {% for pair in (meter.filter or '').split(';') if pair.strip() %}
        {% do names.append(pair.split('=', 1)[0].strip()) %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}

-- The property that a dimension is read from: that of its bands, none for a band of time.
{% macro dimension_property(meter, name) %}
    {% for row in meter.size_bands if row[1] == name %}{{ return(row[2]) }}{% endfor %}
    {% for row in meter.time_bands if row[0] == name %}{{ return('') }}{% endfor %}
    {{ return(name) }}
{% endmacro %}

-- The value of the nth dimension: as sent, or the band in which the size or the time falls.
{% macro placed_dimension(meters, number) %}
    {%- set text, derived = 'placed.dimension_text_' ~ number, [] -%}
    {%- for meter in meters if meter.slot == 1 and meter.dimension_names | length >= number -%}
        {%- if dimension_property(meter, meter.dimension_names[number - 1]) != meter.dimension_names[number - 1] -%}{%- do derived.append(meter) -%}{%- endif -%}
    {%- endfor -%}
    {%- if derived -%}
    case placed.event_type
        {% for meter in derived %}
        {%- set name = meter.dimension_names[number - 1] %}
        when {{ sql_text(meter.event_type) }} then {{ size_band(meter, name, text) if dimension_property(meter, name) else time_band(meter, name) }}
        {% endfor %}
        else {{ text }}
    end
    {%- else -%} {{ text }} {%- endif -%}
{% endmacro %}

-- A bound belongs to its band; an event without a size has none.
{% macro size_band(meter, name, text) %}
    case
        when {{ parse_quantity(text) }} is null then null
        {% for row in meter.size_bands if row[1] == name %}
        {{ 'when ' ~ parse_quantity(text) ~ ' <= ' ~ as_quantity(sql_text(row[3])) ~ ' then' if row[3] is not none else 'else' }} {{ sql_text(row[4]) }}
        {% endfor %}
    end
{% endmacro %}

-- By the clock on the customer's wall, so that days of 23 and 25 hours need no care.
{% macro time_band(meter, name) %}
    {%- set day_numbers = {'mon': 1, 'tue': 2, 'wed': 3, 'thu': 4, 'fri': 5, 'sat': 6, 'sun': 7, 'holiday': 8} -%}
    {%- set dates, knows_holidays = [], [] -%}
    {%- for row in meter.time_bands if row[0] == name and 'holiday' in row[1].split('|') -%}{%- do knows_holidays.append(row) -%}{%- endfor -%}
    {%- for row in meter.holidays if row[0] == name and knows_holidays -%}{%- do dates.append("cast('" ~ row[1] ~ "' as date)") -%}{%- endfor -%}
    {%- set day -%}
    {% if dates %}case when cast(placed.local_event_at as date) in ({{ dates | join(', ') }}) then 8 else {{ iso_weekday('cast(placed.local_event_at as date)') }} end{% else %}{{ iso_weekday('cast(placed.local_event_at as date)') }}{% endif %}
    {%- endset -%}
    {%- set minute = 'extract(hour from placed.local_event_at) * 60 + extract(minute from placed.local_event_at)' -%}
    case
        {% for row in meter.time_bands if row[0] == name %}
        {%- set days = [] -%}
        {%- for code in row[1].split('|') %}{% do days.append(day_numbers[code]) %}{% endfor %}
        when {{ day }} in ({{ days | join(', ') }}) and {{ minute }} >= {{ minutes_of(row[2]) }} and {{ minute }} < {{ minutes_of(row[3]) }} then {{ sql_text(row[4]) }}
        {% endfor %}
    end
{% endmacro %}

{% macro minutes_of(clock) %}{{ return(clock.split(':')[0] | int * 60 + clock.split(':')[1] | int) }}{% endmacro %}

-- The event types that have a dimension read from the time.
{% macro types_with_time_bands(meters) %}
    {% set types = [] %}
    {% for meter in meters if meter.slot == 1 %}
        {% for name in meter.dimension_names if dimension_property(meter, name) == '' %}{% do types.append(sql_text(meter.event_type)) %}{% endfor %}
    {% endfor %}
    {{ return(types | unique | list) }}
{% endmacro %}

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
    {%- set first_meters = meters | selectattr('slot', 'equalto', 1) | selectattr('property_names') | list -%}
    {%- if first_meters -%}
    case event_type
        {% for meter in first_meters %}
        when {{ sql_text(meter.event_type) }} then {{ json_texts(meter.json_column, meter.property_names) }}
        {% endfor %}
    end
    {%- else -%} null {%- endif -%}
{% endmacro %}

{% macro property_text(meter, property) %}
    {%- set text = json_property_text(meter, property) -%}
    {{ 'coalesce(cast(' ~ property_column(property) ~ ' as string), ' ~ text ~ ')' if property_type(meter, property) else text }}
{%- endmacro %}
{% macro json_property_text(meter, property) %}{{ list_item('property_texts', meter.property_names.index(property) + 1) }}{% endmacro %}

-- The nth of the dimensions that any meter of the event type has.
{% macro dimension_text(meters, number) %}
    {%- set first_meters = [] -%}
    {%- for meter in meters if meter.slot == 1 and meter.dimension_names | length >= number -%}
        {%- if dimension_property(meter, meter.dimension_names[number - 1]) -%}{%- do first_meters.append(meter) -%}{%- endif -%}
    {%- endfor -%}
    {%- if first_meters -%}
    case event_type {% for meter in first_meters %} when {{ sql_text(meter.event_type) }} then {{ property_text(meter, dimension_property(meter, meter.dimension_names[number - 1])) }}{% endfor %} end
    {%- else -%} cast(null as string) {%- endif -%}
{% endmacro %}

-- Query of events with what the meters of their type read from them side by side (slot 1, 2, ...),
-- and why one cannot be used. One query for two models, since whether a record is rejected also
-- decides whether it has taken its id. The events have event_type and the JSON of the meters.
{% macro judged_events(meters, events) %}
{% set slots = range(1, slot_count(meters) + 1) %}
{% set dimension_numbers = range(1, dimension_count(meters) + 1) %}
    with

    opened as (

        select
            *,
            {{ properties_by_event_type(meters) }} as property_texts

        from {{ events }}

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
            {% for number in dimension_numbers %}
            {{ dimension_text(meters, number) }} as dimension_text_{{ number }}{{ ',' if not loop.last }}
            {% endfor %}

        from opened

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
    {%- set text, quote = 'value_text_' ~ slot, sql_text("'") -%}
    case
        when value_{{ slot }} is not null
            then concat_ws('', cast(value_{{ slot }} as string), ' leaves no room for the increment of its meter')
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

-- True where every `property=value|value` pair of the filter holds.
{% macro meter_filter(meter) %}
    {%- if not meter.filter -%} true {%- else -%}
    {%- for pair in meter.filter.split(';') if pair.strip() -%}
        {%- set parts = pair.split('=', 1) -%}
        {{ ' and ' if not loop.first }}coalesce({{ property_text(meter, parts[0].strip()) }} in (
        {%- for value in parts[1].split('|') -%}{{ ', ' if not loop.first }}{{ sql_text(value.strip()) }}{%- endfor -%}), false)
    {%- endfor -%}
    {%- endif -%}
{% endmacro %}

-- The dimension values of one event as a JSON object, in the order of the price book.
{% macro meter_dimensions(meter) %}
    {%- if not meter.dimensions -%} '{}' {%- else -%}
    '{'
    {%- for name in meter.dimensions.split('|') %} || {{ sql_text((', ' if not loop.first else '') ~ json_key(name.strip())) }} || {{ json_quoted('dimension_text_' ~ (meter.dimension_names.index(name.strip()) + 1)) }}{% endfor %} || '}'
    {%- endif -%}
{% endmacro %}

-- All dimension values of one event, where whether it is rated depends on them; else nothing, so
-- that events are not told apart for no reason.
{% macro event_dimensions(meters) %}
    {%- set first_meters = meters | selectattr('slot', 'equalto', 1) | selectattr('has_filtered_prices') | selectattr('dimension_names') | list -%}
    {%- if first_meters -%}
    case event_type
        {% for meter in first_meters %}
        when {{ sql_text(meter.event_type) }} then {% for name in meter.dimension_names %}{{ " || ', ' || " if not loop.first }}{{ json_quoted('dimension_text_' ~ loop.index) }}{% endfor %}
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

-- How many meters an event type has at most, and how many dimensions; at least one of each.
{% macro slot_count(meters) %}{{ return([1, (meters | map(attribute='slot') | max) if meters else 1] | max) }}{% endmacro %}
{% macro dimension_count(meters) %}
    {% set counts = [1] %}
    {% for meter in meters %}{% do counts.append(meter.dimension_names | length) %}{% endfor %}
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
