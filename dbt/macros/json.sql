-- Text of one property of a flat JSON object; null where absent.
{% macro json_text(json, property) %}{{ adapter.dispatch('json_text', 'meterhouse')(json, property) }}{% endmacro %}
{% macro duckdb__json_text(json, property) %}json_extract_string({{ json }}, {{ sql_text(json_pointer(property)) }}){% endmacro %}
{% macro spark__json_text(json, property) %}try_element_at({{ json }}_texts, {{ sql_text(property) }}){% endmacro %}

-- Path of a property from the root (RFC 6901). DuckDB follows it in two thirds of the time that
-- it takes for the same path with a dollar.
{% macro json_pointer(property) %}{{ return('/' ~ property | replace('~', '~0') | replace('/', '~1')) }}{% endmacro %}

-- The same where the name of the property is an expression too.
{% macro json_text_by_name(json, property) %}{{ adapter.dispatch('json_text_by_name', 'meterhouse')(json, property) }}{% endmacro %}
{% macro duckdb__json_text_by_name(json, property) %}json_extract_string({{ json }}, '/' || replace(replace({{ property }}, '~', '~0'), '/', '~1')){% endmacro %}
-- Of an object that holds nothing but texts, as our own do.
{% macro spark__json_text_by_name(json, property) %}try_element_at(from_json({{ json }}, 'map<string, string>'), {{ property }}){% endmacro %}

-- One row per part of a text.
{% macro split_rows(text, separator) %}{{ adapter.dispatch('split_rows', 'meterhouse')(text, separator) }}{% endmacro %}
{% macro duckdb__split_rows(text, separator) %}unnest(string_split({{ text }}, {{ separator }})){% endmacro %}
{% macro spark__split_rows(text, separator) %}explode(split({{ text }}, '[' || {{ separator }} || ']')){% endmacro %}

-- Texts of several properties as a list, read in one pass; list items count from 1.
{% macro json_texts(json, properties) %}{{ adapter.dispatch('json_texts', 'meterhouse')(json, properties) }}{% endmacro %}
{% macro duckdb__json_texts(json, properties) %}json_extract_string({{ json }}, [{% for property in properties %}{{ ', ' if not loop.first }}{{ sql_text(json_pointer(property)) }}{% endfor %}]){% endmacro %}
-- Spark writes numbers of JSON in its own way, so ingestion lays their texts beside them.
{% macro spark__json_texts(json, properties) %}array({% for property in properties %}{{ ', ' if not loop.first }}{{ json_text(json, property) }}{% endfor %}){% endmacro %}

{% macro list_item(list, number) %}{{ adapter.dispatch('list_item', 'meterhouse')(list, number) }}{% endmacro %}
{% macro duckdb__list_item(list, number) %}{{ list }}[{{ number }}]{% endmacro %}
{% macro spark__list_item(list, number) %}try_element_at({{ list }}, {{ number }}){% endmacro %}

-- A column of JSON under another name, with what json_texts reads it by.
{% macro renamed_json(json, name) %}{{ adapter.dispatch('renamed_json', 'meterhouse')(json, name) }}{% endmacro %}
{% macro duckdb__renamed_json(json, name) %}{{ json }} as {{ name }}{% endmacro %}
{% macro spark__renamed_json(json, name) %}{{ json }} as {{ name }}, {{ json }}_texts as {{ name }}_texts{% endmacro %}

-- A text as a JSON string literal, null as JSON null.
{% macro json_quoted(text) %}{{ adapter.dispatch('json_quoted', 'meterhouse')(text) }}{% endmacro %}
{% macro duckdb__json_quoted(text) %}coalesce(cast(to_json({{ text }}) as string), 'null'){% endmacro %}
-- The text as the only member of an object, without the object around it.
{% macro spark__json_quoted(text) %}coalesce(nullif(regexp_extract(to_json(named_struct('t', {{ text }})), '(?s)^.{5}(.*).$', 1), ''), 'null'){% endmacro %}

-- A name of the price book, which has no control characters, as the key of a JSON object.
{% macro json_key(name) %}{{ return('"' ~ name | replace('\\', '\\\\') | replace('"', '\\"') ~ '": ') }}{% endmacro %}

{% macro sql_text(value) %}{{ adapter.dispatch('sql_text', 'meterhouse')(value) }}{% endmacro %}
{% macro duckdb__sql_text(value) %}'{{ value | replace("'", "''") }}'{% endmacro %}
{% macro spark__sql_text(value) %}'{{ value | replace('\\', '\\\\') | replace("'", "\\'") }}'{% endmacro %}

{% macro sha256(text) %}{{ adapter.dispatch('sha256', 'meterhouse')(text) }}{% endmacro %}
{% macro duckdb__sha256(text) %}sha256({{ text }}){% endmacro %}
{% macro spark__sha256(text) %}sha2({{ text }}, 256){% endmacro %}

-- Identity of an event as 64 bits; only ever used together with the texts themselves.
{% macro event_hash(source, event_id) %}{{ adapter.dispatch('event_hash', 'meterhouse')(source, event_id) }}{% endmacro %}
{% macro duckdb__event_hash(source, event_id) %}hash({{ source }}, {{ event_id }}){% endmacro %}
{% macro spark__event_hash(source, event_id) %}xxhash64({{ source }}, {{ event_id }}){% endmacro %}

-- All texts of a group in the given order, a line each.
{% macro joined_text(text, ordering) %}{{ adapter.dispatch('joined_text', 'meterhouse')(text, ordering) }}{% endmacro %}
{% macro duckdb__joined_text(text, ordering) %}string_agg({{ text }}, chr(10) order by {{ ordering }}){% endmacro %}
{% macro spark__joined_text(text, ordering) %}
    array_join(transform(
        array_sort(collect_list(struct({{ ordering }}, {{ text }} as joined))), item -> item.joined
    ), chr(10))
{% endmacro %}

-- All texts of a window in its order, with a bar between them. The window spans the partition.
{% macro joined_over(text, window) %}{{ adapter.dispatch('joined_over', 'meterhouse')(text, window) }}{% endmacro %}
{% macro duckdb__joined_over(text, window) %}string_agg({{ text }}, '|') over ({{ window }}){% endmacro %}
{% macro spark__joined_over(text, window) %}array_join(collect_list({{ text }}) over ({{ window }}), '|'){% endmacro %}
