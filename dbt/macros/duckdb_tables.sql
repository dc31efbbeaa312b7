-- How dbt makes tables on DuckDB: in place, in the transaction that dbt opens.

-- dbt-duckdb makes a second table and renames twice, for databases whose readers would miss
-- the table meanwhile. One process has this file open, and a killed run leaves the transaction
-- undone either way; the renames cost more than the SQL of most models.
{% materialization table, adapter='duckdb' %}
    {% set before = load_cached_relation(this) %}
    {% set table = this.incorporate(type='table') %}
    {% call statement('main') %}
        {% if before is not none %}drop {{ before.type }} {{ before }};{% endif %}
        {{ create_table_as(false, table, compiled_code) }}
    {% endcall %}
    {% do check_rows() %}
    {% do adapter.commit() %}
    {{ return({'relations': [table]}) }}
{% endmaterialization %}

-- dbt-duckdb puts the path into the statement as it is, and there a quote would end it and a
-- bracket or an asterisk be a pattern that may fit the seeds of other installations too. A
-- backslash cannot be written in a pattern.
{% macro duckdb__load_csv_rows(model, agate_table) %}
    {% set path = adapter.get_seed_file_path(model) %}
    {% set path = path | replace('[', '[[]') | replace('*', '[*]') | replace('?', '[?]') %}
    {% set path = path | replace('\\', '?') %}
    {% set sql %}copy {{ this }} from {{ sql_text(path) }} (format csv, header true){% endset %}
    {% do adapter.add_query(sql, abridge_sql_log=True) %}
    {{ return(sql) }}
{% endmacro %}
