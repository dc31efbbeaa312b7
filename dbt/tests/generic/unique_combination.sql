-- The key of a model: no two rows agree in all of these columns. Nulls agree with each other,
-- since two rows with the same missing part are the same row twice.
{% test unique_combination(model, columns) %}

select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ columns | join(', ') }}
having count(*) > 1

{% endtest %}
