-- Rows in which any of the columns is null. One test for all columns of a model, because a
-- query for each of them would cost more than building the models.
{% test always_filled(model, columns) %}

select *
from {{ model }}
where {% for column in columns %}{{ ' or ' if not loop.first }}{{ column }} is null{% endfor %}

{% endtest %}
