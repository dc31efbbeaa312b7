"""The load: one transaction that moves everything new from landing into `raw`."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from dagster_project.lib.ingest.landing import (
    LandedFile,
    UnreadableFileError,
    describe_file,
    new_files,
    remove_folder,
    source_file_name,
)
from dagster_project.lib.ingest.opening import check_readable
from dagster_project.lib.ingest.parquet import (
    ParquetShape,
    column_properties,
    narrow_copy,
    parquet_records_sql,
    parquet_shape,
)
from dagster_project.lib.ingest.raw_tables import (
    ACCOUNT_COLUMNS,
    EVENT_COLUMNS,
    EVENT_CONTENT,
    EVENT_HASH,
    REJECTED_CONTENT,
    add_property_columns,
    create_raw_tables,
    property_column,
    property_columns,
    unread_columns,
)
from dagster_project.lib.ingest.repeats import insert_repeats, renew_repeats
from dagster_project.lib.ingest.staging import (
    TEMPORARY_PREFIX,
    StagedTable,
    Staging,
    batches,
    short_error,
)
from dagster_project.lib.ingest.times import TimeRule, rules_of_file
from dagster_project.lib.sql_text import identifier

FOLDER_PREFIX = ".meterhouse-ingest-"
REJECT_CONTENT = ", ".join(REJECTED_CONTENT)
REJECT_COLUMNS = f"load_id, file_id, position, reason, detail, raw_text, {REJECT_CONTENT}"


@dataclass(frozen=True)
class IngestReport:
    """What one ingest did.

    `load_id` is None when nothing was loaded. Counts are of this load; `record_count` is of
    usage files only. `failed_files` are (path relative to landing, error).
    """

    load_id: int | None
    file_count: int
    record_count: int
    event_count: int
    rejected_count: int
    repeated_count: int
    failed_files: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class ParquetGroup:
    """Parquet files of one shape, with the row count of each footer."""

    shape: ParquetShape
    files: list[LandedFile]


@dataclass
class Load:
    """State of one load; made and used by `ingest_landing` only."""

    connection: duckdb.DuckDBPyConnection
    loaded_at: datetime
    report: Callable[[str], None]
    latest: str
    staging: Staging
    groups: list[ParquetGroup]
    row_counts: dict[str, int]
    failed: dict[str, str]
    load_id: int = 0
    first_file_id: int = 0
    earlier_events: str | None = None
    file_ids: dict[str, int] = field(default_factory=dict)


def ingest_landing(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    loaded_at: datetime,
    report: Callable[[str], None] = lambda _message: None,
    earlier_events: str | None = None,
    time_rules: Sequence[TimeRule] = (),
) -> IngestReport:
    """Load every new file of the landing directory in one transaction.

    Args:
        connection: an open warehouse; its memory and thread settings are kept.
        landing: the landing directory; may be missing or empty.
        loaded_at: the instant of the load; without a zone it is UTC.
        report: is told, in a short sentence, what is being done.
        earlier_events: SQL of the events of earlier loads, when they are kept elsewhere; the
            ones whose hash comes again are copied into `raw.usage_events` to be compared.
        time_rules: how the times of sources and files are read; see price_book/sources.py.

    Raises:
        Anything `report` raises, and engine errors; the warehouse is then as before.
    """
    if loaded_at.tzinfo is not None:
        loaded_at = loaded_at.astimezone(UTC).replace(tzinfo=None)
    connection.execute("set TimeZone = 'UTC'")
    create_raw_tables(connection)
    renew_repeats(connection)
    folder = make_folder(connection)
    keeps_order = setting(connection, "preserve_insertion_order")
    try:
        connection.execute("set preserve_insertion_order = true")
        return run(connection, landing, loaded_at, report, folder, earlier_events, time_rules)
    finally:
        connection.execute(f"set preserve_insertion_order = {keeps_order}")
        drop_temporary_tables(connection)
        remove_folder(folder)


def drop_temporary_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Drop what the load staged and noted."""
    for (name,) in connection.execute(
        "select table_name from duckdb_tables() where temporary"
        f" and starts_with(table_name, '{TEMPORARY_PREFIX}')"
    ).fetchall():
        connection.execute(f"drop table temp.{name}")


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """Return the current value of an engine setting."""
    row = connection.execute(f"select current_setting('{name}')").fetchone()
    return str(row[0]) if row else ""


