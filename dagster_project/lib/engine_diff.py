"""The same landing billed on both engines, and the rows in which their marts differ.

What belongs here: making the two warehouses and comparing them. Nothing of the installation
is written to.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dagster_project.lib.dbt_project import link_dbt_project
from dagster_project.lib.dbt_run import run_dbt
from dagster_project.lib.engines import DuckDBWarehouse
from dagster_project.lib.price_book.sources import read_time_rules
from dagster_project.lib.settings import DBT_PROJECT_DIR, TARGETS, Settings, SettingsError
from dagster_project.lib.spark_session import missing_requirement, temporary_spark
from dagster_project.lib.spark_warehouse import SparkWarehouse
from dagster_project.lib.sql_text import quoted
from dagster_project.lib.warehouse import table_names


@dataclass(frozen=True)
class DifferingRow:
    """A row of a mart that only one engine has; ``text`` shows its columns."""

    mart: str
    engine: str
    text: str


def bill_on_both(
    settings: Settings, period: str, folder: Path, report: Callable[[str], None]
) -> tuple[DuckDBWarehouse, SparkWarehouse]:
    """Ingest the landing directory and build every model on each engine, without tests.

    Args:
        settings: Of the installation; its landing directory and price book are read.
        period: Billing period up to which drafts are made, ``YYYY-MM``.
        folder: An empty folder for both warehouses.
        report: Told what is going on.

    Raises:
        SettingsError: The embedded Spark cannot run here.
        DbtRunError: A model failed.
    """
    missing = missing_requirement()
    if missing is not None:
        raise SettingsError(missing)
    duck = DuckDBWarehouse(folder / TARGETS["duckdb"])
    spark = SparkWarehouse(folder / TARGETS["spark"])
    # One instant for both, since it decides what lies in the future.
    loaded_at = datetime.now(UTC)
    with temporary_spark(folder / "conf", settings.spark_master, settings.spark_memory):
        for target, warehouse in (("duckdb", duck), ("spark", spark)):
            report(f"loading for {target}")
            rules = read_time_rules(settings.pricing_dir)
            warehouse.ingest(settings.landing_dir, loaded_at, report, rules)
            report(f"building on {target}")
            project = link_dbt_project(
                DBT_PROJECT_DIR, settings.pricing_dir, folder / f"dbt-{target}"
            )
            arguments = ["build", "--exclude-resource-types", "test", "unit_test"]
            run_dbt(arguments, project, target, warehouse.path, period)
    return duck, spark


def differing_rows(duck: DuckDBWarehouse, spark: SparkWarehouse) -> list[DifferingRow]:
    """Compare all marts row by row and column by column; a repeated row counts as often.

    Returns: Rows in the order of mart, engine and content; a mart or column that one engine
        does not have, or has in another type, is a row as well.
    """
    found = []
    with spark.connect() as connection:
        # The name that dbt knows it by, since the views of the marts have it in them.
        connection.execute(f"attach {quoted(duck.path)} as warehouse (read_only)")
        marts = {
            "spark": {name for schema, name in table_names(connection) if schema == "marts"},
            "duckdb": {
                name
                for (name,) in connection.execute(
                    "select table_name from information_schema.tables"
                    " where table_catalog = 'warehouse' and table_schema = 'marts'"
                ).fetchall()
            },
        }
        for mart in sorted(marts["spark"] | marts["duckdb"]):
            missing = [engine for engine, names in marts.items() if mart not in names]
            if missing:
                (engine,) = marts.keys() - missing
                found.append(DifferingRow(mart, engine, "the whole mart"))
                continue
            relations = {
                "duckdb": f'warehouse.marts."{mart}"',
                "spark": f'memory.marts."{mart}"',
            }
            columns = {
                engine: {
                    f"{row[0]} {row[1]}"
                    for row in connection.execute(f"describe {relation}").fetchall()
                }
                for engine, relation in relations.items()
            }
            for engine, other in (("duckdb", "spark"), ("spark", "duckdb")):
                only_here = sorted(columns[engine] - columns[other])
                found += [DifferingRow(mart, engine, f"column {name}") for name in only_here]
            if columns["duckdb"] != columns["spark"]:
                continue
            for engine, other in (("duckdb", "spark"), ("spark", "duckdb")):
                rows = connection.execute(
                    f"select rows_left::varchar from (from {relations[engine]} except all"
                    f" from {relations[other]}) as rows_left order by all"
                ).fetchall()
                found += [DifferingRow(mart, engine, text) for (text,) in rows]
    return found
