"""The DAGSTER_HOME of an installation: run history under its data directory."""

import os
import shutil
from pathlib import Path

from dagster_project.lib.settings import PROJECT_ROOT, Settings


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder with the project's ``dagster.yaml`` in it; safe to run again."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    # Another process may be reading it at this moment.
    copy = home / f".dagster-{os.getpid()}.yaml"
    shutil.copyfile(PROJECT_ROOT / "dagster.yaml", copy)
    copy.replace(home / "dagster.yaml")
    return home