def make_folder(connection: duckdb.DuckDBPyConnection) -> Path:
    """Make a temporary folder beside the warehouse, removing what a killed load left there."""
    row = connection.execute(
        "select path from duckdb_databases() where database_name = current_database()"
    ).fetchone()
    parent: Path | None = None
    prefix = FOLDER_PREFIX
    if row and row[0]:
        parent = Path(row[0]).absolute().parent
        # The engine lets one process write a warehouse, so no living load owns these.
        prefix = f"{FOLDER_PREFIX}{Path(row[0]).name}-"
        for abandoned in parent.iterdir():
            if abandoned.name.startswith(prefix):
                shutil.rmtree(abandoned, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=parent))


def run(
    connection: duckdb.DuckDBPyConnection,
    landing: Path,
    loaded_at: datetime,
    report: Callable[[str], None],
    folder: Path,
    earlier_events: str | None,
    time_rules: Sequence[TimeRule],
) -> IngestReport:
    """Stage, load and commit; the folder holds links and copies."""
    known = {
        str(row[0])
        for row in connection.execute("select source_file from raw.load_files").fetchall()
    }
    latest = f"timestamp '{(loaded_at + timedelta(days=1)).isoformat(sep=' ')}'"
    links, copies = folder / "links", folder / "copies"
    links.mkdir()
    copies.mkdir()
    paths = new_files(known, landing)
    if paths:
        report(f"found {len(paths)} new file(s)")
    failed: dict[str, str] = {}
    text_files: list[LandedFile] = []
    shapes: dict[ParquetShape, list[LandedFile]] = defaultdict(list)
    row_counts: dict[str, int] = {}
    for path in paths:
        name = source_file_name(path, landing)
        try:
            file = check_readable(describe_file(path, landing, links))
            if file.format == "parquet":
                shape, row_counts[name] = parquet_shape(connection, file)
                if shape.has_wide_decimals:
                    report(f"rewriting {name}, which has decimals wider than 38 digits")
                    file = narrow_copy(file, copies)
                    shape, row_counts[name] = parquet_shape(connection, file)
                shape = replace(shape, times=rules_of_file(time_rules, name))
                parquet_records_sql(connection, shape, latest)
                shapes[shape].append(file)
            else:
                text_files.append(file)
        except (UnreadableFileError, duckdb.Error) as error:
            failed[name] = short_error(error)
    staging = Staging(connection, copies, latest, report, time_rules)
    staging.stage(text_files)
    failed.update(staging.failed)
    groups = [
        ParquetGroup(shape, batch)
        for shape, files in shapes.items()
        for batch in batches(files)
    ]
    load = Load(connection, loaded_at, report, latest, staging, groups, row_counts, failed)
    load.earlier_events = earlier_events
    for shape in shapes:
        add_property_columns(connection, column_properties(shape))
    while True:
        outcome = attempt(load)
        if isinstance(outcome, IngestReport):
            return outcome
        isolate_damage(load, *outcome)


def attempt(load: Load) -> IngestReport | tuple[ParquetGroup, duckdb.Error]:
    """Run the transaction; return the Parquet files that broke it, if any did, and how."""
    connection = load.connection
    connection.execute("begin transaction")
    try:
        number_files(load)
        for table in load.staging.tables:
            insert_staged(load, table)
        insert_unread_columns(load)
        for group in load.groups:
            load.report(f"loading {len(group.files)} parquet file(s)")
            try:
                insert_parquet(load, group)
            except duckdb.Error as error:
                connection.execute("rollback")
                return group, error
        load.report("looking for repeated events")
        repeated_count = insert_repeats(
            connection,
            range(load.first_file_id, load.first_file_id + len(load.file_ids)),
            load.earlier_events,
        )
        result = insert_ledger(load, repeated_count)
        load.report("committing")
        connection.execute("commit")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    load.report(f"loaded {result.file_count} file(s), {result.record_count} record(s)")
    return result


def number_files(load: Load) -> None:
    """Give the load and its files their numbers, in order of file name."""
    row = load.connection.execute(
        "select coalesce(max(load_id), 0) + 1, coalesce(max(file_id), 0) + 1"
        " from raw.load_files"
    ).fetchone()
    load.load_id, load.first_file_id = row if row else (1, 1)
    loaded = sorted(file.source_file for file in loaded_files(load))
    load.file_ids = {name: load.first_file_id + index for index, name in enumerate(loaded)}


def loaded_files(load: Load) -> list[LandedFile]:
    """Return the files that could be opened."""
    staged = [file for table in load.staging.tables for file in table.paths.values()]
    return staged + [file for group in load.groups for file in group.files]


