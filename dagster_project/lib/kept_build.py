"""The last whole build of an installation, which stands for as long as nothing has changed.

What belongs here: what a build is made from, and what dbt said of each node of it. Models know
neither clock nor chance, so that the same landed records, ledger, price book, code and period
make the same tables, on which the same tests pass.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.lib.replaced import replaced
from dagster_project.lib.settings import DBT_PROJECT_DIR, PROJECT_ROOT, Settings
from dagster_project.lib.warehouse import count_rows

_LIBRARIES = ("dbt-core", "dbt-duckdb", "duckdb")
# Written by every run of dbt as it starts (macros/last_run.sql), also by one that is typed.
LAST_RUN = "last_run"


@dataclass(frozen=True)
class NodeResult:
    """What dbt says of one model, seed, test or hook. Instants are ISO 8601."""

    unique_id: str
    name: str
    resource_type: str
    status: str
    seconds: float
    started_at: str | None
    finished_at: str | None
    failures: int | None
    message: str | None

    @classmethod
    def of(cls, result: Any) -> NodeResult:
        """The same from one of dbt's own records."""
        spans = {timing.name: timing for timing in result.timing}
        span = spans.get("execute")
        return cls(
            unique_id=result.node.unique_id,
            name=result.node.name,
            resource_type=str(result.node.resource_type),
            status=str(result.status),
            seconds=round(result.execution_time, 3),
            started_at=span.started_at.isoformat() if span and span.started_at else None,
            finished_at=span.completed_at.isoformat() if span and span.completed_at else None,
            failures=result.failures,
            message=str(result.message) if result.message else None,
        )


@dataclass(frozen=True)
class KeptBuild:
    """A build that stands: when it was made, and its nodes."""

    run_id: str
    results: list[NodeResult]


def last_dbt_run(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The invocation of the dbt run that wrote the warehouse last, whole or not."""
    found = connection.execute(
        "select schema_name, table_name from duckdb_tables() where table_name = $1"
        " and database_name = current_database()"
        " union all select schema_name, view_name from duckdb_views() where view_name = $1"
        " and database_name = current_database()",
        [LAST_RUN],
    ).fetchone()
    if found is None:
        return None
    row = connection.execute(f'select invocation_id from "{found[0]}".{found[1]}').fetchone()
    return str(row[0]) if row else None


def made_from(settings: Settings, project: Path, period: str) -> str:
    """A digest of the code, the price book and the period of a build, taken before it.

    Args:
        settings: Of the installation.
        project: Folder made by ``link_dbt_project``; its sibling has the price book.
        period: Billing period up to which drafts are made, ``YYYY-MM``.
    """
    digest = hashlib.sha256()
    plain = [settings.target, settings.first_period, period, *map(version, _LIBRARIES)]
    digest.update(json.dumps(plain).encode())
    files = [
        path
        for folder, endings in (
            (DBT_PROJECT_DIR, ("sql", "yml")),
            (PROJECT_ROOT / "dagster_project", ("py",)),
            (project.parent / "pricing_seeds", ("csv", "yml")),
        )
        for ending in endings
        for path in folder.rglob(f"*.{ending}")
    ]
    for path in sorted(files):
        digest.update(f"\0{path.name}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _landed(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table of loads and of the ledger, which only ever grow."""
    tables = connection.execute(
        "select schema_name, table_name from duckdb_tables()"
        " where database_name = current_database() and schema_name in ('raw', 'ledger')"
        " union all select schema_name, view_name from duckdb_views()"
        " where database_name = current_database() and schema_name in ('raw', 'ledger')"
        " order by all"
    ).fetchall()
    return {
        f"{schema}.{table}": count_rows(connection, schema, table) for schema, table in tables
    }


def kept_build(
    file: Path, made_from: str, connection: duckdb.DuckDBPyConnection
) -> KeptBuild | None:
    """The build that was kept, if it was made from the same and nobody ran dbt since."""
    try:
        kept = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    now = {
        "made_from": made_from,
        "landed": _landed(connection),
        "invocation_id": last_dbt_run(connection),
    }
    if any(kept.get(name) != found for name, found in now.items()):
        return None
    return KeptBuild(kept["run_id"], [NodeResult(**result) for result in kept["results"]])


def keep_build(
    file: Path,
    made_from: str,
    run_id: str,
    results: Sequence[NodeResult],
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """Keep a whole build in which nothing failed, until the next one.

    What has landed is counted after it, since the first one of all makes the ledger. Nothing
    lands meanwhile: the run is the only writer.
    """
    kept = {
        "made_from": made_from,
        "landed": _landed(connection),
        "invocation_id": last_dbt_run(connection),
        "run_id": run_id,
        "results": [asdict(result) for result in results],
    }
    with replaced(file) as new:
        new.write_text(json.dumps(kept), "utf-8")
