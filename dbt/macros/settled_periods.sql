-- What tells whether a closed period has to be rated again.

-- A row as a number of 64 bits. Rows add up in any order, so the sum tells two sets of rows apart.
{% macro row_hash(row) %}{{ adapter.dispatch('row_hash', 'meterhouse')(row) }}{% endmacro %}
{% macro duckdb__row_hash(row) %}cast(hash({{ row }}) as decimal(38, 0)){% endmacro %}
-- Spark skips nulls when it hashes several columns, so the columns are named.
{% macro spark__row_hash(row) %}cast(xxhash64(to_json(struct({{ row }}.*))) as decimal(38, 0)){% endmacro %}

-- The models that this run is made with, so that a change of rules is a change of bills.
{% macro models_checksum() %}
    {% set checksums = [] %}
    {% for node in (graph.nodes.values() if execute else []) | selectattr('resource_type', 'equalto', 'model') | sort(attribute='unique_id') %}
        {% do checksums.append(node.checksum.checksum) %}
    {% endfor %}
    {{ return(local_md5(checksums | join)) }}
{% endmacro %}

-- Whether this run makes all models from rating on, as SQL.
{% macro is_whole_run() %}
    {% for node in (graph.nodes.values() if execute else []) | selectattr('resource_type', 'equalto', 'model') %}
        {% if node.schema in ('rating', 'invoicing') and node.unique_id not in selected_resources %}
            {{ return('false') }}
        {% endif %}
    {% endfor %}
    {{ return('true') }}
{% endmacro %}

-- A full refresh rates every period. Gone before anything else is built, so that a refresh which
-- is killed leaves nothing behind that speaks of the tables before it.
{% macro forget_settled_periods() %}
    {% if execute and flags.FULL_REFRESH and flags.WHICH in ('run', 'build') %}
    {% set known = adapter.get_relation(target.database, 'invoicing', 'inv_settled_periods') %}
    {% if known is not none %}{% do adapter.drop_relation(known) %}{% endif %}
    {% endif %}
{% endmacro %}
