-- How dbt makes tables on Spark, where its own way does not survive a killed run or a price.

-- Every table has its folder, which the reader of documents and reports knows. A run killed
-- half-way leaves files there; as the folder is not Spark's own, the next run writes over them.
{% macro spark__location_clause() %}
    location '{{ env_var('METERHOUSE_WAREHOUSE') }}/tables/{{ model.schema }}/{{ model.alias }}'
{% endmacro %}
{% macro spark__file_format_clause() %}using parquet{% endmacro %}

-- dbt-spark would send prices as binary floating point and empty fields as 'None'. Written out
-- in one statement, a price table is there whole or not at all.
{% macro spark__create_csv_table(model, agate_table) %}
    {% set types = model.config.column_types %}
    {% set sql %}
        create table {{ this }} {{ file_format_clause() }} {{ location_clause() }} as
        select {% for name in agate_table.column_names %}cast({{ name }} as {{ types[name] }}) as {{ name }}{{ ', ' if not loop.last }}{% endfor %}
        from (values
            {% for row in agate_table.rows %}
            ({{ loop.index }}{% for value in row %}, {{ 'null' if value is none else sql_text(value | string) }}{% endfor %}),
            {% endfor %}
            (0{{ ', null' * (agate_table.column_names | length) }})
        ) as seed_rows (row_number, {{ agate_table.column_names | join(', ') }})
        where row_number > 0
    {% endset %}
    {% do run_query(sql) %}
    {{ return(sql) }}
{% endmacro %}
{% macro spark__load_csv_rows(model, agate_table) %}{{ return('') }}{% endmacro %}

-- Stops a run whose session would make null of an amount that does not fit, or round it.
{% macro check_exactness() %}{{ adapter.dispatch('check_exactness', 'meterhouse')() }}{% endmacro %}
{% macro duckdb__check_exactness() %}{% endmacro %}
{% macro spark__check_exactness() %}
    {% if execute and flags.WHICH in ('run', 'build', 'test', 'seed') %}
    {% for name, value in {
        'spark.sql.ansi.enabled': 'true',
        'spark.sql.decimalOperations.allowPrecisionLoss': 'false',
        'spark.sql.variable.substitute': 'false',
        'spark.sql.timestampType': 'TIMESTAMP_NTZ',
        'spark.sql.session.timeZone': 'UTC',
    }.items() %}
        {% set found = run_query('set ' ~ name).rows[0][1] | string | lower %}
        {% if found != value | lower %}
            {{ exceptions.raise_compiler_error(name ~ ' is ' ~ found ~ ' and has to be ' ~ value
                ~ ' for exact amounts and names; run dbt as meterhouse-dbt, with the profile of the project.') }}
        {% endif %}
    {% endfor %}
    {% endif %}
{% endmacro %}