def set_paths(load: Load, paths: dict[str, LandedFile]) -> None:
    """Fill the temporary table that maps the path the engine read to the file's number."""
    load.connection.execute(
        "create or replace temp table ingest_paths as"
        " select unnest($1::varchar[]) as read_path, unnest($2::bigint[]) as file_id",
        [list(paths), [load.file_ids[file.source_file] for file in paths.values()]],
    )


def insert_staged(load: Load, table: StagedTable) -> None:
    """Move one staged table into the raw tables; its row ids give the positions."""
    execute = load.connection.execute
    set_paths(load, table.paths)
    staged = f"temp.{table.name}"
    execute(
        f"""
        create or replace temp table ingest_files as
        select read_path, file_id, min(staged.rowid) as first_row
        from {staged} as staged inner join ingest_paths using (read_path)
        group by read_path, file_id
        """
    )
    position = "staged.rowid - first_row + 1"
    if table.kind != "usage":
        columns = ", ".join(identifier(column) for column in ACCOUNT_COLUMNS[table.kind])
        execute(
            f"insert into raw.{table.kind} (file_id, position, {columns})"
            f" select file_id, {position}, {columns}"
            f" from {staged} as staged inner join ingest_files using (read_path)"
        )
        return
    if "reason" not in table_columns(load, table.name):
        return
    shift = ""
    rejects = f"{table.name}_rejects"
    if table_columns(load, rejects):
        # The reader left out broken rows: number the good ones around them.
        position = f"({position}) + coalesce(reject_number, 0)"
        shift = (
            " asof left join (select position - reject_number + 1 as before,"
            f" max(reject_number) as reject_number from temp.{rejects} group by before)"
            " as rejects"
            " on staged.rowid - first_row + 1 >= rejects.before"
        )
        execute(
            "insert into raw.rejected_records"
            " (load_id, file_id, position, reason, detail, raw_text)"
            f" select {load.load_id}, file_id, position, 'malformed', detail, raw_text"
            f" from temp.{rejects} cross join ingest_paths"
        )
    source = f"{staged} as staged inner join ingest_files using (read_path){shift}"
    execute(
        f"insert into raw.stored_events ({EVENT_COLUMNS})"
        f" select {load.load_id}, file_id, {position}, {EVENT_HASH}, {EVENT_CONTENT}"
        f" from {source} where reason is null"
    )
    execute(
        f"insert into raw.rejected_records ({REJECT_COLUMNS})"
        f" select {load.load_id}, file_id, {position}, reason, detail, raw_text,"
        f" {REJECT_CONTENT}"
        f" from {source} where reason <> 'blank'"
    )


def insert_unread_columns(load: Load) -> None:
    """Note the columns of accounts and corrections files that no model looks at."""
    rows = [
        (load.file_ids[file.source_file], *column)
        for file in loaded_files(load)
        if file.kind != "usage"
        for column in unread_columns(file.kind, load.staging.headers[file.source_file])
    ]
    if rows:
        load.connection.executemany("insert into raw.unread_columns values ($1, $2, $3)", rows)


def table_columns(load: Load, table: str) -> set[str]:
    """Return the columns of a staged table, none when it does not exist."""
    return {
        str(row[0])
        for row in load.connection.execute(
            "select column_name from duckdb_columns()"
            f" where database_name = 'temp' and table_name = '{table}'"
        ).fetchall()
    }


def insert_parquet(load: Load, group: ParquetGroup) -> None:
    """Read Parquet files of one shape straight into the raw tables."""
    paths = {file.read_path: file for file in group.files}
    set_paths(load, paths)
    there = property_columns(load.connection)
    kept = [
        name
        for name, kind in column_properties(group.shape).items()
        if there.get(name) == kind
    ]
    columns = "".join(f", {property_column(name)}" for name in kept)
    records = parquet_records_sql(load.connection, group.shape, load.latest, kept)
    source = f"({records}) inner join ingest_paths using (read_path)"
    parameters = {"paths": list(paths)}
    inserted = load.connection.execute(
        f"insert into raw.stored_events ({EVENT_COLUMNS}{columns})"
        f" select {load.load_id}, file_id, position, {EVENT_HASH}, {EVENT_CONTENT}{columns}"
        f" from {source} where reason is null",
        parameters,
    ).fetchone()
    if inserted == (sum(load.row_counts[file.source_file] for file in group.files),):
        return
    load.connection.execute(
        f"insert into raw.rejected_records ({REJECT_COLUMNS})"
        f" select {load.load_id}, file_id, position, reason, detail, raw_text,"
        f" {REJECT_CONTENT}"
        f" from {source} where reason is not null",
        parameters,
    )


