-- What landed, where ingestion keeps it: on DuckDB in tables of its own, on Spark in one folder
-- of Parquet files for each committed load.
{% macro create_raw_views() %}{{ adapter.dispatch('create_raw_views', 'meterhouse')() }}{% endmacro %}
{% macro duckdb__create_raw_views() %}{% endmacro %}
{% macro spark__create_raw_views() %}
    {% if execute and flags.WHICH in ('run', 'build', 'test', 'seed') %}
    {% do run_query('create schema if not exists raw') %}
    {% for source in graph.sources.values() if source.source_name == 'raw' %}
        {# The hash is no part of the files: each engine has a function of its own. #}
        {% set columns = '*, ' ~ event_hash('source', 'event_id') ~ ' as event_hash' if source.name == 'usage_events' else '*' %}
        {% do run_query('create or replace view raw.' ~ source.name ~ ' as select ' ~ columns ~ ' from parquet.`'
            ~ env_var('METERHOUSE_WAREHOUSE') ~ '/raw/load-*/' ~ source.name ~ '`') %}
    {% endfor %}
    {% endif %}
{% endmacro %}
