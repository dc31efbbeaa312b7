"""Events that landed before: the same source and id as an event of any load up to this one."""

from __future__ import annotations

import duckdb

from dagster_project.lib.ingest.raw_tables import (
    EVENT_COLUMNS,
    EVENT_CONTENT,
    property_columns,
    whole_data_sql,
)

PART_COUNT = 8


def insert_repeats(
    connection: duckdb.DuckDBPyConnection, file_ids: range, earlier_events: str | None
) -> int:
    """Find events of the files of this load which repeat an earlier identity.

    Hashes only choose candidates, so history is read by one narrow column, and its rows by
    number, which skips what lies between them; identity and content are then compared
    exactly, content without regard to the order of keys.

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
    inserted = execute(
        f"""
        insert into raw.repeated_events (
            load_id, file_id, position, is_conflict, {EVENT_CONTENT}
        )
        with candidates as (select * replace ({data} as data) from ({events})),
        ranked as (
            select
                *,
                row_number() over identity as event_rank,
                first_value(event_type) over identity as first_type,
                first_value(subject) over identity as first_subject,
                first_value(event_at) over identity as first_at,
                first_value(data) over identity as first_data
            from candidates
            window identity as (partition by source, event_id order by file_id, position)
        )
        select
            load_id, file_id, position,
            event_type <> first_type or subject <> first_subject or event_at <> first_at
            or case
                when data = first_data then false
                else {canonical_sql("data")} <> {canonical_sql("first_data")}
            end,
            {EVENT_CONTENT}
        from ranked
        where event_rank > 1 and file_id >= {first_file_id}
        """
    ).fetchone()
    return int(inserted[0]) if inserted else 0


def canonical_sql(data: str) -> str:
    """A flat JSON object as sorted pairs: absent is null, 5 is "5" is 5.0."""
    text = f"json_extract_string({data}, '$.*')"
    value = (
        "case when regexp_matches(pair[2], '^-?[0-9]+[.][0-9]+$')"
        " then rtrim(rtrim(pair[2], '0'), '.') else pair[2] end"
    )
    return (
        f"list_sort(list_transform(list_filter(list_transform("
        f"list_zip(json_keys({data}), {text}), lambda entry: [entry[1], entry[2]]),"
        f" lambda pair: pair[2] is not null), lambda pair: [pair[1], {value}]))"
    )