def isolate_damage(load: Load, group: ParquetGroup, cause: duckdb.Error) -> None:
    """Read the files of a group one by one and take out those that break.

    Raises: the cause, when none of them breaks alone, so that the files are not to blame.
    """
    records = parquet_records_sql(load.connection, group.shape, load.latest)
    sound: list[LandedFile] = []
    for file in group.files:
        try:
            load.connection.execute(
                f"select bit_xor(hash(records)) from ({records}) as records",
                {"paths": [file.read_path]},
            ).fetchall()
            sound.append(file)
        except duckdb.Error as error:
            said = short_error(error)
            load.failed[file.source_file] = f"cannot be read ({said}): write it again"
    if len(sound) == len(group.files):
        raise cause
    position = load.groups.index(group)
    load.groups[position : position + 1] = [ParquetGroup(group.shape, sound)] if sound else []


def insert_ledger(load: Load, repeated_count: int) -> IngestReport:
    """Write the ledger and the list of failed files; check that every record has its fate."""
    execute = load.connection.execute
    events = dict(
        execute(
            "select file_id, count(*) from raw.usage_events where file_id >= $1"
            " group by file_id",
            [load.first_file_id],
        ).fetchall()
    )
    rejected = dict(
        execute(
            "select file_id, count(*) from raw.rejected_records where file_id >= $1"
            " group by file_id",
            [load.first_file_id],
        ).fetchall()
    )
    records = landed_counts(load)
    rows = []
    for file in loaded_files(load):
        file_id = load.file_ids[file.source_file]
        event_count, rejected_count = events.get(file_id, 0), rejected.get(file_id, 0)
        record_count = records.get(file_id, 0)
        if file.kind == "usage" and record_count != event_count + rejected_count:
            raise RuntimeError(
                f"{file.source_file}: {record_count} records landed, but {event_count} events"
                f" and {rejected_count} rejected records were stored"
            )
        rows.append(
            (
                file_id,
                load.load_id,
                file.source_file,
                file.kind,
                file.size_bytes,
                record_count,
                event_count,
                rejected_count,
                load.loaded_at,
            )
        )
    rows.sort()
    if rows:
        columns = list(zip(*rows, strict=True))
        types = (
            "bigint",
            "bigint",
            "varchar",
            "varchar",
            "bigint",
            "bigint",
            "bigint",
            "bigint",
            "timestamp",
        )
        values = ", ".join(
            f"unnest(${index}::{kind}[])" for index, kind in enumerate(types, start=1)
        )
        execute(f"insert into raw.load_files select {values}", [list(c) for c in columns])
    failed = sorted(load.failed.items())
    execute("delete from raw.failed_files")
    if failed:
        execute(
            "insert into raw.failed_files"
            " select unnest($1::varchar[]), unnest($2::varchar[]), $3::timestamp",
            [[name for name, _ in failed], [error for _, error in failed], load.loaded_at],
        )
    event_count, rejected_count = sum(events.values()), sum(rejected.values())
    return IngestReport(
        load_id=load.load_id if rows else None,
        file_count=len(rows),
        record_count=event_count + rejected_count,
        event_count=event_count,
        rejected_count=rejected_count,
        repeated_count=repeated_count,
        failed_files=failed,
    )


def landed_counts(load: Load) -> dict[int, int]:
    """Return records per file as the readers saw them, apart from what was stored."""
    counts: dict[int, int] = defaultdict(int)
    for group in load.groups:
        for file in group.files:
            counts[load.file_ids[file.source_file]] += load.row_counts[file.source_file]
    for table in load.staging.tables:
        columns = table_columns(load, table.name)
        where = "where reason is distinct from 'blank'" if "reason" in columns else ""
        for read_path, rows in load.connection.execute(
            f"select read_path, count(*) from temp.{table.name} {where} group by read_path"
        ).fetchall():
            counts[load.file_ids[table.paths[read_path].source_file]] += rows
        if table_columns(load, f"{table.name}_rejects"):
            row = load.connection.execute(
                f"select count(*) from temp.{table.name}_rejects"
            ).fetchone()
            file = next(iter(table.paths.values()))
            counts[load.file_ids[file.source_file]] += row[0] if row else 0
    return counts
