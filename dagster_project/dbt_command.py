"""dbt as Meterhouse runs it, on the command line and in a process: with exact Spark.

What belongs here: the one setting that dbt-spark does not let a profile decide.
"""

from __future__ import annotations

import importlib.util
import sys


def keep_ansi_mode() -> None:
    """Have dbt-spark leave Spark's ANSI mode on; safe to call again.

    dbt-spark turns it off whatever the profile says. An amount that does not fit would then
    be null, and an invoice would lack it without a word; with it, the build stops.
    """
    if importlib.util.find_spec("dbt.adapters.spark") is None:
        return
    from dbt.adapters.spark.connections import SparkCredentials

    overridden = SparkCredentials.__post_init__
    if getattr(overridden, "keeps_ansi_mode", False):
        return

    def post_init(credentials: SparkCredentials) -> None:
        overridden(credentials)
        credentials.server_side_parameters["spark.sql.ansi.enabled"] = "true"

    post_init.keeps_ansi_mode = True  # type: ignore[attr-defined]
    SparkCredentials.__post_init__ = post_init


def main() -> None:
    """Run dbt with the arguments of the command line."""
    from dbt.cli.main import cli

    keep_ansi_mode()
    sys.exit(cli())
