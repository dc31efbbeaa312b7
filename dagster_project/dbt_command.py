"""dbt as Meterhouse runs it, on the command line and in a process: with exact Spark.

What belongs here: what dbt-spark does not let a profile decide.
"""

from __future__ import annotations

import importlib.util
import sys


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


def main() -> None:
    """Run dbt with the arguments of the command line."""
    from dbt.cli.main import cli

    adapt_dbt_spark()
    sys.exit(cli())
