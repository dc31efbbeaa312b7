"""Fixtures of the golden bills."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which dbt runs, one for the whole test run of a process."""
    return tmp_path_factory.mktemp("dbt")
