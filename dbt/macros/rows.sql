-- What a table promises of its rows, asked in the transaction that makes it: rows that break the
-- promise never become a table that another model reads. As a test of its own each would cost dbt as
-- much as a model does. Where dbt is told to run no tests, nothing is asked.
{% macro check_rows() %}
    {%- set rules = (model.config.meta or {}).get('rows') -%}
    {%- if execute and rules and flags.WHICH == 'build' and 'test' not in (invocation_args_dict.get('exclude_resource_types') or []) -%}
        {%- set found = run_query(unsound_rows(this, rules)) -%}
        {%- set described = [] -%}
        {%- for row in found.rows -%}{%- do described.append(row[0] ~ ' (' ~ row[1] ~ ')') -%}{%- endfor -%}
        {%- if described -%}
            {%- if model.resource_type == 'seed' -%}{%- do keep_made() -%}{%- endif -%}
            {{ exceptions.raise_compiler_error('The rows of ' ~ this.identifier ~ ' are not sound: '
                ~ described | join('; ')) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

-- The table that a price table replaces is gone by the time its rows are asked; without the new one
-- there would be none.
{% macro keep_made() %}{{ adapter.dispatch('keep_made', 'meterhouse')() }}{% endmacro %}
{% macro duckdb__keep_made() %}{% do adapter.commit() %}{% endmacro %}
-- Spark has no transactions.
{% macro spark__keep_made() %}{% endmacro %}

-- Query of up to five rows that break a promise: which one, and the key.
-- key: no two rows agree in all of these columns; nulls agree, since two rows with the same missing
-- part are the same row twice. filled: never null. values: by column, what it may hold beside null.
-- spans: half-open spans `from` to `to` of one thing, none empty and none beginning before the one
-- before it ends. where: the rows that are asked.
{% macro unsound_rows(table, rules) %}
    {%- set key = rules.get('key', []) -%}
    {%- set filled = rules.get('filled', []) -%}
    {%- set spans = rules.get('spans') -%}
    {%- set parts = [] -%}
    {%- set where = rules.get('where', '1 = 1') -%}
    {%- if key -%}
        {%- do parts.append("select 'several rows' as defect, " ~ row_text(key) ~ " as row_key from " ~ table
            ~ " where " ~ where ~ " group by " ~ key | join(', ') ~ " having count(*) > 1") -%}
    {%- endif -%}
    {%- set defects = [] -%}
    {%- for column in filled -%}
        {%- do defects.append("when " ~ column ~ " is null then 'missing " ~ column ~ "'") -%}
    {%- endfor -%}
    {%- for column, allowed in rules.get('values', {}).items() -%}
        {%- set literals = [] -%}
        {%- for value in allowed -%}{%- do literals.append(sql_text(value)) -%}{%- endfor -%}
        {%- do defects.append("when cast(" ~ column ~ " as string) not in (" ~ literals | join(', ')
            ~ ") then 'unknown " ~ column ~ "'") -%}
    {%- endfor -%}
    {%- if defects -%}
        {%- do parts.append("select defect, row_key from (select case " ~ defects | join(' ') ~ " end as defect, "
            ~ row_text(key or filled) ~ " as row_key from " ~ table ~ " where " ~ where ~ ") as asked where defect is not null") -%}
    {%- endif -%}
    {%- if spans -%}
        {%- do parts.append("select 'overlapping or empty spans' as defect, row_key from (select " ~ row_text(spans['of'])
            ~ " as row_key, " ~ spans['from'] ~ " as span_from, " ~ spans['to'] ~ " as span_to, lead(" ~ spans['from']
            ~ ") over (partition by " ~ spans['of'] | join(', ') ~ " order by " ~ spans['from'] ~ ", " ~ spans['to']
            ~ ") as next_span_from from " ~ table ~ " where " ~ where
            ~ ") as spans where span_from >= span_to or next_span_from < span_to") -%}
    {%- endif -%}
    select defect, row_key from ({{ parts | join(' union all ') }}) as unsound limit 5
{% endmacro %}

{% macro row_text(columns) %}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- do texts.append(sql_text(column ~ '=') ~ " || coalesce(cast(" ~ column ~ " as string), 'null')") -%}
    {%- endfor -%}
    {{ return(texts | join(" || ', ' || ")) }}
{% endmacro %}
