"""One embedded Spark for all tests of a process; without Java they are skipped."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_project.lib.spark_session import missing_requirement, temporary_spark
from tests.spark.build_once import FEW_ROWS


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A running Spark, which dbt finds by itself."""
    missing = missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    with temporary_spark(tmp_path_factory.mktemp("spark"), spark_options=FEW_ROWS):
        yield


@pytest.fixture(scope="session")
def dbt_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders in which dbt runs, one for each engine: it parses for one of them."""
    return {target: tmp_path_factory.mktemp(target) for target in ("duckdb", "spark")}
