-- What a slice is metered by; its day is metered anew when this is another. A band of the local
-- time depends on the zone too, which is the same in all of a slice; and which of several events
-- has their id may change for a day.
{% macro metered_by(instant) -%}
    concat_ws(
        '',
        coalesce(event_types.event_type_hash, ''),
        case
            when event_types.has_time_bands then concat_ws('', '|', {{ zone_at(instant) }})
            else ''
        end,
        case when day_repeats.repeats_hash is null then '' else '|' || day_repeats.repeats_hash end
    )
{%- endmacro %}

-- Query of the days with events that say something new under the id of an earlier one; the hash
-- changes when another one has the id.
{% macro repeats_by_day(repeats) %}
    select
        event_date,
        md5({{ joined_text('repeat_text', 'repeat_text') }}) as repeats_hash

    from (
        select
            event_date,
            concat_ws(
                '|', cast(file_id as string), cast(position as string),
                case when repeat_state = 'conflicting_duplicate' then 'left out' end
            ) as repeat_text
        from {{ repeats }}
        where has_new_content and not is_first
    ) as described
    group by event_date
{% endmacro %}

-- The local day of an instant, by the two that its UTC day has.
{% macro local_day_of(instant) -%}
    case
        when {{ instant }} < local_days.next_midnight_at then local_days.local_date
        else local_days.next_local_date
    end
{%- endmacro %}

-- A filter on the days to be metered anew, written out as dates so that both engines skip the
-- rest of the history without reading it.
{% macro in_touched_days() %}
    {% set touched_days = ref('met_touched_days') %}
    {% if not execute or not is_built(['met_usage_slices', 'met_unique_values', 'met_event_values']) %}
        {{ return('true') }}
    {% endif %}
    {% set days = run_query('select event_date from ' ~ touched_days ~ ' order by 1').columns[0].values() %}
    {% if not days %}
        {{ return('false') }}
    {% endif %}
    {{ return(
        "event_at >= timestamp '" ~ days[0] ~ " 00:00:00' and event_at < timestamp '" ~ days[-1]
        ~ " 00:00:00' + interval '1' day and " ~ in_dates('event_date', days)
    ) }}
{% endmacro %}

-- A filter on the days to be assigned anew: metered since, or used by a subject of other terms.
{% macro in_unassigned_days() %}
    {% set slices, zones = ref('met_usage_slices'), ref('met_subject_zones') %}
    {% set assigned = source('metered_before', 'met_usage_assigned') %}
    {% if not execute or not is_built(['met_usage_assigned']) %}
        {{ return('true') }}
    {% endif %}
    {% set days = run_query(
        "select event_date from ("
        ~ "select event_date, metering_number, 1 as side from " ~ slices ~ " group by event_date, metering_number"
        ~ " union all select event_date, metering_number, -1 from " ~ assigned ~ " group by event_date, metering_number"
        ~ ") as sides group by event_date, metering_number having sum(side) <> 0 "
        ~ "union select distinct assigned.event_date from " ~ assigned ~ " as assigned"
        ~ " left join " ~ zones ~ " as zones on assigned.subject = zones.subject"
        ~ " where assigned.subject_hash <> coalesce(zones.subject_hash, '') order by 1"
    ).columns[0].values() %}
    {{ return(in_dates('event_date', days) if days else 'false') }}
{% endmacro %}

-- A filter on the days whose unrated usage is not what its events were last read for.
{% macro in_changed_unrated_days() %}
    {% set unrated_days, events = ref('met_unrated_days'), source('metered_before', 'met_unrated_events') %}
    {% if not execute or not is_built(['met_unrated_events']) %}
        {{ return('true') }}
    {% endif %}
    {% set days = run_query(
        "select days.event_date from " ~ unrated_days ~ " as days left join"
        ~ " (select distinct event_date, unrated_hash from " ~ events ~ ") as events"
        ~ " on days.event_date = events.event_date and days.unrated_hash = events.unrated_hash"
        ~ " where events.event_date is null order by 1"
    ).columns[0].values() %}
    {{ return(in_dates('event_date', days) if days else 'false') }}
{% endmacro %}

-- A filter on the local days to be counted anew.
{% macro in_changed_usage_dates() %}
    {% set days, daily = ref('met_usage_days'), source('metered_before', 'met_usage_daily') %}
    {% if not execute or not is_built(['met_usage_daily']) %}
        {{ return('true') }}
    {% endif %}
    {% set dates = run_query(
        "select days.usage_date from " ~ days ~ " as days left join"
        ~ " (select distinct usage_date, assignment_number, slice_count from " ~ daily ~ ") as daily"
        ~ " on days.usage_date = daily.usage_date and days.assignment_number = daily.assignment_number"
        ~ " and days.slice_count = daily.slice_count where daily.usage_date is null order by 1"
    ).columns[0].values() %}
    {{ return(in_dates('usage_date', dates) if dates else 'false') }}
{% endmacro %}

