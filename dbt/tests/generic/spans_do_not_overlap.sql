-- Half-open spans of one key: none is empty and none begins before the one before it ends.
-- Rows that share a bound are fine, that is how a change looks.
{% test spans_do_not_overlap(model, columns, from_column, to_column) %}

with

spans as (

    select
        {{ columns | join(', ') }},
        {{ from_column }} as span_from,
        {{ to_column }} as span_to,
        lead({{ from_column }}) over (
            partition by {{ columns | join(', ') }} order by {{ from_column }}, {{ to_column }}
        ) as next_span_from

    from {{ model }}

)

select *
from spans
where
    span_from >= span_to
    or next_span_from < span_to

{% endtest %}
