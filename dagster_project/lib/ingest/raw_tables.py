"""Tables of the schema `raw`: the only place that defines them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb

from dagster_project.lib.misspelling import meant_name
from dagster_project.lib.sql_text import identifier, quoted

# Per kind: the columns of docs/input_format.md, and whether the header must have them. A
# column whose absence would change who is billed, or in which month, is required.
ACCOUNT_COLUMNS: dict[str, dict[str, bool]] = {
    "customers": {
        "customer_id": True,
        "customer_name": True,
        "email": False,
        "address_line": False,
        "city": False,
        "postal_code": False,
        "country_code": True,
        "tax_id": False,
        "currency_code": True,
        "locale": False,
        "timezone": True,
        "parent_customer_id": False,
        "tax_treatment": False,
    },
    "subscriptions": {
        "subscription_id": True,
        "customer_id": True,
        "plan_code": True,
        "started_at": True,
        "ended_at": False,
        "billing_anchor": False,
        "trial_ends_at": False,
    },
    "subjects": {
        "subject": True,
        "subscription_id": True,
        "valid_from": False,
        "valid_to": False,
    },
    "pauses": {
        "subscription_id": True,
        "paused_from": True,
        "paused_to": False,
    },
    "credit_grants": {
        "grant_id": True,
        "customer_id": True,
        "currency_code": True,
        "granted_amount": False,
        "credit_unit": False,
        "granted_quantity": False,
        "unit_price": False,
        "charge_code": False,
        "priority": False,
        "granted_at": True,
        "expires_at": True,
    },
    "corrections": {
        "correction_id": True,
        "source": True,
        "event_id": True,
        "action": True,
        "reason": False,
        "requested_by": False,
        "requested_at": False,
    },
}

# Identity of an event as 64 bits; chooses candidates, which are then compared as texts. The
# engine's own function is four times as fast as md5, but may change with its version.
EVENT_HASH = "hash(source, event_id)"
EVENT_CONTENT = "source, event_id, event_type, subject, event_at, data"
EVENT_COLUMNS = f"load_id, file_id, position, event_hash, {EVENT_CONTENT}"

# Whole numbers and texts that come in columns are kept in columns, since reading them out of
# JSON is half of metering. Others, and what comes after so many, are in JSON.
PROPERTY_PREFIX = "data_"
MOST_PROPERTY_COLUMNS = 32

# `same_` is where the first event of the same content is, which may be the event itself; only
# then `first_` is what the first event of the id held.
REPEATED_EVENTS = """
create table if not exists raw.repeated_events (
    load_id bigint, file_id bigint, position bigint, is_conflict boolean, source varchar,
    event_id varchar, event_type varchar, subject varchar, event_at timestamp, data varchar,
    same_file_id bigint, same_position bigint, first_file_id bigint, first_position bigint,
    first_type varchar, first_data varchar
)
"""

# How texts are compressed is said here, since trying every way on each of them costs more than
# the rest of a load: many words that come again and again, or long texts that do not.
EVENT_TABLES = """
create schema if not exists raw;
create table if not exists raw.load_files (
    file_id bigint, load_id bigint, source_file varchar, file_kind varchar, size_bytes bigint,
    record_count bigint, event_count bigint, rejected_count bigint, loaded_at timestamp
);
create table if not exists raw.stored_events (
    load_id bigint, file_id bigint, position bigint, event_hash ubigint,
    source varchar using compression dict_fsst, event_id varchar using compression zstd,
    event_type varchar using compression dict_fsst,
    subject varchar using compression dict_fsst, event_at timestamp,
    data varchar using compression zstd
);
create table if not exists raw.rejected_records (
    load_id bigint, file_id bigint, position bigint, reason varchar, detail varchar,
    raw_text varchar
);
create table if not exists raw.failed_files (
    source_file varchar, error varchar, failed_at timestamp
);
create table if not exists raw.unread_columns (
    file_id bigint, column_name varchar, meant_column varchar
);
create table if not exists raw.event_hash_probes (event_hash ubigint);
"""


# What can be read of a record that cannot be used.
REJECTED_CONTENT = {
    "source": "varchar",
    "event_id": "varchar",
    "event_type": "varchar",
    "subject": "varchar",
    "event_at": "timestamp",
}


def create_raw_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schema `raw` and its tables where missing; changes no record that exists.

    Events are written into `raw.stored_events` and read from the view `raw.usage_events`.
    """
    name_stored_events(connection)
    execute_compressed(connection, EVENT_TABLES)
    connection.execute(REPEATED_EVENTS)
    for column, kind in REJECTED_CONTENT.items():
        # A warehouse may be older than these.
        connection.execute(
            f"alter table raw.rejected_records add column if not exists {column} {kind}"
        )
    connection.execute(usage_events_view(property_columns(connection)))
    for kind, columns in ACCOUNT_COLUMNS.items():
        column_list = ", ".join(f"{column} varchar" for column in columns)
        connection.execute(
            f"create table if not exists raw.{kind}"
            f" (file_id bigint, position bigint, {column_list})"
        )
        for column in columns:
            # A warehouse may be older than an optional column.
            connection.execute(
                f"alter table raw.{kind} add column if not exists {column} varchar"
            )
    renew_event_hashes(connection)