-- Days as a filter; no days are a filter that nothing passes, so ask before.
{% macro in_dates(column, days) %}
    {% set literals = [] %}
    {% for day in days %}{% do literals.append("date '" ~ day ~ "'") %}{% endfor %}
    {{ return(column ~ ' in (' ~ literals | join(', ') ~ ')') }}
{% endmacro %}

-- One more than the largest number in the incremental model that asks, 1 for the first build.
{% macro next_number(column) %}
    {% if not execute or not is_built([this.identifier]) %}
        {{ return(1) }}
    {% endif %}
    {{ return(run_query('select coalesce(max(' ~ column ~ '), 0) + 1 from ' ~ this).columns[0].values()[0]) }}
{% endmacro %}

-- A filter on the months of usage to be added up anew, written out as dates.
{% macro in_changed_months() %}
    {% set assigned, cuts = ref('met_usage_assigned'), ref('met_term_cuts') %}
    {% set segments = source('metered_before', 'met_usage_segments') %}
    {% if not execute or not is_built(['met_usage_segments']) %}
        {{ return('true') }}
    {% endif %}
    {% set month = "cast(date_trunc('month', event_date) as date)" %}
    {% set first_cut = last_cut('cuts.cut_ats', 'segments.first_event_at') %}
    {% set final_cut = last_cut('cuts.cut_ats', 'segments.last_event_at') %}
    {% set months = run_query(
        "with changed as ("
        ~ "select days.event_month from (select " ~ month ~ " as event_month,"
        ~ " max(assignment_number) as assignment_number from " ~ assigned ~ " group by " ~ month ~ ") as days"
        ~ " left join (select distinct event_month, assignment_number from " ~ segments ~ ") as months"
        ~ " on days.event_month = months.event_month and days.assignment_number = months.assignment_number"
        ~ " where months.event_month is null "
        ~ "union select distinct segments.event_month from " ~ segments ~ " as segments"
        ~ " left join (select subscription_id, term_from_at, " ~ sorted_list('cut_at') ~ " as cut_ats from "
        ~ cuts ~ " group by subscription_id, term_from_at) as cuts"
        ~ " on segments.subscription_id = cuts.subscription_id and segments.term_from_at = cuts.term_from_at"
        ~ " where coalesce(segments.segment_from_at, " ~ beginning_of_time() ~ ") <> coalesce(" ~ first_cut ~ ", " ~ beginning_of_time() ~ ")"
        ~ " or coalesce(segments.segment_from_at, " ~ beginning_of_time() ~ ") <> coalesce(" ~ final_cut ~ ", " ~ beginning_of_time() ~ ")"
        ~ ") select event_month, " ~ add_months('event_month', 1) ~ " from changed order by 1"
    ).rows %}
    {% set spans = [] %}
    {% for month in months %}
        {% do spans.append("(event_date >= date '" ~ month[0] ~ "' and event_date < date '" ~ month[1] ~ "')") %}
    {% endfor %}
    {{ return('(' ~ spans | join(' or ') ~ ')' if spans else 'false') }}
{% endmacro %}

-- False on a first build and under --full-refresh: then every day is metered, every period rated.
{% macro is_built(tables, schema='metering') %}
    {% if flags.FULL_REFRESH %}
        {{ return(false) }}
    {% endif %}
    {% for table in tables if adapter.get_relation(target.database, schema, table) is none %}
        {{ return(false) }}
    {% endfor %}
    {{ return(true) }}
{% endmacro %}

-- How an incremental model replaces the days it metered anew.
{% macro replacing_days() %}{{ return(adapter.dispatch('replacing_days', 'meterhouse')()) }}{% endmacro %}
{% macro duckdb__replacing_days() %}{{ return('delete+insert') }}{% endmacro %}
-- A folder for each day; those of the days at hand are replaced, without a merge.
{% macro spark__replacing_days() %}{{ return('insert_overwrite') }}{% endmacro %}

-- Query of the days with events that are not metered yet.
{% macro days_with_news(usage_events, slices) %}{{ return(adapter.dispatch('days_with_news', 'meterhouse')(usage_events, slices)) }}{% endmacro %}
{% macro duckdb__days_with_news(usage_events, slices) %}
    {{ return("select distinct cast(event_at as date) as event_date from " ~ usage_events
        ~ " where load_id > (select coalesce(max(metered_load_id), 0) from " ~ slices ~ ")") }}
{% endmacro %}
-- Spark puts the days in place one after the other. Asked day by day, a run that was killed
-- in the middle of it has metered only the days that are there.
{% macro spark__days_with_news(usage_events, slices) %}
    {{ return("select news.event_date from (select cast(event_at as date) as event_date,"
        ~ " max(load_id) as load_id from " ~ usage_events ~ " group by cast(event_at as date)) as news"
        ~ " left join (select event_date, max(metered_load_id) as metered_load_id from " ~ slices
        ~ " group by event_date) as metered on news.event_date = metered.event_date"
        ~ " where news.load_id > coalesce(metered.metered_load_id, 0)") }}
{% endmacro %}
