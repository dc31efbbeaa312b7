"""Running dbt in this process, which is quicker than a command and ends with it.

What belongs here: one run over a warehouse, which is let go of at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dagster_project.dbt_command import adapt_dbt_spark
from dagster_project.lib.spark_session import ended_spark

# The month up to which at least drafts are made, ``YYYY-MM``; there is no clock in the models.
# In the environment and not a variable of dbt's: another value of one of those makes dbt parse
# the whole project again, which takes some six seconds.
PERIOD_VARIABLE = "DBT_BILLING_PERIOD"


class DbtRunError(RuntimeError):
    """A run in which a model, test or seed did not succeed; the message names them.

    ``results`` is what dbt says about each node that it came to.
    """

    def __init__(self, message: str, results: list[Any]) -> None:
        super().__init__(message)
        self.results = results


def ignore(_count: int) -> None:
    """For a run that nobody waits for."""


def run_dbt(
    arguments: Sequence[str],
    project: Path,
    target: str,
    warehouse: Path,
    period: str,
    report: Callable[[int], None] = ignore,
) -> list[Any]:
    """Run one dbt command.

    Args:
        arguments: The command and its options, such as ``["build", "--full-refresh"]``.
        project: Folder made by ``link_dbt_project``; dbt compiles into its sibling ``target``.
        target: ``duckdb`` or ``spark``.
        warehouse: The DuckDB file, or the folder of the Spark warehouse.
        period: Billing period up to which drafts are made, ``YYYY-MM``.
        report: Told after each node how many are done.
    Returns: What dbt says about each node, in its own records.
    Raises: DbtRunError if anything failed, KeyboardInterrupt if it was interrupted.
    """
    from dbt.adapters.factory import cleanup_connections, reset_adapters
    from dbt.cli.main import dbtRunner

    adapt_dbt_spark()
    done = 0

    def count(event: Any) -> None:
        nonlocal done
        if event.info.name == "NodeFinished":
            done += 1
            report(done)

    # Nobody reads the files that describe the project and the run; the caller has the records.
    # With --quiet dbt would format every line of its log before it throws it away.
    command = ["--log-level", "none", "--log-level-file", "none"]
    command += [] if "parse" in arguments else ["--no-write-json"]
    command += arguments
    command += ["--project-dir", str(project), "--profiles-dir", str(project)]
    command += ["--target-path", str(project.parent / "target")]
    command += ["--log-path", str(project.parent / "logs")]
    variables = {"METERHOUSE_WAREHOUSE": str(warehouse), "METERHOUSE_TARGET": target}
    with ExitStack() as stack:
        stack.enter_context(environment(variables | {PERIOD_VARIABLE: period}))
        if target == "spark":
            stack.enter_context(ended_spark())
        try:
            outcome = dbtRunner(callbacks=[count]).invoke(command)
        finally:
            cleanup_connections()
            reset_adapters()
            if target == "duckdb":
                _close_duckdb()
    if outcome.exception is not None and not isinstance(outcome.exception, Exception):
        # dbt hands back what interrupted it like any error.
        raise outcome.exception
    results = list(getattr(outcome.result, "results", []))
    failures = [
        f"{node.node.name}: {node.status} {node.message}"
        for node in results
        if node.status not in ("success", "pass", "skipped", "no-op")
    ]
    if not outcome.success:
        raise DbtRunError("\n".join(failures) or str(outcome.exception), results)
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
