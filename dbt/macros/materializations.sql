-- What is not stored where computing it costs less, by how an engine keeps its tables.

-- Of the events, and read by models alone. The embedded catalogue of Spark holds no view of more
-- than 32,700 characters, which is some twenty meters.
{% macro unstored_events() %}{{ return(adapter.dispatch('unstored_events', 'meterhouse')()) }}{% endmacro %}
{% macro duckdb__unstored_events() %}{{ return('view') }}{% endmacro %}
{% macro spark__unstored_events() %}{{ return('ephemeral') }}{% endmacro %}

-- A mart of all of the history, which a table would write anew for each new day. Spark's marts are
-- read from their files, so it has to write them.
{% macro unstored_mart() %}{{ return(adapter.dispatch('unstored_mart', 'meterhouse')()) }}{% endmacro %}
{% macro duckdb__unstored_mart() %}{{ return('view') }}{% endmacro %}
{% macro spark__unstored_mart() %}{{ return('table') }}{% endmacro %}
