"""Events that landed before: the same source and id as an event of any load up to this one."""

from __future__ import annotations

import duckdb

from dagster_project.lib.ingest.raw_tables import (
    EVENT_COLUMNS,
    EVENT_CONTENT,
    REPEATED_EVENTS,
    property_columns,
    whole_data_sql,
)
from dagster_project.lib.ingest.records import NUMBER
from dagster_project.lib.sql_text import quoted

PART_COUNT = 8


def insert_repeats(
    connection: duckdb.DuckDBPyConnection, file_ids: range, earlier_events: str | None
) -> int:
    """Find events of the files of this load which repeat an earlier identity.

    Hashes only choose candidates, so history is read by one narrow column, and its rows by
    number, which skips what lies between them; identity and content are then compared
    exactly, content without regard to the order of keys. A repeat names the first event of the
    same content; one of new content also tells what the first of its id held, so that the
    models can judge who takes the id (stg_usage__repeats) without reading the history.

    Args:
        connection: the warehouse, in the transaction of the load.
        file_ids: the files of this load, the last ones there are.
        earlier_events: SQL of the events of earlier loads, when they are kept elsewhere.
    Returns: how many there are.
    """
    if not file_ids:
        return 0
    execute = connection.execute
    if earlier_events:
        execute(
            f"insert into raw.stored_events ({EVENT_COLUMNS}) select {EVENT_COLUMNS}"
            f" from {earlier_events}"
            " where event_hash in (select event_hash from raw.stored_events)"
        )
    first_file_id = file_ids.start
    # The engine scans rows that are not committed on one core, but parts of them side by side.
    size = max(len(file_ids) // PART_COUNT, 1)
    parts = (
        f"select * from raw.stored_events where file_id between {first} and {first + size - 1}"
        for first in file_ids[::size]
    )
    fresh = f"from ({' union all '.join(parts)})"
    # Numbering the rows of a hash costs half of counting them.
    candidates = f"""
        select distinct event_hash from (
            select event_hash, row_number() over (partition by event_hash) as hash_rank {fresh}
        ) where hash_rank > 1"""
    if first_file_id > 1:
        candidates += f"""
            union
            select event_hash from raw.stored_events
            where file_id < {first_file_id}
                and event_hash in (select event_hash {fresh})"""
    execute(f"create or replace temp table ingest_candidates as {candidates}")
    among = "event_hash in (select event_hash from ingest_candidates)"
    events = f"select * {fresh} where {among}"
    if first_file_id > 1:
        events += f"""
            union all
            select * from raw.stored_events
            where rowid in (
                select rowid from raw.stored_events where file_id < {first_file_id} and {among}
            )"""
    data = whole_data_sql(property_columns(connection))
    canonical = canonical_sql("data")
    inserted = execute(
        f"""
        insert into raw.repeated_events by name
        with candidates as (select * replace ({data} as data) from ({events})),
        written as (
            select
                *,
                min(data) over identity <> max(data) over identity as is_written_otherwise
            from candidates
            window identity as (partition by source, event_id)
        ),
        ranked as (
            select
                *,
                row_number() over identity as event_rank,
                first_value(file_id) over identity as first_file_id,
                first_value(position) over identity as first_position,
                first_value(event_type) over identity as first_type,
                first_value(data) over identity as first_data,
                first_value(file_id) over content as same_file_id,
                first_value(position) over content as same_position
            from (
                select *, case when is_written_otherwise then {canonical} end as pairs
                from written
            )
            window
                identity as (partition by source, event_id order by file_id, position),
                content as (
                    partition by source, event_id, event_type, subject, event_at, pairs
                    order by file_id, position
                )
        )
        select
            load_id, file_id, position, {EVENT_CONTENT},
            (same_file_id, same_position) <> (first_file_id, first_position) as is_conflict,
            same_file_id, same_position,
            case when is_new then first_file_id end as first_file_id,
            case when is_new then first_position end as first_position,
            case when is_new then first_type end as first_type,
            case when is_new then first_data end as first_data
        from (
            select *, (same_file_id, same_position) = (file_id, position) as is_new from ranked
        )
        where event_rank > 1 and file_id >= {first_file_id}
        """
    ).fetchone()
    return int(inserted[0]) if inserted else 0


def renew_repeats(connection: duckdb.DuckDBPyConnection) -> None:
    """Find all repeats again where an older warehouse says less about them."""
    described = connection.execute("describe raw.repeated_events").fetchall()
    if {name for name, *_ in described} >= {"data", "first_data"}:
        return
    row = connection.execute("select max(file_id) from raw.stored_events").fetchone()
    connection.execute("begin transaction")
    connection.execute("drop table raw.repeated_events")
    connection.execute(REPEATED_EVENTS)
    insert_repeats(connection, range(1, (row[0] or 0) + 1 if row else 1), None)
    connection.execute("commit")


def canonical_sql(data: str) -> str:
    """A flat JSON object as sorted pairs: absent is null, 5 is "5", 5.0, +5 and 0.5e1."""
    text = f"json_extract_string({data}, '$.*')"
    whole, fraction, exponent = (
        f"regexp_extract(pair[2], '{pattern}', 1)"
        for pattern in ("^[+-]?([0-9]*)", "[.]([0-9]*)", "[eE](.*)$")
    )
    # Its digits without zeros around them, and the power of ten of the last one: exact for any
    # size.
    digits = f"ltrim({whole} || {fraction}, '0')"
    power = (
        f"coalesce(try_cast({exponent} as bigint), 0) - length({fraction})"
        f" + length({digits}) - length(rtrim({digits}, '0'))"
    )
    sign = "case when starts_with(pair[2], '-') then '-' else '' end"
    value = (
        f"case when not regexp_full_match(pair[2], {quoted(NUMBER)}) then pair[2]"
        f" when {digits} = '' then '0'"
        f" else {sign} || rtrim({digits}, '0') || 'e' || ({power}) end"
    )
    return (
        f"list_sort(list_transform(list_filter(list_transform("
        f"list_zip(json_keys({data}), {text}), lambda entry: [entry[1], entry[2]]),"
        f" lambda pair: pair[2] is not null), lambda pair: [pair[1], {value}]))"
    )
