"""Fixtures shared by all tests; kept light, because every test module pays for its imports."""

import os
import sys
from pathlib import Path

import pytest

# Workers of pytest-xdist have a main module without a file. pyspark takes that for a run of
# its doctests and ends the process when great_expectations looks for it.
if not hasattr(sys.modules["__main__"], "__file__"):
    sys.modules["__main__"].__file__ = __file__


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file first: who comes to it last works on alone for ten minutes."""
    items.sort(key=lambda item: "test_same_bill" not in item.nodeid)


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
