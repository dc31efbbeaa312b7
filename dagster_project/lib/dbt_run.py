"""Running dbt in this process, which is quicker than a command.

What belongs here: one run over a warehouse, which is let go of at the end. Dagster starts dbt
as a command of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster_project.dbt_command import adapt_dbt_spark

# The month up to which at least drafts are made, ``YYYY-MM``; there is no clock in the models.
# In the environment and not a variable of dbt's: another value of one of those makes dbt parse
# the whole project again, which takes some six seconds.
PERIOD_VARIABLE = "DBT_BILLING_PERIOD"


class DbtRunError(RuntimeError):
    """A run in which a model, test or seed did not succeed; the message names them."""


def run_dbt(
    arguments: Sequence[str], project: Path, target: str, warehouse: Path, period: str
) -> list[Any]:
    """Run one dbt command.

    Args:
        arguments: The command and its options, such as ``["build", "--full-refresh"]``.
        project: Folder made by ``link_dbt_project``; dbt compiles into its sibling ``target``.
        target: ``duckdb`` or ``spark``.
        warehouse: The DuckDB file, or the folder of the Spark warehouse.
        period: Billing period up to which drafts are made, ``YYYY-MM``.
    Returns: What dbt says about each node, in its own records.
    Raises: DbtRunError if anything failed.
    """
    from dbt.adapters.factory import cleanup_connections, reset_adapters
    from dbt.cli.main import dbtRunner

    adapt_dbt_spark()
    # Nobody reads the files that describe the project and the run; the caller has the records.
    # With --quiet dbt would format every line of its log before it throws it away.
    command = ["--log-level", "none", "--log-level-file", "none", "--no-write-json"]
    command += arguments
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    command += ["--target-path", str(project.parent / "target")]
    command += ["--log-path", str(project.parent / "logs")]
    variables = {"METERHOUSE_WAREHOUSE": str(warehouse), "METERHOUSE_TARGET": target}
    with environment(variables | {PERIOD_VARIABLE: period}):
        try:
            outcome = dbtRunner().invoke(command)
        finally:
            cleanup_connections()
            reset_adapters()
            if target == "duckdb":
                _close_duckdb()
    results = list(getattr(outcome.result, "results", []))
    failures = [
        f"{node.node.name}: {node.status} {node.message}"
        for node in results
        if node.status not in ("success", "pass", "skipped", "no-op")
    ]
    if not outcome.success:
        raise DbtRunError("\n".join(failures) or str(outcome.exception))
    return results


def _close_duckdb() -> None:
    """The adapter keeps the file open for the life of the process otherwise."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    if DuckDBConnectionManager._ENV is not None:
        DuckDBConnectionManager._ENV.close()
        DuckDBConnectionManager._ENV = None


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for this process and those it starts, then put them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
