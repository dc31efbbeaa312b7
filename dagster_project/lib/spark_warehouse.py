"""The warehouse on Spark: a folder of Parquet files that DuckDB writes into and reads from.

What belongs here: how a load and a batch of issued invoices become visible, and where readers
find Spark's tables. Layout::

    raw/load-000007/usage_events/*.parquet    one folder for each committed load
    ledger/batch-000003/issued_invoices/...   one folder for each committed batch of invoices
    tables/marts/fct_invoices/*.parquet       what dbt builds on Spark
    metastore/                                the catalogue of the embedded Spark

A load or batch is written under a name that nobody looks for, and committed by one rename.
Committed folders are never written to again.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from dagster_project.lib.ingest import (
    IngestReport,
    TimeRule,
    create_raw_tables,
    ingest_landing,
)
from dagster_project.lib.ingest.raw_tables import ACCOUNT_COLUMNS, EVENT_CONTENT, EVENT_HASH
from dagster_project.lib.issuing import Issue, Render, issue_period
from dagster_project.lib.sql_text import quoted

_RAW_TABLES = (
    "load_files",
    "usage_events",
    "repeated_events",
    "rejected_records",
    "unread_columns",
    *ACCOUNT_COLUMNS,
)
_LEDGER_TABLES = (
    "issued_invoices",
    "issued_invoice_lines",
    "issued_invoice_line_tiers",
    "issued_invoice_taxes",
    "issued_credit_applications",
)
# What is numbered from those before it.
_NUMBERED_TABLES = ("issued_invoices", "issued_credit_applications")


# Properties as text, by the JSON reader that DuckDB's models use: Spark's own reader writes
# numbers in another way, and a dimension value would differ.
def _texts(data: str) -> str:
    return (
        f"map_from_entries(list_transform(list_zip(json_keys({data}),"
        f" json_extract_string({data}, '$.*')), lambda pair: {{'k': pair[1], 'v': pair[2]}}))"
        f" as {data}_texts"
    )


# Large files are cut, so that several tasks of Spark read one load.
_PARQUET = "(format parquet, compression zstd, file_size_bytes '256MB')"
_WRITING = ".writing"
_EMPTY_LOAD = "load-000000"


@dataclass(frozen=True)
class SparkWarehouse:
    """One folder, on a file system that this machine and Spark see under the same path."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether anything was ever loaded."""
        return (self.path / "raw" / _EMPTY_LOAD).exists()

    @contextmanager
    def connect(
        self,
        *,
        read_only: bool = False,  # noqa: ARG002  the readers' view is never written to
        patience_seconds: float = 60,  # noqa: ARG002  nor locked
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """Views over committed loads, the ledger and the tables that Spark has finished."""
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            for schema, tables, folders in (
                ("raw", _RAW_TABLES, "load-*"),
                ("ledger", _LEDGER_TABLES, "batch-*"),
            ):
                connection.execute(f"create schema {schema}")
                for table in tables:
                    files = self.path / schema / folders / table
                    if next(files.parent.parent.glob(f"{folders}/{table}/*.parquet"), None):
                        _create_view(connection, schema, table, files)
            failed = self.path / "raw" / "failed_files.parquet"
            if failed.exists():
                connection.execute(
                    f"create view raw.failed_files as from read_parquet({quoted(failed)})"
                )
            for folder in sorted((self.path / "tables").glob("*/*")):
                # Spark writes _SUCCESS last: without it, a table is half of one. Where days
                # are put in place one by one there is none.
                if (folder / "_SUCCESS").exists() or next(folder.glob("*=*"), None):
                    schema, table = folder.parts[-2:]
                    # One of them is called default, which is a word of the language.
                    connection.execute(f'create schema if not exists "{schema}"')
                    if next(folder.rglob("*.parquet"), None):
                        _create_view(connection, schema, table, folder)
            yield connection

    def ingest(
        self,
        landing: Path,
        loaded_at: datetime,
        report: Callable[[str], None],
        time_rules: Sequence[TimeRule] = (),
    ) -> IngestReport:
        """Judge every new file as on DuckDB, in a database that lasts for this load only.

        The load is committed by the rename of its folder; killed before, it leaves nothing
        that anybody sees, and the files are new again for the next load.
        """
        writing = self._empty_folder("raw")
        with duckdb.connect(str(writing / "load.duckdb")) as connection:
            create_raw_tables(connection)
            empty_loads = sorted((self.path / "raw").glob(f"{_EMPTY_LOAD}*"))
            # All of them, or those that a warehouse is older than, or than a column of.
            new = [name for name in _RAW_TABLES if _is_lacking(connection, empty_loads, name)]
            if new:
                later = f"-{len(empty_loads)}" if empty_loads else ""
                self._commit_load(connection, writing, 0, f"{_EMPTY_LOAD}{later}", new)
            history = self.path / "raw" / "load-*"
            events = quoted(history / "usage_events" / "*.parquet")
            earlier = f"read_parquet({events}, union_by_name = true)"
            connection.execute(
                "insert into raw.load_files by name"
                f" from read_parquet({quoted(history / 'load_files' / '*.parquet')})"
            )
            outcome = ingest_landing(
                connection,
                landing,
                loaded_at,
                report,
                # Hashed now, as the engine's function may have changed since.
                earlier_events=f"(select *, {EVENT_HASH} as event_hash from {earlier})",
                time_rules=time_rules,
            )
            if outcome.load_id is not None:
                name = f"load-{outcome.load_id:06}"
                self._commit_load(connection, writing, outcome.load_id, name)
            failed = writing / "failed_files.parquet"
            connection.execute(f"copy raw.failed_files to {quoted(failed)} (format parquet)")
            failed.replace(self.path / "raw" / failed.name)
        shutil.rmtree(writing)
        return outcome

    def _commit_load(
        self,
        connection: duckdb.DuckDBPyConnection,
        writing: Path,
        load_id: int,
        folder_name: str,
        tables: Sequence[str] = _RAW_TABLES,
    ) -> None:
        """Write the rows of a load and make them visible; load 0 holds the empty tables."""
        folder = writing / folder_name
        for table in tables:
            columns = {
                "usage_events": (
                    f"load_id, file_id, position, {EVENT_CONTENT}, {_texts('data')}"
                ),
                "repeated_events": f"*, {_texts('data')}, {_texts('first_data')}",
            }.get(table, "*")
            # Of the other tables the database holds this load alone.
            where = (
                f" where load_id = {load_id}"
                if table in ("load_files", "usage_events")
                else ""
            )
            (folder / table).mkdir(parents=True)
            connection.execute(
                f"copy (select {columns} from raw.{table}{where})"
                f" to {quoted(folder / table)} {_PARQUET}"
            )
        _commit(folder, self.path / "raw" / folder.name)

    def issue(self, period: str, issued_at: datetime, render: Render) -> Issue:
        """Number the drafts after the committed batches, and commit them as the next batch."""
        batches = sorted((self.path / "ledger").glob("batch-*"))
        writing = self._empty_folder("ledger")
        with self.connect() as connection:
            # A database of its own, in which the ledger can be written to.
            connection.execute("attach ':memory:' as issuing; create schema issuing.ledger")
            connection.execute("create schema issuing.marts")
            for table in _LEDGER_TABLES:
                rows = "" if table in _NUMBERED_TABLES else " where false"
                connection.execute(
                    f"create table issuing.ledger.{table} as from ledger.{table}{rows}"
                )
            for (mart,) in connection.execute(
                "select view_name from duckdb_views() where schema_name = 'marts'"
            ).fetchall():
                connection.execute(
                    f"create view issuing.marts.{mart} as from memory.marts.{mart}"
                )
            connection.execute("use issuing")
            issue = issue_period(connection, period, issued_at, render)
            applied = connection.execute("select 1 from newly_applied limit 1").fetchone()
            if issue.count or applied:
                folder = writing / f"batch-{len(batches):06}"
                for table in _LEDGER_TABLES:
                    (folder / table).mkdir(parents=True)
                    rows = (
                        "newly_applied"
                        if table == "issued_credit_applications"
                        else f"ledger.{table} where invoice_id in"
                        " (select invoice_id from newly_issued)"
                    )
                    connection.execute(
                        f"copy (from {rows}) to {quoted(folder / table)} {_PARQUET}"
                    )
                _commit(folder, self.path / "ledger" / folder.name)
        shutil.rmtree(writing)
        return issue

    def _empty_folder(self, schema: str) -> Path:
        """The folder that a load or batch is prepared in, without what a killed one left."""
        folder = self.path / schema / _WRITING
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder


def _create_view(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, folder: Path
) -> None:
    connection.execute(
        f'create view "{schema}"."{table}" as from read_parquet('
        f"{quoted(folder / '**' / '*.parquet')}, hive_partitioning = true,"
        " union_by_name = true)"
    )


def _is_lacking(
    connection: duckdb.DuckDBPyConnection, empty_loads: Sequence[Path], table: str
) -> bool:
    """Whether no empty table was written since this one got its columns.

    Models ask for every column, also where nothing has landed since it is there.
    """
    wanted = {name for name, *_ in connection.execute(f"describe raw.{table}").fetchall()}
    if table == "usage_events":
        # Its columns are our own, and all there from the start.
        return not any((load / table).exists() for load in empty_loads)
    for load in empty_loads:
        files = quoted(load / table / "*.parquet")
        if (load / table).exists():
            described = connection.execute(f"describe from read_parquet({files})").fetchall()
            wanted -= {name for name, *_ in described}
    return bool(wanted)


def _commit(folder: Path, committed: Path) -> None:
    """Put a finished folder in its place, once its content is on the disk.

    Raises: OSError if the place is taken: what is committed is never replaced.
    """
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        if path.is_file():
            path.chmod(0o444)
    folder.rename(committed)
