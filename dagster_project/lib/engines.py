"""The warehouse of an installation, whichever engine builds its models.

What belongs here: the four things that the rest of the product does with a warehouse. Readers
get a DuckDB connection on both engines; on Spark it looks at Spark's own Parquet files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import duckdb

from dagster_project.lib.ingest import IngestReport, TimeRule, ingest_landing
from dagster_project.lib.issuing import Issue, Render, issue_period
from dagster_project.lib.settings import Settings
from dagster_project.lib.spark_warehouse import SparkWarehouse
from dagster_project.lib.warehouse import open_warehouse


class Warehouse(Protocol):
    """Where an installation keeps what landed, what was built and what was issued."""

    @property
    def exists(self) -> bool:
        """Whether anything was ever loaded."""

    def connect(
        self, *, read_only: bool = False, patience_seconds: float = 60
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Open it, in UTC, for the length of a with block.

        Raises: duckdb.IOException if it stays locked for ``patience_seconds``.
        """

    def ingest(
        self,
        landing: Path,
        loaded_at: datetime,
        report: Callable[[str], None],
        time_rules: Sequence[TimeRule] = (),
    ) -> IngestReport:
        """Load every new file of the landing directory, all of them or none."""

    def issue(self, period: str, issued_at: datetime, render: Render) -> Issue:
        """Number and freeze the drafts of a billing period that ``render`` can render."""


@dataclass(frozen=True)
class DuckDBWarehouse:
    """One DuckDB file."""

    path: Path

    @property
    def exists(self) -> bool:
        """Whether the file is there."""
        return self.path.exists()

    def connect(
        self, *, read_only: bool = False, patience_seconds: float = 60
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Open the file."""
        return open_warehouse(
            self.path, read_only=read_only, patience_seconds=patience_seconds
        )

    def ingest(
        self,
        landing: Path,
        loaded_at: datetime,
        report: Callable[[str], None],
        time_rules: Sequence[TimeRule] = (),
    ) -> IngestReport:
        """Load in one transaction."""
        with self.connect(read_only=False) as connection:
            return ingest_landing(
                connection, landing, loaded_at, report, time_rules=time_rules
            )

    def issue(self, period: str, issued_at: datetime, render: Render) -> Issue:
        """Issue in one transaction."""
        with self.connect(read_only=False) as connection:
            return issue_period(connection, period, issued_at, render)


def warehouse_of(settings: Settings) -> Warehouse:
    """The warehouse that the settings name."""
    if settings.target == "spark":
        return SparkWarehouse(settings.warehouse)
    return DuckDBWarehouse(settings.warehouse)
