"""Resources: the warehouse with its one writer, dbt over it, and the place of the settings."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster._utils.interrupts import raise_interrupts_as

from dagster_project.lib.dbt_project import link_dbt_project
from dagster_project.lib.dbt_run import ignore, run_dbt
from dagster_project.lib.engines import warehouse_of
from dagster_project.lib.ingest import IngestReport, TimeRule
from dagster_project.lib.issuing import Issue, Render
from dagster_project.lib.living_runs import keep_alive
from dagster_project.lib.settings import DBT_PROJECT_DIR, Settings
from dagster_project.lib.spark_session import prepare_spark
from dagster_project.lib.warehouse import writer_lock

# Limited to one slot in dagster.yaml; every asset that writes the warehouse is in it.
WAREHOUSE_POOL = "warehouse"
INGEST_JOB = "ingest"
# The one job that issues: guards block in it, and warn elsewhere.
ISSUE_JOB = "issue"
OWNERS = ["team:billing"]
Report = Callable[[str], None]
settings = Settings.from_environment()


class WarehouseResource(dg.ConfigurableResource):
    """The warehouse of the settings; a run that uses it is the only writer until it ends.

    The pool keeps apart the runs that Dagster queues. The lock keeps apart all others: a
    person's command, a test, a second installation of Dagster over the same file.
    """

    lock_file: str

    @contextmanager
    def yield_for_execution(
        self, context: dg.InitResourceContext
    ) -> Iterator["WarehouseResource"]:
        """Hold the writer lock for as long as the run, which is seen to live from now."""
        if context.instance is not None and context.run_id is not None:
            keep_alive(Path(context.instance.root_directory), context.run_id)

        def waiting(message: str) -> None:
            if context.log is not None:
                context.log.info(message)

        with writer_lock(Path(self.lock_file), waiting):
            yield self

    def get_connection(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Open the warehouse, in UTC, for the length of a with block; to be read only."""
        return warehouse_of(settings).connect()

    def ingest(
        self,
        landing: Path,
        loaded_at: datetime,
        report: Report,
        time_rules: Sequence[TimeRule],
    ) -> IngestReport:
        """Load what is new, all of it or nothing."""
        return warehouse_of(settings).ingest(landing, loaded_at, report, time_rules)

    def run_dbt(
        self, arguments: Sequence[str], period: str, report: Callable[[int], None] = ignore
    ) -> list[Any]:
        """Run dbt in this process with drafts up to a period; what it says of each node.

        Raises: DbtRunError if a node failed.
        """
        # Linked anew: the price book may have been edited since this process was started.
        project = dbt_project_dir()
        interrupts: list[KeyboardInterrupt] = []

        class Interrupt(KeyboardInterrupt):
            def __init__(self) -> None:
                super().__init__()
                interrupts.append(self)

        try:
            # dbt knows no other interrupt; its threads would go on.
            with raise_interrupts_as(Interrupt):
                results = run_dbt(
                    arguments, project, settings.target, settings.warehouse, period, report
                )
        except Interrupt:
            results = []
        # Those that come while dbt loads its adapter are caught by a bare except there.
        if interrupts:
            raise DagsterExecutionInterruptedError
        return results

    def issue(self, period: str, issued_at: datetime, render: Render) -> Issue:
        """Number and freeze the drafts of a billing period that can be rendered."""
        return warehouse_of(settings).issue(period, issued_at, render)


def dbt_project_dir() -> Path:
    """The installation's view of the dbt project: our models, its price book.

    Raises: SettingsError if the engine cannot run here.
    """
    prepare_spark(settings)
    return link_dbt_project(DBT_PROJECT_DIR, settings.book_dir, settings.dbt_target_dir)


@dg.logger(config_schema=None, description="Feeds the progress line of the command.")
def progress_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    """The Python logger to which the command listens; nothing is printed without it."""
    logger = logging.getLogger("meterhouse.progress")
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    return logger


@dg.definitions
def resources() -> dg.Definitions:
    """What assets ask for by name."""
    return dg.Definitions(
        resources={"warehouse": WarehouseResource(lock_file=str(settings.writer_lock))},
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
        executor=dg.in_process_executor,
    )
