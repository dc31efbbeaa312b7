"""An embedded Spark for all tests of a process, and a server; they skip without Java."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_project.lib.spark_session import (
    missing_requirement,
    temporary_spark,
    write_spark_conf,
)
from tests.spark.build_once import FEW_ROWS

_PATIENCE_SECONDS = 120
_THRIFT_SERVER = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A running Spark, which dbt finds by itself."""
    missing = missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    with temporary_spark(tmp_path_factory.mktemp("spark"), spark_options=FEW_ROWS):
        yield


@pytest.fixture(scope="module")
def thrift_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The settings that name a Thrift server with a catalogue on the disk."""
    missing = missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    import pyspark

    home, folder = Path(pyspark.__path__[0]), tmp_path_factory.mktemp("thrift")
    write_spark_conf(folder / "conf", folder / "warehouse", "local[2]", "2g", FEW_ROWS)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    variables = {"SPARK_HOME": str(home), "SPARK_CONF_DIR": str(folder / "conf")}
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                *(str(home / "bin" / "spark-submit"), "--class", _THRIFT_SERVER),
                "spark-internal",
                *("--hiveconf", f"hive.server2.thrift.port={port}"),
            ],
            cwd=folder,
            env={**os.environ, **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for(server, port, folder / "log")
        yield {"METERHOUSE_SPARK_METHOD": "thrift", "METERHOUSE_SPARK_PORT": str(port)}
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Until the server takes connections."""
    for _ in range(_PATIENCE_SECONDS):
        assert server.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", port)) == 0:
                return
        time.sleep(1)
    raise AssertionError(f"no Thrift server after {_PATIENCE_SECONDS} s: {log.read_text()}")


@pytest.fixture(scope="session")
def dbt_folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders in which dbt runs, one for each engine: it parses for one of them."""
    return {target: tmp_path_factory.mktemp(target) for target in ("duckdb", "spark")}
