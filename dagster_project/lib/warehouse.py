"""Opening the embedded warehouse, and the lock that makes its writers wait for each other."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb


@contextmanager
def writer_lock(
    lock_file: Path, waiting: Callable[[str], None] = lambda _message: None
) -> Iterator[None]:
    """Hold the installation's writer lock, waiting for it as long as it takes.

    The operating system releases it when the process ends, however it ends.

    Args:
        lock_file: Created when missing; its content does not matter.
        waiting: Told once, in a sentence, if another process holds the lock.
    """
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting("Another run is writing the warehouse; waiting for it to end.")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


# Compresses text faster than the format that older engines read; only a new file takes it.
_NEW_FILE: dict[str, Any] = {"storage_compatibility_version": "v1.5.0"}


@contextmanager
def open_warehouse(
    path: Path, *, read_only: bool = False, patience_seconds: float = 60
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse in UTC and close it at the end.

    Args:
        path: The DuckDB file; created unless ``read_only``.
        read_only: Other readers may then have it open as well.
        patience_seconds: How long to try while another process has it open. The writer lock
            keeps our own runs apart; what is left is a dbt process that outlives its run for
            a moment, or somebody's SQL shell.

    Raises: duckdb.IOException if it cannot be opened in that time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            connection = duckdb.connect(str(path), read_only=read_only, config=_NEW_FILE)
            break
        except duckdb.IOException as error:
            if not is_lock_conflict(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.2)
    try:
        connection.execute("set TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def is_lock_conflict(error: duckdb.IOException) -> bool:
    """Whether the warehouse is sound and another process has it open."""
    return "could not set lock" in str(error).lower()


def table_names(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Schema and name of every table and mart; other views would have to be run.

    Except in memory: there the tables of Spark are views over its files.
    """
    return connection.execute(
        "select schema_name, table_name from duckdb_tables()"
        " where database_name = current_database() and not internal and not temporary"
        " union all select schema_name, view_name from duckdb_views()"
        " where database_name = current_database() and not internal and not temporary"
        " and (database_name = 'memory' or schema_name = 'marts') order by all"
    ).fetchall()


def count_rows(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> int:
    """Rows of a table; both engines keep the count beside it."""
    row = connection.execute(f'select count(*) from "{schema}"."{table}"').fetchone()
    return int(row[0]) if row else 0


def is_locked(lock_file: Path) -> bool:
    """Whether a run holds the writer lock now."""
    if not lock_file.exists():
        return False
    with lock_file.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
