"""dbt as Meterhouse runs it, on the command line and in a process: with exact Spark.

What belongs here: what dbt-spark does not let a profile decide, and what a person who types
``meterhouse-dbt`` would have to set.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator

from dagster_project.lib.dbt_project import link_dbt_project
from dagster_project.lib.settings import DBT_PROJECT_DIR, Settings, SettingsError
from dagster_project.lib.spark_session import prepare_spark
from dagster_project.lib.warehouse import writer_lock


def adapt_dbt_spark() -> None:
    """Have dbt-spark keep Spark exact; safe to call again.

    dbt-spark turns ANSI mode off whatever the profile says. An amount that does not fit would
    then be null, and an invoice would lack it without a word; with it, the build stops. A
    Thrift server takes the settings of a session only under names that say so.
    """
    if importlib.util.find_spec("dbt.adapters.spark") is None:
        return
    from dbt.adapters.spark.connections import SparkCredentials

    overridden = SparkCredentials.__post_init__
    if getattr(overridden, "is_adapted", False):
        return

    def post_init(credentials: SparkCredentials) -> None:
        overridden(credentials)
        settings = credentials.server_side_parameters
        settings["spark.sql.ansi.enabled"] = "true"
        if credentials.method == "thrift":
            settings |= {f"set:hiveconf:{name}": value for name, value in settings.items()}

    post_init.is_adapted = True  # type: ignore[attr-defined]
    SparkCredentials.__post_init__ = post_init


@contextlib.contextmanager
def installation() -> Iterator[None]:
    """Point a dbt typed by hand at the installation, as its one writer."""
    settings = Settings.from_environment()
    with writer_lock(settings.writer_lock, lambda message: print(message, file=sys.stderr)):
        prepare_spark(settings)
        os.environ.update(settings.as_environment())
        project = str(
            link_dbt_project(DBT_PROJECT_DIR, settings.book_dir, settings.dbt_target_dir)
        )
        os.environ |= {"DBT_PROJECT_DIR": project, "DBT_PROFILES_DIR": project}
        yield


def main() -> None:
    """Run dbt with the arguments of the command line, over the installation."""
    try:
        with installation():
            from dbt.cli.main import cli

            adapt_dbt_spark()
            cli()
    except SettingsError as error:
        sys.exit(str(error))
