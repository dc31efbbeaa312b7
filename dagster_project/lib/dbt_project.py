"""The dbt project as one installation sees it: our models over its own price book.

What belongs here: the folder of links that dbt runs in. dbt wants its seeds beside the project
and writes what it compiles under the same relative path; given a price book elsewhere by an
absolute path, it would write over the price book itself.
"""

from __future__ import annotations

from pathlib import Path

_LINKED = ("dbt_project.yml", "profiles.yml", "models", "macros", "tests")


def link_dbt_project(source: Path, pricing_dir: Path, run_dir: Path) -> Path:
    """Lay out ``run_dir/project`` and ``run_dir/pricing_seeds`` as links; safe to run again.

    Args:
        source: The repository's ``dbt`` folder; its sibling ``pricing_seeds`` has the column
            types of every price table.
        pricing_dir: Folder of the price book's csv files.
        run_dir: Folder of the installation, written to.
    Returns: The project folder to give to dbt.
    Raises: OSError if a link cannot be made.
    """
    project, seeds = run_dir / "project", run_dir / "pricing_seeds"
    links = {project / name: source / name for name in _LINKED}
    links |= {seeds / path.name: path for path in pricing_dir.glob("*.csv")}
    types = source.parent / "pricing_seeds"
    links |= {seeds / path.name: path for path in types.glob("*.yml")}
    for folder in (project, seeds):
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.iterdir():
            if stale.is_symlink() and stale not in links:
                stale.unlink()
    for link, goal in links.items():
        if not link.is_symlink() or link.readlink() != goal:
            link.unlink(missing_ok=True)
            link.symlink_to(goal)
    return project