def unread_columns(kind: str, header: Iterable[str]) -> list[tuple[str, str | None]]:
    """Return the columns of an accounts or corrections file that nobody reads.

    Each is there once, with the known column that it resembles, if any. A known column that
    comes again is read where it comes first, so the other one resembles itself.
    """
    known = ACCOUNT_COLUMNS[kind]
    names = list(header)
    found: dict[str, str | None] = {}
    for number, name in enumerate(names, 1):
        if name in known and name in names[: number - 1]:
            found[name] = name
        elif name not in known:
            found[name or f"column {number}, which has no name"] = meant_name(name, known)
    return list(found.items())


def execute_compressed(connection: duckdb.DuckDBPyConnection, statements: str) -> None:
    """Run statements that say how columns are compressed.

    In the file format of an older engine, that engine chooses for itself.
    """
    try:
        connection.execute(statements)
    except duckdb.BinderException:
        connection.execute(re.sub(r" using compression \w+", "", statements))


def name_stored_events(connection: duckdb.DuckDBPyConnection) -> None:
    """Rename the table of events of an older warehouse, where the view had its name."""
    older = connection.execute(
        "select 1 from duckdb_tables() where schema_name = 'raw'"
        " and table_name = 'usage_events' and database_name = current_database()"
    ).fetchone()
    if older:
        connection.execute("alter table raw.usage_events rename to stored_events")


def property_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the properties with a column of their own: name to ``BIGINT`` or ``VARCHAR``."""
    rows = connection.execute(
        "select column_name, data_type from duckdb_columns() where schema_name = 'raw'"
        " and table_name = 'stored_events' and database_name = current_database()"
        f" and starts_with(column_name, '{PROPERTY_PREFIX}') order by column_index"
    ).fetchall()
    return {str(name).removeprefix(PROPERTY_PREFIX): str(kind) for name, kind in rows}


def property_column(name: str) -> str:
    """Return the column of a property, quoted."""
    return identifier(PROPERTY_PREFIX + name)


def add_property_columns(
    connection: duckdb.DuckDBPyConnection, wanted: dict[str, str]
) -> None:
    """Give properties a column of their own, as long as there are not too many.

    The engine does not tell capitals from small letters in names, so of two properties that
    differ in these the first has a column.

    Args:
        connection: a warehouse with its raw tables.
        wanted: name to ``BIGINT`` or ``VARCHAR``.
    """
    columns = property_columns(connection)
    taken = {name.lower() for name in columns}
    for name, kind in wanted.items():
        if name.lower() in taken or len(taken) >= MOST_PROPERTY_COLUMNS:
            continue
        taken.add(name.lower())
        columns[name] = kind
        compression = " using compression dict_fsst" if kind == "VARCHAR" else ""
        execute_compressed(
            connection,
            f"alter table raw.stored_events add column {property_column(name)} {kind}"
            f"{compression}",
        )
    connection.execute(usage_events_view(columns))


def whole_data_sql(columns: Iterable[str]) -> str:
    """JSON of all properties of a stored event; `columns` are those with one of their own."""
    names = list(columns)
    if not names:
        return "coalesce(data, '{}')"
    absent = " and ".join(f"{property_column(name)} is null" for name in names)
    pairs = ", ".join(f"{quoted(name)}, {property_column(name)}" for name in names)
    merged = f"json_merge_patch('{{}}', json_object({pairs}), coalesce(data, '{{}}'))"
    return f"case when {absent} then coalesce(data, '{{}}') else {merged}::varchar end"


def usage_events_view(columns: Iterable[str]) -> str:
    """Statement for the view of the events with all properties in `data`.

    `other_data` holds those that have no column of their own, null when there are none.
    """
    return (
        "create or replace view raw.usage_events as"
        f" select * replace ({whole_data_sql(columns)} as data), data as other_data"
        " from raw.stored_events"
    )


def renew_event_hashes(connection: duckdb.DuckDBPyConnection) -> None:
    """Hash every event again when the engine's function is not the one they were hashed with.

    Otherwise, after an upgrade of the engine, no repeat of an older event would be found.
    """
    probe = f"select {EVENT_HASH} from (select 'source' as source, 'id' as event_id)"
    row = connection.execute(
        f"select (select max(event_hash) from raw.event_hash_probes) = ({probe})"
    ).fetchone()
    if row == (True,):
        return
    connection.execute("begin transaction")
    connection.execute(f"update raw.stored_events set event_hash = {EVENT_HASH}")
    connection.execute("delete from raw.event_hash_probes")
    connection.execute(f"insert into raw.event_hash_probes {probe}")
    connection.execute("commit")
