"""A run that is killed, wherever it was, and started again gives the same marts."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest

from dagster_project.lib.dbt_project import link_dbt_project
from dagster_project.lib.engine_diff import differing_rows
from dagster_project.lib.engines import DuckDBWarehouse
from dagster_project.lib.ingest import ingest_landing
from dagster_project.lib.sample import write_sample
from dagster_project.lib.spark_session import missing_requirement
from dagster_project.lib.spark_warehouse import SparkWarehouse
from tests.harness import LOADED_AT, REPOSITORY, Installation

# Ends itself at a message of the load, or when the load's folder is about to be renamed.
KILLED_LOAD = """
import os, sys
from datetime import UTC, datetime
from pathlib import Path
from dagster_project.lib import spark_warehouse

place, warehouse, landing = sys.argv[1:]

def report(message):
    if message.startswith(place):
        os._exit(9)

commit = spark_warehouse._commit

def killed_commit(folder, committed):
    if not committed.name.endswith("000000"):
        if place == "before the rename":
            os._exit(9)
        commit(folder, committed)
        os._exit(9)
    commit(folder, committed)

if place.endswith("the rename"):
    spark_warehouse._commit = killed_commit
spark_warehouse.SparkWarehouse(Path(warehouse)).ingest(
    Path(landing), datetime(2026, 6, 1, tzinfo=UTC), report
)
"""
PLACES = (
    "reading",
    "looking for repeated events",
    "loaded",
    "before the rename",
    "after the rename",
)
RAW_TABLES = ("load_files", "usage_events", "repeated_events", "rejected_records", "customers")


def raw_rows(
    warehouse: DuckDBWarehouse | SparkWarehouse,
) -> dict[str, list[tuple[object, ...]]]:
    with warehouse.connect() as connection:
        return {
            table: connection.execute(
                # Each engine lays its own columns beside the data, which is whole on both.
                "select columns(lambda name: not starts_with(name, 'data_')"
                " and name not in ('other_data', 'first_data_texts', 'event_hash'))"
                f" from raw.{table} order by all"
            ).fetchall()
            for table in RAW_TABLES
        }


@pytest.mark.parametrize("place", PLACES)
def test_a_killed_load_loses_and_doubles_nothing(place: str, tmp_path: Path) -> None:
    """Usage would be billed twice, or not at all, after a restart."""
    landing = tmp_path / "landing"
    write_sample(landing, events=300)
    duck = DuckDBWarehouse(tmp_path / "warehouse.duckdb")
    spark = SparkWarehouse(tmp_path / "warehouse.spark")
    for round_number in range(2):
        for file in (landing / "usage").rglob("*.ndjson") if round_number else ():
            # Sent again in the second round, under another name: repeats over all history.
            shutil.copy(file, file.with_name(f"again-{file.name}"))
        with duck.connect() as connection:
            ingest_landing(connection, landing, LOADED_AT)
        command = [sys.executable, "-c", KILLED_LOAD, place, str(spark.path), str(landing)]
        assert subprocess.run(command, cwd=REPOSITORY, check=False).returncode == 9
        spark.ingest(landing, LOADED_AT, lambda _message: None)
        assert raw_rows(spark) == raw_rows(duck)
    with spark.connect() as connection:
        (repeated,) = connection.execute("select count(*) from raw.repeated_events").fetchall()
    assert repeated[0] > 10


def forget_columns(warehouse: Path) -> None:
    """Take columns out of the first load, as if an older version had begun the warehouse."""
    for table, columns in (
        ("repeated_events", "source, data"),
        ("customers", "tax_treatment"),
    ):
        (file,) = (warehouse / "raw" / "load-000000" / table).glob("*.parquet")
        older = file.with_name("older.parquet")
        duckdb.sql(f"select * exclude ({columns}) from '{file}'").write_parquet(str(older))
        file.unlink()


def test_a_killed_build_is_made_whole_by_the_next(
    tmp_path: Path, dbt_folders: dict[str, Path]
) -> None:
    """Half a table would stay where the next run does not look, on an older warehouse too."""
    missing = missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    installation = Installation(tmp_path / "spark", tmp_path / "dbt", "spark")
    shutil.copytree(REPOSITORY / "pricing_seeds", installation.pricing)
    write_sample(installation.landing, events=300)
    installation.ingest()
    forget_columns(installation.warehouse)
    other = Installation(tmp_path / "duckdb", dbt_folders["duckdb"])
    shutil.copytree(installation.pricing, other.pricing)
    shutil.copytree(installation.landing, other.landing)
    other.bill("2026-03", tested=False)

    project = link_dbt_project(REPOSITORY / "dbt", installation.pricing, tmp_path / "dbt")
    tables = installation.warehouse / "tables"
    for place in ("staging/stg_accounts__customers", "metering/met_usage_slices"):
        # All that is on the way to the table, and nothing that would come after it.
        model = place.partition("/")[2]
        build = start_build(project, installation.warehouse, tmp_path / "conf", model)
        while build.poll() is None and not (tables / place).exists():
            time.sleep(0.01)
        assert build.poll() is None, f"ended before {place} was begun"
        os.killpg(build.pid, signal.SIGKILL)
        build.wait()
    build = start_build(project, installation.warehouse, tmp_path / "conf")
    assert build.wait() == 0
    duck, spark = other.store, installation.store
    assert isinstance(duck, DuckDBWarehouse)
    assert isinstance(spark, SparkWarehouse)
    differences = differing_rows(duck, spark)
    assert [(row.mart, row.engine, row.text) for row in differences[:10]] == []


def start_build(
    project: Path, warehouse: Path, conf: Path, *models: str
) -> subprocess.Popen[bytes]:
    """Start dbt on Spark in a process group of its own, with its tables in a catalogue."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.spark.build_once"),
            *(str(project), str(warehouse), str(conf), *models),
        ],
        cwd=REPOSITORY,
        env={**os.environ, "SPARK_CONF_DIR": str(conf)},
        start_new_session=True,
    )
