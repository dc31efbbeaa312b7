-- Open ends of half-open spans, as instants.
{% macro beginning_of_time() %}timestamp '1900-01-01 00:00:00'{% endmacro %}
{% macro end_of_time() %}timestamp '9000-01-01 00:00:00'{% endmacro %}

{% macro local_to_utc(local_timestamp, timezone) %}{{ adapter.dispatch('local_to_utc', 'meterhouse')(local_timestamp, timezone) }}{% endmacro %}
{% macro duckdb__local_to_utc(local_timestamp, timezone) %}timezone('UTC', timezone({{ timezone }}, cast({{ local_timestamp }} as timestamp))){% endmacro %}
-- A local time that happens twice is the later one, as in DuckDB; Spark would take the earlier.
{% macro spark__local_to_utc(local_timestamp, timezone) %}
    transform(
        array(convert_timezone({{ timezone }}, 'UTC', cast({{ local_timestamp }} as timestamp_ntz))),
        earlier -> case
            when convert_timezone('UTC', {{ timezone }}, {{ one_day_later_offset('earlier', local_timestamp, timezone) }})
                = cast({{ local_timestamp }} as timestamp_ntz)
                then {{ one_day_later_offset('earlier', local_timestamp, timezone) }}
            else earlier
        end
    )[0]
{% endmacro %}
-- The local time as if the zone's offset of a day later were in force.
{% macro one_day_later_offset(instant, local_timestamp, timezone) %}cast({{ local_timestamp }} as timestamp_ntz) - (convert_timezone('UTC', {{ timezone }}, {{ instant }} + interval '1' day) - ({{ instant }} + interval '1' day)){% endmacro %}

{% macro utc_to_local(instant, timezone) %}{{ adapter.dispatch('utc_to_local', 'meterhouse')(instant, timezone) }}{% endmacro %}
{% macro duckdb__utc_to_local(instant, timezone) %}timezone({{ timezone }}, timezone('UTC', {{ instant }})){% endmacro %}
{% macro spark__utc_to_local(instant, timezone) %}convert_timezone('UTC', {{ timezone }}, {{ instant }}){% endmacro %}

-- The last day of a span, whose rates of tax and exchange are those of what is owed for it.
{% macro last_local_date(to_at, timezone) %}cast({{ utc_to_local(to_at ~ " - interval '1' second", timezone) }} as date){% endmacro %}

-- Whether a line is taxed at the rates of a span of inv_tax_rate_spans.
{% macro is_taxed_in(lines, spans) %}
    {{ lines }}.invoiced_customer_id = {{ spans }}.customer_id
    and {{ lines }}.tax_category = {{ spans }}.tax_category
    and {{ lines }}.line_to_at - interval '1' second >= {{ spans }}.from_at
    and {{ lines }}.line_to_at - interval '1' second < {{ spans }}.to_at
{% endmacro %}

-- A bare date is local midnight of the customer; with a time it is an instant, UTC without zone.
{% macro bound_to_instant(text, timezone) %}
    case
        when length({{ text }}) = 10 then {{ local_to_utc('try_cast(' ~ text ~ ' as timestamp)', timezone) }}
        else {{ text_to_instant(text) }}
    end
{% endmacro %}

{% macro text_to_instant(text) %}{{ adapter.dispatch('text_to_instant', 'meterhouse')(text) }}{% endmacro %}
{% macro duckdb__text_to_instant(text) %}timezone('UTC', try_cast({{ text }} as timestamptz)){% endmacro %}
-- Spark would also read a year alone, and take a time alone for one of today.
{% macro spark__text_to_instant(text) %}
    case
        when {{ text }} rlike '^[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}'
            then cast(try_cast({{ text }} as timestamp_ltz) as timestamp_ntz)
    end
{% endmacro %}

{% macro add_months(date, months) %}{{ adapter.dispatch('add_months', 'meterhouse')(date, months) }}{% endmacro %}
-- 31 January plus one month is 28 February; counted from the anchor, March is the 31st again.
{% macro duckdb__add_months(date, months) %}cast({{ date }} + to_months(cast({{ months }} as integer)) as date){% endmacro %}
{% macro spark__add_months(date, months) %}add_months({{ date }}, cast({{ months }} as integer)){% endmacro %}

{% macro days_between(from_date, to_date) %}{{ adapter.dispatch('days_between', 'meterhouse')(from_date, to_date) }}{% endmacro %}
{% macro duckdb__days_between(from_date, to_date) %}date_diff('day', {{ from_date }}, {{ to_date }}){% endmacro %}
{% macro spark__days_between(from_date, to_date) %}cast(datediff({{ to_date }}, {{ from_date }}) as bigint){% endmacro %}

-- The day on which a span begins counts, the day on which it ends does not.
{% macro local_days_between(from_at, to_at, timezone) -%}
    {{ days_between(
        'cast(' ~ utc_to_local(from_at, timezone) ~ ' as date)',
        'cast(' ~ utc_to_local(to_at, timezone) ~ ' as date)'
    ) }}
{%- endmacro %}

-- The month that is billed or, where a later one has been issued, that one: what is found out
-- about the months up to it belongs to it. The run says which, no clock does.
{% macro billed_month(last_issued_month) %}greatest('{{ env_var('DBT_BILLING_PERIOD', '2020-01') }}', coalesce({{ last_issued_month }}, '')){% endmacro %}

{% macro interval_months(billing_interval) %}case {{ billing_interval }} when 'quarter' then 3 when 'year' then 12 else 1 end{% endmacro %}

