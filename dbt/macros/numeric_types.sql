{% macro quantity_type() %}decimal(38, 12){% endmacro %}
{% macro price_type() %}decimal(26, 12){% endmacro %}
{% macro amount_type() %}decimal(38, 24){% endmacro %}
{% macro money_type() %}decimal(28, 6){% endmacro %}

{% macro as_quantity(expression) %}cast({{ expression }} as {{ quantity_type() }}){% endmacro %}
{% macro as_price(expression) %}cast({{ expression }} as {{ price_type() }}){% endmacro %}
{% macro as_amount(expression) %}cast({{ expression }} as {{ amount_type() }}){% endmacro %}
{% macro as_money(expression) %}cast({{ expression }} as {{ money_type() }}){% endmacro %}

-- Null where it does not fit, 10^14 or more.
{% macro try_amount(expression) %}try_cast({{ expression }} as {{ amount_type() }}){% endmacro %}

-- A sum that is null where it does not fit, or where a part is missing: one absurd reading stops the
-- bill of one customer and of nobody else. Numbers of up to 17 digits before the point are added as
-- they are, a thousand million of them fit; of the few larger ones the rest is, and the whole part
-- apart. The two are put together only where both are there, since a remainder of 38 digits takes
-- a thousand times longer than a sum. Where no part can be missing, that is not asked: it costs as
-- much as the sum.
{% macro exact_sum(number, is_filled=false) %}
    {%- set one = as_quantity('1') -%}
    {%- set most = as_quantity("'100000000000000000'") -%}
    {%- set is_small = '(' ~ number ~ ') between -' ~ most ~ ' and ' ~ most -%}
    {%- set rest = as_quantity('sum(case when ' ~ is_small ~ ' then ' ~ number ~ ' else (' ~ number ~ ') % ' ~ one ~ ' end)') -%}
    {%- set whole = 'sum(case when not (' ~ is_small ~ ') then ' ~ whole_part('(' ~ number ~ ')') ~ ' end)' -%}
    {%- set together = as_quantity('try_cast(' ~ whole ~ ' + ' ~ whole_part(rest) ~ ' as ' ~ quantity_type() ~ ') + ' ~ rest ~ ' % ' ~ one) -%}
    {%- set total = 'case when ' ~ whole ~ ' is null then ' ~ rest ~ ' else ' ~ together ~ ' end' -%}
    {{ total if is_filled else 'case when count(' ~ number ~ ') = count(*) then ' ~ total ~ ' end' }}
{% endmacro %}

-- The same over the rows of a window, where what does not fit is the most that does: DuckDB adds up
-- rows of several partitions on the way, so that one customer's sum would stop another's.
{% macro exact_sum_over(number, window) %}
    {%- set whole = 'coalesce(sum(' ~ whole_part(number) ~ ') over (' ~ window ~ '), 0)' -%}
    {%- set rest = 'coalesce(sum(' ~ number ~ ' % ' ~ as_quantity('1') ~ ') over (' ~ window ~ '), 0)' -%}
    coalesce(try_cast({{ whole }} + {{ whole_part(as_quantity(rest)) }} as {{ quantity_type() }}),
        {{ as_quantity("'99999999999999999999999999'") }}) + {{ as_quantity(rest) }} % {{ as_quantity('1') }}
{% endmacro %}

-- What a quantity has before the point, towards zero, and an amount before and behind it. The
-- remainder is of two numbers of one type, since DuckDB takes any other in floating point.
{% macro whole_part(quantity) %}cast({{ quantity }} - {{ quantity }} % {{ as_quantity('1') }} as decimal(38, 0)){% endmacro %}
{% macro whole_amount(amount) %}cast({{ amount }} - {{ rest_of_amount(amount) }} as decimal(38, 0)){% endmacro %}
{% macro rest_of_amount(amount) %}{{ amount }} % {{ as_amount('1') }}{% endmacro %}

-- Exact product as a quantity; null where it does not fit.
{% macro try_quantity(factor, other_factor) %}{{ adapter.dispatch('try_quantity', 'meterhouse')(factor, other_factor) }}{% endmacro %}
{% macro duckdb__try_quantity(factor, other_factor) %}try({{ as_quantity(factor ~ ' * ' ~ other_factor) }}){% endmacro %}
{% macro spark__try_quantity(factor, other_factor) %}try_cast(try_multiply({{ factor }}, {{ other_factor }}) as {{ quantity_type() }}){% endmacro %}

{% macro try_quantity_sum(part, other_part) %}{{ adapter.dispatch('try_quantity_sum', 'meterhouse')(part, other_part) }}{% endmacro %}
{% macro duckdb__try_quantity_sum(part, other_part) %}try({{ as_quantity(part ~ ' + ' ~ other_part) }}){% endmacro %}
{% macro spark__try_quantity_sum(part, other_part) %}try_cast(try_add({{ part }}, {{ other_part }}) as {{ quantity_type() }}){% endmacro %}

