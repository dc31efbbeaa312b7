-- Open ends of half-open spans, as instants.
{% macro beginning_of_time() %}timestamp '1900-01-01 00:00:00'{% endmacro %}
{% macro end_of_time() %}timestamp '9000-01-01 00:00:00'{% endmacro %}

{% macro local_to_utc(local_timestamp, timezone) %}{{ adapter.dispatch('local_to_utc', 'meterhouse')(local_timestamp, timezone) }}{% endmacro %}
{% macro duckdb__local_to_utc(local_timestamp, timezone) %}timezone('UTC', timezone({{ timezone }}, cast({{ local_timestamp }} as timestamp))){% endmacro %}

{% macro utc_to_local(instant, timezone) %}{{ adapter.dispatch('utc_to_local', 'meterhouse')(instant, timezone) }}{% endmacro %}
{% macro duckdb__utc_to_local(instant, timezone) %}timezone({{ timezone }}, timezone('UTC', {{ instant }})){% endmacro %}

-- A bare date is local midnight of the customer; with a time it is an instant, UTC without zone.
{% macro bound_to_instant(text, timezone) %}
    case
        when length({{ text }}) = 10 then {{ local_to_utc('try_cast(' ~ text ~ ' as timestamp)', timezone) }}
        else {{ text_to_instant(text) }}
    end
{% endmacro %}

{% macro text_to_instant(text) %}{{ adapter.dispatch('text_to_instant', 'meterhouse')(text) }}{% endmacro %}
{% macro duckdb__text_to_instant(text) %}timezone('UTC', try_cast({{ text }} as timestamptz)){% endmacro %}

{% macro add_months(date, months) %}{{ adapter.dispatch('add_months', 'meterhouse')(date, months) }}{% endmacro %}
-- 31 January plus one month is 28 February; counted from the anchor, March is the 31st again.
{% macro duckdb__add_months(date, months) %}cast({{ date }} + to_months(cast({{ months }} as integer)) as date){% endmacro %}

{% macro days_between(from_date, to_date) %}{{ adapter.dispatch('days_between', 'meterhouse')(from_date, to_date) }}{% endmacro %}
{% macro duckdb__days_between(from_date, to_date) %}date_diff('day', {{ from_date }}, {{ to_date }}){% endmacro %}

{% macro months_between(from_date, to_date) %}{{ adapter.dispatch('months_between', 'meterhouse')(from_date, to_date) }}{% endmacro %}
{% macro duckdb__months_between(from_date, to_date) %}date_diff('month', {{ from_date }}, {{ to_date }}){% endmacro %}

{% macro month_text(date) %}{{ adapter.dispatch('month_text', 'meterhouse')(date) }}{% endmacro %}
{% macro duckdb__month_text(date) %}strftime({{ date }}, '%Y-%m'){% endmacro %}

-- One row per whole number from zero up to the expression, itself included.
{% macro numbers_to(expression) %}{{ adapter.dispatch('numbers_to', 'meterhouse')(expression) }}{% endmacro %}
{% macro duckdb__numbers_to(expression) %}unnest(range(0, cast({{ expression }} as bigint) + 1)){% endmacro %}

{% macro known_timezones() %}{{ adapter.dispatch('known_timezones', 'meterhouse')() }}{% endmacro %}
{% macro duckdb__known_timezones() %}select distinct name as timezone from pg_timezone_names(){% endmacro %}

{% macro sorted_list(expression) %}{{ adapter.dispatch('sorted_list', 'meterhouse')(expression) }}{% endmacro %}
{% macro duckdb__sorted_list(expression) %}list({{ expression }} order by {{ expression }}){% endmacro %}

-- The last cut that is not after the instant; null before the first.
{% macro last_cut(cuts, instant) %}{{ adapter.dispatch('last_cut', 'meterhouse')(cuts, instant) }}{% endmacro %}
{% macro duckdb__last_cut(cuts, instant) %}list_max(list_filter({{ cuts }}, lambda cut : cut <= {{ instant }})){% endmacro %}

{% macro add_days(date, days) %}{{ adapter.dispatch('add_days', 'meterhouse')(date, days) }}{% endmacro %}
{% macro duckdb__add_days(date, days) %}cast({{ date }} + cast({{ days }} as integer) as date){% endmacro %}

-- 1 is Monday, 7 is Sunday.
{% macro iso_weekday(date) %}{{ adapter.dispatch('iso_weekday', 'meterhouse')(date) }}{% endmacro %}
{% macro duckdb__iso_weekday(date) %}cast(isodow({{ date }}) as integer){% endmacro %}

{% macro microseconds_between(from_at, to_at) %}{{ adapter.dispatch('microseconds_between', 'meterhouse')(from_at, to_at) }}{% endmacro %}
{% macro duckdb__microseconds_between(from_at, to_at) %}date_diff('microsecond', {{ from_at }}, {{ to_at }}){% endmacro %}
