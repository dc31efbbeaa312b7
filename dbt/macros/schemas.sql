-- Schemas are named by stage alone, so that a BI tool finds `marts` and not `main_marts`.
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ custom_schema_name if custom_schema_name else target.schema }}
{%- endmacro %}
