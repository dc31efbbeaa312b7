"""Settings: one misspelt name must not send invoices to a default folder in silence."""

from pathlib import Path

import pytest

from dagster_project.lib.settings import PROJECT_ROOT, Settings, SettingsError, check_period


def test_folders_default_to_the_data_directory() -> None:
    """A reader who sets one directory gets everything in it."""
    settings = Settings.from_environment({"METERHOUSE_DATA_DIR": "/srv/billing"})
    assert settings.landing_dir == Path("/srv/billing/landing")
    assert settings.warehouse == Path("/srv/billing/warehouse.duckdb")
    assert settings.documents_dir == Path("/srv/billing/documents")
    assert settings.publish_dir == Path("/srv/billing/published")
    assert settings.data_docs_dir.is_relative_to(settings.data_dir)
    assert settings.dagster_home.is_relative_to(settings.data_dir)
    assert settings.dbt_target_dir.is_relative_to(settings.data_dir)


def test_nothing_set_means_the_folders_of_the_project() -> None:
    """The two commands of the README work without any setting."""
    settings = Settings.from_environment({})
    assert settings.data_dir == PROJECT_ROOT / "data"
    assert settings.pricing_dir == PROJECT_ROOT / "pricing_seeds"
    assert (settings.target, settings.first_period) == ("duckdb", "2020-01")
    assert (settings.run_history_days, settings.failure_webhook) == (90, "")


def test_each_engine_has_a_warehouse_of_its_own() -> None:
    """A change of engine must not open the file of one with the other."""
    settings = Settings.from_environment(
        {"METERHOUSE_TARGET": "spark", "METERHOUSE_DATA_DIR": "/srv/billing"}
    )
    assert settings.warehouse == Path("/srv/billing/warehouse.spark")
    assert settings.spark_conf_dir.is_relative_to(settings.data_dir)


def test_relative_paths_are_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child process runs elsewhere; a relative path would be another warehouse there."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.from_environment({"METERHOUSE_DATA_DIR": "here"})
    assert settings.data_dir == tmp_path / "here"
    assert all(
        Path(value).is_absolute()
        for name, value in settings.as_environment().items()
        if name.endswith(("_DIR", "_PATH", "WAREHOUSE"))
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("METERHOUSE_DATADIR", "/srv"),
        ("METERHOUSE_TARGET", "postgres"),
        ("METERHOUSE_SPARK_MASTERS", "local[2]"),
        ("METERHOUSE_FIRST_PERIOD", "2026-13"),
        ("METERHOUSE_RUN_HISTORY_DAYS", "0"),
        ("METERHOUSE_RUN_HISTORY_DAYS", "ninety"),
        ("METERHOUSE_FAILURE_WEBHOOK", "hooks.example.com/x"),
        ("METERHOUSE_FAILURE_WEBHOOK", "http://[x"),
    ],
)
def test_what_is_unknown_raises_and_names_itself(name: str, value: str) -> None:
    """A misspelt setting would otherwise bill from the wrong folder."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment({name: value})
    assert name in str(caught.value) or value in str(caught.value)


def test_settings_survive_the_way_to_a_child_process() -> None:
    """The child, dbt, has to see the very paths that Python uses."""
    settings = Settings.from_environment(
        {
            "METERHOUSE_DATA_DIR": "/srv/billing",
            "METERHOUSE_RUN_HISTORY_DAYS": "30",
            "METERHOUSE_FAILURE_WEBHOOK": "https://hooks.example.com/x",
        }
    )
    child = {k: v for k, v in settings.as_environment().items() if k.startswith("METERHOUSE")}
    assert Settings.from_environment(child) == settings


@pytest.mark.parametrize("text", ["2026-1", "2026-00", "202601", "2026-01-01", "", "²026-01"])
def test_a_period_is_a_year_and_a_month(text: str) -> None:
    """`--period 2026-1` must not bill some other month."""
    with pytest.raises(SettingsError):
        check_period(text)
