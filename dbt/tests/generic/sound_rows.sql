-- The rows of a model: no two agree in all columns of the key, and none lacks what is always
-- filled. Nulls agree with each other in a key, since two rows with the same missing part are the
-- same row twice. One test for both and for all columns, since a test costs as much as a model.
{% test sound_rows(model, key=[], filled=[]) %}

{% if key %}
select
    {{ key | join(', ') }},
    'several rows' as defect,
    count(*) as row_count
from {{ model }}
group by {{ key | join(', ') }}
having count(*) > 1
{% endif %}
{{ 'union all' if key and filled }}
{% if filled %}
select
    {{ (key or filled) | join(', ') }},
    'missing value' as defect,
    1 as row_count
from {{ model }}
where {% for column in filled %}{{ ' or ' if not loop.first }}{{ column }} is null{% endfor %}
{% endif %}

{% endtest %}
