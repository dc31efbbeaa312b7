"""The embedded Spark: what it needs of the machine, and how it is set up for an installation.

What belongs here: master, memory, folders. What decides about amounts is in dbt/profiles.yml,
because it has to be the same on a cluster.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from dagster_project.lib.settings import Settings, SettingsError

# Most code runs once and is not worth the second compiler. The pass over the events is one
# method, so long that Java would leave it interpreted. The default collector cleans up beside
# the tasks and takes what a second core gains: 62 s became 32 for 4 million events on two.
_JAVA_OPTIONS = (
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:-DontCompileHugeMethods"
    " -XX:+UseParallelGC"
)
_LOG_SETTINGS = """\
rootLogger.level = error
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{HH:mm:ss} %p %c{1}: %m%n
"""


def missing_requirement() -> str | None:
    """What the embedded Spark lacks on this machine, in a sentence; None if it can start."""
    for module, package in (("pyspark", "pyspark"), ("dbt.adapters.spark", "dbt-spark")):
        if importlib.util.find_spec(module) is None:
            return f"Spark needs the package {package}; make spark installs it."
    java_home = os.environ.get("JAVA_HOME")
    if shutil.which("java") is None and not (
        java_home and (Path(java_home) / "bin" / "java").exists()
    ):
        return "Spark needs Java 17 or later, and no java was found."
    return None


def prepare_spark(settings: Settings) -> None:
    """Make the embedded Spark ready for dbt, where the settings ask for it.

    Raises: SettingsError in one sentence if this machine cannot run it.
    """
    if settings.target != "spark" or settings.spark_method != "session":
        return
    missing = missing_requirement()
    if missing is not None:
        raise SettingsError(f"METERHOUSE_TARGET is 'spark': {missing}")
    write_spark_conf(
        settings.spark_conf_dir,
        settings.warehouse,
        settings.spark_master,
        settings.spark_memory,
    )


def write_spark_conf(
    folder: Path,
    warehouse: Path,
    master: str,
    memory: str,
    spark_options: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write the configuration that SPARK_CONF_DIR points at; safe to run again.

    Args:
        folder: Created when missing.
        warehouse: Folder of the warehouse; the catalogue of its tables is kept in it.
        master: Where Spark runs, such as ``local[2]``.
        memory: Heap of the process, such as ``2g``.
        spark_options: Further options of Spark, which win over the others.
    """
    log = folder / "derby.log"
    options = {
        "spark.master": master,
        "spark.driver.memory": memory,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Every statement describes its plan for the pages that are off.
        "spark.sql.ui.explainMode": "simple",
        # Small results are put together again at run time.
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.warehouse.dir": str(warehouse / "tables"),
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={warehouse / 'metastore'};create=true"
        ),
        "spark.driver.extraJavaOptions": (f"-Dderby.stream.error.file={log} {_JAVA_OPTIONS}"),
    }
    options |= spark_options
    folder.mkdir(parents=True, exist_ok=True)
    warehouse.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{name} {value}\n" for name, value in options.items())
    (folder / "spark-defaults.conf").write_text(text, encoding="utf-8")
    (folder / "log4j2.properties").write_text(_LOG_SETTINGS, encoding="utf-8")


@contextmanager
def temporary_spark(
    folder: Path,
    master: str = "local[2]",
    memory: str = "2g",
    spark_options: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[None]:
    """An embedded Spark for this process whose catalogue ends with it.

    dbt takes the session that is there, and nothing is left beside the tables' files. For
    runs that begin with nothing: an incremental model of an earlier process is not known.
    """
    from pyspark.sql import SparkSession

    warehouse = folder / "warehouse"
    write_spark_conf(folder, warehouse, master, memory, spark_options)
    before = os.environ.get("SPARK_CONF_DIR")
    os.environ["SPARK_CONF_DIR"] = str(folder)
    try:
        builder = SparkSession.builder.config("spark.sql.catalogImplementation", "in-memory")
        session = builder.getOrCreate()
    finally:
        if before is None:
            del os.environ["SPARK_CONF_DIR"]
        else:
            os.environ["SPARK_CONF_DIR"] = before
    try:
        yield
    finally:
        session.stop()


@contextmanager
def ended_spark() -> Iterator[None]:
    """End the Spark that is started within, with its Java; one that was there goes on.

    It would keep the catalogue of the warehouse locked, and what it knows of the files, for as
    long as this process lives.
    """
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

    if _is_running():
        yield
        return
    try:
        yield
    finally:
        if _is_running():
            SparkSession.builder.getOrCreate().stop()
        gateway, SparkContext._gateway, SparkContext._jvm = SparkContext._gateway, None, None
        if gateway is not None:
            gateway.shutdown()
            # Java ends when nobody can write to it any more.
            gateway.proc.stdin.close()
            gateway.proc.wait()


def _is_running() -> bool:
    from pyspark import SparkContext

    return SparkContext._active_spark_context is not None
