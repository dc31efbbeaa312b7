"""Resources: the warehouse with its one writer, dbt over it, and the place of the settings."""

import logging
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import dagster as dg
import duckdb
from dagster_dbt import DbtCliResource

from dagster_project.lib.dbt_project import link_dbt_project
from dagster_project.lib.settings import DBT_PROJECT_DIR, Settings
from dagster_project.lib.warehouse import open_warehouse, writer_lock

# Limited to one slot in dagster.yaml; every asset that writes the warehouse is in it.
WAREHOUSE_POOL = "warehouse"
OWNERS = ["team:billing"]
settings = Settings.from_environment()


class WarehouseResource(dg.ConfigurableResource):
    """The embedded warehouse; a run that uses it is the only one that writes until it ends.

    The pool keeps apart the runs that Dagster queues. The lock keeps apart all others: a
    person's command, a test, a second installation of Dagster over the same file.
    """

    path: str
    lock_file: str

    @contextmanager
    def yield_for_execution(
        self, context: dg.InitResourceContext
    ) -> Iterator["WarehouseResource"]:
        """Hold the writer lock for the length of the run."""

        def waiting(message: str) -> None:
            if context.log is not None:
                context.log.info(message)

        with writer_lock(Path(self.lock_file), waiting):
            yield self

    def get_connection(self) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        """Open the warehouse read-write, in UTC, for the length of a with block."""
        return open_warehouse(Path(self.path))


def dbt_project_dir() -> Path:
    """The installation's view of the dbt project: our models, its price book."""
    return link_dbt_project(DBT_PROJECT_DIR, settings.pricing_dir, settings.dbt_target_dir)


def make_dbt_resource() -> DbtCliResource:
    """The dbt of this environment over the installation's project."""
    project_dir = str(dbt_project_dir())
    return DbtCliResource(
        project_dir=project_dir,
        profiles_dir=project_dir,
        dbt_executable=str(Path(sys.executable).with_name("dbt")),
        global_config_flags=["--no-use-colors"],
    )


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
        resources={
            "warehouse": WarehouseResource(
                path=str(settings.warehouse), lock_file=str(settings.writer_lock)
            ),
            "dbt": make_dbt_resource(),
        },
        loggers={"console": dg.colored_console_logger, "progress": progress_logger},
        executor=dg.in_process_executor,
    )
