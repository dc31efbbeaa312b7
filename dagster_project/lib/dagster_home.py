"""The DAGSTER_HOME of an installation: run history under its data directory."""

import json
from pathlib import Path

from dagster_project.lib.replaced import replaced
from dagster_project.lib.settings import PROJECT_ROOT, Settings

_RUNS = "base_dir: history/runs"


def prepare_dagster_home(settings: Settings) -> Path:
    """Make the folder with the project's ``dagster.yaml`` in it; safe to run again."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    text = (PROJECT_ROOT / "dagster.yaml").read_text("utf-8")
    runs = json.dumps(str((home / "history" / "runs").resolve()), ensure_ascii=False)
    with replaced(home / "dagster.yaml") as new:
        new.write_text(text.replace(_RUNS, f"base_dir: {runs}"), "utf-8")
    return home