{% macro months_between(from_date, to_date) %}{{ adapter.dispatch('months_between', 'meterhouse')(from_date, to_date) }}{% endmacro %}
{% macro duckdb__months_between(from_date, to_date) %}date_diff('month', {{ from_date }}, {{ to_date }}){% endmacro %}
{% macro spark__months_between(from_date, to_date) %}cast(12 * (year({{ to_date }}) - year({{ from_date }})) + month({{ to_date }}) - month({{ from_date }}) as bigint){% endmacro %}

{% macro month_text(date) %}{{ adapter.dispatch('month_text', 'meterhouse')(date) }}{% endmacro %}
{% macro duckdb__month_text(date) %}strftime({{ date }}, '%Y-%m'){% endmacro %}
{% macro spark__month_text(date) %}date_format({{ date }}, 'yyyy-MM'){% endmacro %}

-- One row per whole number from zero up to the expression, itself included.
{% macro numbers_to(expression) %}{{ adapter.dispatch('numbers_to', 'meterhouse')(expression) }}{% endmacro %}
{% macro duckdb__numbers_to(expression) %}unnest(range(0, cast({{ expression }} as bigint) + 1)){% endmacro %}
{% macro spark__numbers_to(expression) %}explode(sequence(cast(0 as bigint), cast({{ expression }} as bigint))){% endmacro %}

-- Written out, because each engine knows names of its own beside those of IANA. Java does not
-- know ROC, an old name of Asia/Taipei.
{% macro known_timezones() %}
    select timezone
    from (values {% for name in modules.pytz.all_timezones if name != 'ROC' %}('{{ name }}'){{ ', ' if not loop.last }}{% endfor %}) as zones (timezone)
{% endmacro %}

{% macro sorted_list(expression) %}{{ adapter.dispatch('sorted_list', 'meterhouse')(expression) }}{% endmacro %}
{% macro duckdb__sorted_list(expression) %}list({{ expression }} order by {{ expression }}){% endmacro %}
{% macro spark__sorted_list(expression) %}array_sort(collect_list({{ expression }})){% endmacro %}

-- The last cut that is not after the instant; null before the first. Most days have no cuts, and
-- DuckDB prepares the list for the lambda all the same.
{% macro last_cut(cuts, instant) %}{{ adapter.dispatch('last_cut', 'meterhouse')(cuts, instant) }}{% endmacro %}
{% macro duckdb__last_cut(cuts, instant) %}case when {{ cuts }} is not null then list_max(list_filter({{ cuts }}, lambda cut : cut <= {{ instant }})) end{% endmacro %}
{% macro spark__last_cut(cuts, instant) %}array_max(filter({{ cuts }}, cut -> cut <= {{ instant }})){% endmacro %}

-- The zone of a subject from an instant on; spans are put in order by their instants.
{% macro zone_span(from_at, timezone) %}{{ adapter.dispatch('zone_span', 'meterhouse')(from_at, timezone) }}{% endmacro %}
{% macro duckdb__zone_span(from_at, timezone) %}struct_pack(from_at := {{ from_at }}, timezone := {{ timezone }}){% endmacro %}
{% macro spark__zone_span(from_at, timezone) %}named_struct('from_at', {{ from_at }}, 'timezone', {{ timezone }}){% endmacro %}

-- The zone of the last span that is not after the instant; null before the first. Most subjects have one zone.
{% macro last_zone(spans, instant) %}{{ adapter.dispatch('last_zone', 'meterhouse')(spans, instant) }}{% endmacro %}
{% macro duckdb__last_zone(spans, instant) %}case when {{ spans }} is not null then list_max(list_filter({{ spans }}, lambda span : span.from_at <= {{ instant }})).timezone end{% endmacro %}
{% macro spark__last_zone(spans, instant) %}array_max(filter({{ spans }}, span -> span.from_at <= {{ instant }})).timezone{% endmacro %}

-- The zone in which usage of an instant is counted, read from the relation zones.
{% macro zone_at(instant) %}coalesce({{ last_zone('zones.zone_spans', instant) }}, zones.timezone, 'UTC'){% endmacro %}

{% macro add_days(date, days) %}{{ adapter.dispatch('add_days', 'meterhouse')(date, days) }}{% endmacro %}
{% macro duckdb__add_days(date, days) %}cast({{ date }} + cast({{ days }} as integer) as date){% endmacro %}
{% macro spark__add_days(date, days) %}date_add({{ date }}, cast({{ days }} as integer)){% endmacro %}

-- 1 is Monday, 7 is Sunday.
{% macro iso_weekday(date) %}{{ adapter.dispatch('iso_weekday', 'meterhouse')(date) }}{% endmacro %}
{% macro duckdb__iso_weekday(date) %}cast(isodow({{ date }}) as integer){% endmacro %}
{% macro spark__iso_weekday(date) %}cast(weekday({{ date }}) + 1 as integer){% endmacro %}

{% macro microseconds_between(from_at, to_at) %}{{ adapter.dispatch('microseconds_between', 'meterhouse')(from_at, to_at) }}{% endmacro %}
{% macro duckdb__microseconds_between(from_at, to_at) %}date_diff('microsecond', {{ from_at }}, {{ to_at }}){% endmacro %}
{% macro spark__microseconds_between(from_at, to_at) %}timestampdiff(microsecond, {{ from_at }}, {{ to_at }}){% endmacro %}
