-- Which run of dbt was the last to write the warehouse. A bill that finds all as its last build
-- has left it builds nothing; a run that somebody has typed, or that was killed, is told by this.
{% macro note_run() %}
    {% if execute and flags.WHICH in ('run', 'build', 'seed') %}
    {{ return(adapter.dispatch('note_run', 'meterhouse')()) }}
    {% endif %}
{% endmacro %}
{% macro duckdb__note_run() %}create or replace table {{ target.schema }}.last_run as select '{{ invocation_id }}' as invocation_id{% endmacro %}
{% macro spark__note_run() %}
    {% do run_query('drop table if exists ' ~ target.schema ~ '.last_run') %}
    create table {{ target.schema }}.last_run {{ file_format_clause() }}
    location '{{ env_var('METERHOUSE_WAREHOUSE') }}/tables/{{ target.schema }}/last_run'
    as select '{{ invocation_id }}' as invocation_id
{% endmacro %}
