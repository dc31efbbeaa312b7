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
    {% do adapter.commit() %}
    {{ return({'relations': [table]}) }}
{% endmaterialization %}