{% macro parse_quantity(text) %}{{ adapter.dispatch('parse_quantity', 'meterhouse')(text) }}{% endmacro %}

-- Whole numbers take the bigint parser: DuckDB's text to decimal(38) cast is forty times slower.
-- Plain decimals of up to 17 digits take the 64-bit decimal parser for the same reason.
-- What has more than 12 places, or more than 26 digits before the point, is null: never rounded.
{% macro duckdb__parse_quantity(text) %}
    case
        when regexp_full_match({{ text }}, '[+-]?[0-9]{1,18}')
            then {{ as_quantity('try_cast(' ~ text ~ ' as bigint)') }}
        when regexp_full_match({{ text }}, '[+-]?[0-9]{1,11}\.[0-9]{1,6}')
            then {{ as_quantity('try_cast(' ~ text ~ ' as decimal(18, 6))') }}
        when regexp_full_match({{ text }}, '[+-]?[0-9]{1,26}(\.[0-9]{1,12}0*)?')
            then try_cast({{ text }} as {{ quantity_type() }})
        when {{ is_number(text) }} then {{ scientific_quantity(trimmed(text)) }}
    end
{% endmacro %}

-- Compared with the whole text, since `$` in Java also matches before a line break.
{% macro spark__parse_quantity(text) %}
    case
        when regexp_extract({{ text }}, '^[+-]?[0-9]{1,26}([.][0-9]{1,12}0*)?', 0) = {{ text }}
            then try_cast({{ text }} as {{ quantity_type() }})
        when {{ is_number(text) }} then {{ scientific_quantity(trimmed(text)) }}
    end
{% endmacro %}

-- 4.0E-7, 1e3, .5, 0012.5000000000000: shifted by text, so that nothing is rounded on the way.
{% macro scientific_quantity(text) %}
    case
        when length({{ scientific_whole(text) }}) <= 26 and length({{ scientific_fraction(text) }}) <= 12
            then try_cast(
                case when substr({{ text }}, 1, 1) = '-' then '-' else '' end
                || case when {{ scientific_whole(text) }} = '' then '0' else {{ scientific_whole(text) }} end
                || '.' || {{ scientific_fraction(text) }} || '0'
                as {{ quantity_type() }}
            )
    end
{% endmacro %}

-- One of ten digits and more is beyond everything, as 399 is.
{% macro scientific_exponent(text) %}
    coalesce(
        try_cast(nullif(regexp_extract({{ text }}, '[eE]([+-]?[0-9]{1,9})$', 1), '') as integer),
        case
            when regexp_extract({{ text }}, '[eE](-)', 1) <> '' then -399
            when regexp_extract({{ text }}, '([eE])', 1) <> '' then 399
        end,
        0
    )
{% endmacro %}
{% macro scientific_digits(text) %}(repeat('0', 400) || regexp_extract({{ text }}, '^[+-]?([0-9]*)', 1) || regexp_extract({{ text }}, '^[+-]?[0-9]*[.]([0-9]+)', 1) || repeat('0', 400)){% endmacro %}
{% macro scientific_point(text) %}(400 + length(regexp_extract({{ text }}, '^[+-]?([0-9]*)', 1)) + greatest(least({{ scientific_exponent(text) }}, 399), -399)){% endmacro %}
{% macro scientific_whole(text) %}trim(leading '0' from substr({{ scientific_digits(text) }}, 1, {{ scientific_point(text) }})){% endmacro %}
{% macro scientific_fraction(text) %}trim(trailing '0' from substr({{ scientific_digits(text) }}, {{ scientific_point(text) }} + 1)){% endmacro %}

-- A text that reads as a number, whether or not it can be held exactly.
{% macro is_number(text) %}{{ adapter.dispatch('is_number', 'meterhouse')(text) }}{% endmacro %}
{% macro number_pattern() %}{{ return('[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?') }}{% endmacro %}
{% macro duckdb__is_number(text) %}regexp_full_match({{ trimmed(text) }}, '{{ number_pattern() }}'){% endmacro %}
{% macro spark__is_number(text) %}({{ trimmed(text) }} <> '' and regexp_extract({{ trimmed(text) }}, '^{{ number_pattern() }}', 0) = {{ trimmed(text) }}){% endmacro %}

-- Without the space around it, which is no part of a number: the same characters that ingestion
-- takes from the fields of a CSV file (SPACE in times.py).
{% macro trimmed(text) %}trim(both {{ sql_text(' \t\n\r\x0b\x0c\x85\u00a0\u2007\u202f\u3000\ufeff') }} from {{ text }}){% endmacro %}
