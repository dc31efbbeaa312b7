"""The DAGSTER_HOME of an installation: run history under its data directory."""

import shutil
from pathlib import Path

from dagster_project.lib.replaced import replaced
from dagster_project.lib.settings import PROJECT_ROOT, Settings


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder with the project's ``dagster.yaml`` in it; safe to run again."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    with replaced(home / "dagster.yaml") as new:
        shutil.copyfile(PROJECT_ROOT / "dagster.yaml", new)
    return home
