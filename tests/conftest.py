"""Fixtures shared by all tests; kept light, because every test module pays for its imports."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _no_settings_of_the_person_running_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see the default settings, whatever METERHOUSE_* the shell has set."""
    for name in list(os.environ):
        if name.startswith("METERHOUSE_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which dbt runs, one for the whole test run of a process."""
    return tmp_path_factory.mktemp("dbt")
