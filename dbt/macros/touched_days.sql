-- A filter on the days to be metered anew, written out as dates so that both engines skip the
-- rest of the history without reading it. The state is the metered table itself: days with
-- newer loads, days whose voids differ, days cut differently now, days of changed meters.
{% macro in_touched_days() %}
    {# Named before any return, since dbt learns while parsing what a model depends on. #}
    {% set zones, local_days, cuts = ref('met_subject_zones'), ref('met_local_days'), ref('met_subject_cuts') %}
    {% set meters, voids = ref('stg_pricing__meters'), ref('stg_usage__voids') %}
    {% set usage_events = source('raw', 'usage_events') %}
    {% if not execute or not slices_exist() %}
        {{ return('true') }}
    {% endif %}
    {% set slices = 'metering.met_usage_slices' %}
    {% set days = run_query(
        "with slices as (select * from " ~ slices ~ "), "
        ~ "zones as (select * from " ~ zones ~ "), "
        ~ "local_days as (select * from " ~ local_days ~ "), "
        ~ "cuts as (select * from " ~ cuts ~ "), "
        ~ "types as (select distinct event_type, event_type_hash from " ~ meters ~ "), "
        ~ "spans as (select event_date, subject, event_type, event_type_hash, usage_date, slice_from_at,"
        ~ " min(first_event_at) as first_event_at, max(last_event_at) as last_event_at"
        ~ " from slices group by event_date, subject, event_type, event_type_hash, usage_date, slice_from_at) "
        ~ "select distinct cast(event_at as date) as event_date from " ~ usage_events
        ~ " where load_id > (select coalesce(max(metered_load_id), 0) from slices) "
        ~ "union select event_date from (select event_date, count(*) as voided_count, 0 as metered_count from "
        ~ voids ~ " group by event_date union all select event_date, 0, sum(record_count)"
        ~ " from slices where event_state = 'voided' group by event_date) as voids"
        ~ " group by event_date having sum(voided_count) <> sum(metered_count) "
        ~ "union select spans.event_date from spans inner join cuts on spans.subject = cuts.subject"
        ~ " and spans.event_date = cuts.event_date where "
        ~ "coalesce(" ~ last_cut('cuts.cut_ats', 'spans.first_event_at') ~ ", spans.first_event_at) <> "
        ~ "coalesce(" ~ last_cut('cuts.cut_ats', 'spans.last_event_at') ~ ", spans.first_event_at) "
        ~ "union select spans.event_date from spans left join zones on spans.subject = zones.subject"
        ~ " inner join local_days on coalesce(zones.timezone, 'UTC') = local_days.timezone"
        ~ " and spans.event_date = local_days.event_date where spans.usage_date <> case when"
        ~ " spans.first_event_at < local_days.next_midnight_at then local_days.local_date else local_days.next_local_date end"
        ~ " or spans.usage_date <> case when spans.last_event_at < local_days.next_midnight_at"
        ~ " then local_days.local_date else local_days.next_local_date end "
        ~ "union select spans.event_date from spans left join types on spans.event_type = types.event_type"
        ~ " where spans.event_type_hash <> coalesce(types.event_type_hash, '') order by 1"
    ).columns[0].values() %}
    {% if not days %}
        {{ return('false') }}
    {% endif %}
    {% set literals = [] %}
    {% for day in days %}{% do literals.append("date '" ~ day ~ "'") %}{% endfor %}
    {{ return(
        "event_at >= timestamp '" ~ days[0] ~ " 00:00:00' and event_at < timestamp '" ~ days[-1]
        ~ " 00:00:00' + interval '1' day and event_date in (" ~ literals | join(', ') ~ ")"
    ) }}
{% endmacro %}

-- False on a first build and under --full-refresh: then every day is metered.
{% macro slices_exist() %}
    {{ return(
        not flags.FULL_REFRESH
        and adapter.get_relation(target.database, 'metering', 'met_usage_slices') is not none
        and adapter.get_relation(target.database, 'metering', 'met_unique_values') is not none
    ) }}
{% endmacro %}
