"""Spark on this machine: what it lacks is said in a sentence, what it needs is written."""

from pathlib import Path

import pytest

from dagster_project.dbt_command import adapt_dbt_spark
from dagster_project.lib.settings import Settings, SettingsError
from dagster_project.lib.spark_session import missing_requirement, prepare_spark


def spark_settings(tmp_path: Path, **more: str) -> Settings:
    return Settings.from_environment(
        {"METERHOUSE_TARGET": "spark", "METERHOUSE_DATA_DIR": str(tmp_path / "data"), **more}
    )


def test_without_java_the_target_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of Java errors would not tell anybody what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(
        SettingsError, match=r"^METERHOUSE_TARGET is 'spark': Spark needs .*\.$"
    ):
        prepare_spark(spark_settings(tmp_path))


def test_a_cluster_needs_no_java_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who only points at a Thrift server would have to install Spark."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    settings = spark_settings(tmp_path, METERHOUSE_SPARK_METHOD="thrift")
    prepare_spark(settings)
    assert not settings.spark_conf_dir.exists()


def test_everything_spark_keeps_is_in_the_data_directory(tmp_path: Path) -> None:
    """Deleting the data directory has to reset everything that Spark knows."""
    missing = missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    settings = spark_settings(tmp_path, METERHOUSE_SPARK_MASTER="local[1]")
    prepare_spark(settings)
    lines = (settings.spark_conf_dir / "spark-defaults.conf").read_text().splitlines()
    options = dict(line.split(" ", 1) for line in lines)
    assert options["spark.master"] == "local[1]"
    for name in ("spark.sql.warehouse.dir", "spark.hadoop.javax.jdo.option.ConnectionURL"):
        assert str(settings.data_dir) in options[name]


def test_dbt_leaves_the_exact_mode_of_spark_on() -> None:
    """An amount that does not fit would be null, and missing from the invoice."""
    connections = pytest.importorskip("dbt.adapters.spark.connections")
    adapt_dbt_spark()
    adapt_dbt_spark()
    credentials = connections.SparkCredentials(
        host="none",
        schema="none",
        method=connections.SparkConnectionMethod.SESSION,
        database=None,
    )
    assert credentials.server_side_parameters["spark.sql.ansi.enabled"] == "true"
