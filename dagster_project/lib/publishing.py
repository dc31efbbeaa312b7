"""The published copy of the marts: one finished build at a time, swapped in one step.

What belongs here: copying tables of schema ``marts`` to a DuckDB file and Parquet folders for
BI tools. Not here: deciding whether a build may be published; the checks do that before.

Layout of the publish directory::

    .build-7/meterhouse.duckdb         a build, never changed once it is there
    .build-7/parquet/<table>/data.parquet
    .build.new/                        one being made, or left by a killed run
    .current -> .build-7               replaced by rename: the only step a reader can see
    meterhouse.duckdb -> .current/meterhouse.duckdb
    parquet -> .current/parquet
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from dagster_project.lib.replaced import NEW, replaced
from dagster_project.lib.sql_text import quoted
from dagster_project.lib.warehouse import table_names

# Not called like its schema, which would make `marts.fct_invoices` ambiguous.
DATABASE = "meterhouse.duckdb"
# The name of earlier releases. What still opens it is to fail, not to read an old build.
_FORMER_DATABASE = "marts.duckdb"
# A BI tool that opened the build before the last one goes on reading it.
_BUILDS_KEPT = 2
_UNFINISHED = ".build.new"


@dataclass(frozen=True)
class PublishedBuild:
    """The build that readers see now: its folder, rows by table, and whether it is new."""

    folder: Path
    row_counts: dict[str, int]
    is_new: bool


def publish_marts(
    connection: duckdb.DuckDBPyConnection, publish_dir: Path, schema: str = "marts"
) -> PublishedBuild:
    """Make the tables of ``schema`` the published build; a reader sees the old or the new one.

    Nothing is written when the tables are what is published already. A run that is killed
    leaves the old build in place, and what else it leaves is removed by the next.

    Args:
        connection: The warehouse; only read.
        publish_dir: Created when missing.
        schema: The schema copied; it is called ``marts`` in the copy.

    Raises:
        ValueError: If the schema has no tables, since an empty copy would look like no usage.
    """
    tables = [name for owner, name in table_names(connection) if owner == schema]
    if not tables:
        raise ValueError(f"Schema {schema} has no tables to publish.")
    publish_dir.mkdir(parents=True, exist_ok=True)
    fingerprint = {name: _fingerprint(connection, schema, name) for name in tables}
    row_counts = {name: int(fingerprint[name][0]) for name in tables}
    current = publish_dir / ".current"
    _remove_leftovers(publish_dir, current)
    is_there = (current / DATABASE).exists()
    if is_there and _recorded_fingerprint(current) == fingerprint:
        _link(publish_dir)
        return PublishedBuild(current.resolve(), row_counts, is_new=False)

    number = max((_build_number(path) for path in publish_dir.glob(".build-*")), default=0) + 1
    build = publish_dir / f".build-{number}"
    unfinished = publish_dir / _UNFINISHED
    _write_build(connection, schema, tables, unfinished)
    (unfinished / "build.json").write_text(json.dumps(fingerprint), encoding="utf-8")
    unfinished.rename(build)

    with replaced(current) as new:
        new.symlink_to(build.name)
    _link(publish_dir)
    finished = sorted(publish_dir.glob(".build-*"), key=_build_number)
    for old in finished[:-_BUILDS_KEPT]:
        shutil.rmtree(old)
    return PublishedBuild(build, row_counts, is_new=True)


def _remove_leftovers(publish_dir: Path, current: Path) -> None:
    """Remove what a killed run had not put in place yet, or not removed any more."""
    shutil.rmtree(publish_dir / _UNFINISHED, ignore_errors=True)
    for link in publish_dir.glob(f".*{NEW}"):
        link.unlink()
    finished = sorted(publish_dir.glob(".build-*"), key=_build_number)
    seen = [
        path for path in finished if _build_number(path) <= _build_number(current.resolve())
    ]
    for path in {*finished} - {*seen[-_BUILDS_KEPT:]}:
        shutil.rmtree(path)


def _write_build(
    connection: duckdb.DuckDBPyConnection, schema: str, tables: list[str], build: Path
) -> None:
    build.mkdir()
    connection.execute(f"attach {quoted(build / DATABASE)} as published_build")
    try:
        connection.execute("create schema published_build.marts")
        for name in tables:
            table = f'"{schema}"."{name}"'
            connection.execute(
                f'create table published_build.marts."{name}" as select * from {table}'
            )
            folder = build / "parquet" / name
            folder.mkdir(parents=True)
            connection.execute(
                f"copy (select * from {table}) to {quoted(folder / 'data.parquet')}"
                " (format parquet, compression zstd)"
            )
    finally:
        connection.execute("detach published_build")


def _fingerprint(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str
) -> tuple[str, ...]:
    """Row count, two sums over row hashes and the columns: equal only for equal content."""
    name = f'"{schema}"."{table}"'
    columns = connection.execute(f"describe {name}").fetchall()
    row = connection.execute(
        "select count(*)::varchar, bit_xor(row_hash)::varchar,"
        " sum(row_hash::hugeint)::varchar"
        f" from (select hash(table_row) as row_hash from {name} as table_row)"
    ).fetchone()
    assert row is not None  # noqa: S101  an aggregate has one row
    return (*(value or "" for value in row), ",".join(f"{c[0]} {c[1]}" for c in columns))


def _recorded_fingerprint(build: Path) -> dict[str, tuple[str, ...]] | None:
    try:
        recorded = json.loads((build / "build.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return {name: tuple(parts) for name, parts in recorded.items()}


def _link(publish_dir: Path) -> None:
    (publish_dir / _FORMER_DATABASE).unlink(missing_ok=True)
    for name in (DATABASE, "parquet"):
        link = publish_dir / name
        if not link.is_symlink():
            with replaced(link) as new:
                new.symlink_to(f".current/{name}")


def _build_number(path: Path) -> int:
    number = path.name.removeprefix(".build-")
    return int(number) if number.isdigit() else 0
