"""The dbt project as one installation sees it: our models over its own price book.

What belongs here: the folder that dbt runs in, made of links and of completed price tables.
Completed are the columns that a table leaves out, and numbers that not every engine reads.
dbt wants its seeds beside the project and writes what it compiles under the same relative
path; given a price book elsewhere by an absolute path, it would write over the book itself.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import yaml

from dagster_project.lib.exact_numbers import plain_number
from dagster_project.lib.replaced import NEW, replaced

_NUMERIC = ("decimal", "integer", "bigint")
_LINKED = ("dbt_project.yml", "profiles.yml", "models", "macros", "tests")


def link_dbt_project(source: Path, pricing_dir: Path, run_dir: Path) -> Path:
    """Lay out ``run_dir/project`` and ``run_dir/pricing_seeds``; safe to run again.

    Args:
        source: The repository's ``dbt`` folder; its sibling ``pricing_seeds`` has the columns
            and their types of every price table.
        pricing_dir: Folder of the price book's CSV files. A table or column that it leaves out
            is empty: models read all of them. A number is given to dbt without an exponent.
        run_dir: Folder of the installation, written to.
    Returns: The project folder to give to dbt.
    Raises: OSError if a link cannot be made.
    """
    project, seeds = run_dir / "project", run_dir / "pricing_seeds"
    links = {project / name: source / name for name in _LINKED}
    tables = {}
    for types in sorted((source.parent / "pricing_seeds").glob("*.yml")):
        links[seeds / types.name] = types
        table = pricing_dir / f"{types.stem}.csv"
        completed = _completed_table(table, seed_columns(types))
        if completed is None:
            links[seeds / table.name] = table
        else:
            tables[seeds / table.name] = completed
    for folder in (project, seeds):
        folder.mkdir(parents=True, exist_ok=True)
        for stale in folder.iterdir():
            # Another process may be about to put a new one in its place.
            if stale in links or stale in tables or stale.suffix == NEW:
                continue
            # dbt run by hand leaves folders of its own.
            if stale.is_dir() and not stale.is_symlink():
                shutil.rmtree(stale)
            else:
                stale.unlink(missing_ok=True)
    for link, goal in links.items():
        if not link.is_symlink() or link.readlink() != goal:
            with replaced(link) as new:
                new.symlink_to(goal)
    for copy, text in tables.items():
        # Written only when it changes: a younger file makes dbt parse everything anew.
        if copy.is_symlink() or not copy.exists() or copy.read_text("utf-8") != text:
            with replaced(copy) as new:
                new.write_text(text, "utf-8")
    return project


def seed_columns(types: Path) -> dict[str, str]:
    """The columns of a price table, in the order of its yml, with their types."""
    (seed,) = yaml.safe_load(types.read_text("utf-8"))["seeds"]
    declared = seed["config"]["column_types"]
    return {
        column["name"]: declared.get(column["name"], "string") for column in seed["columns"]
    }


def _completed_table(table: Path, types: Mapping[str, str]) -> str | None:
    """The table with every column and plain numbers; None when it has them already."""
    # What is no UTF-8 is for the soundness check to say, with its row.
    text = table.read_text("utf-8-sig", "replace") if table.exists() else ",".join(types)
    header, *rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row] or [[]]
    missing = [name for name in types if name not in header]
    numeric = [types.get(name, "").startswith(_NUMERIC) for name in header]
    plain = [
        [
            plain_number(field) if is_numeric else field
            for field, is_numeric in zip(row, numeric, strict=False)
        ]
        for row in rows
    ]
    if table.exists() and not missing and plain == rows:
        return None
    output = io.StringIO(newline="")
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow([*header, *missing])
    writer.writerows([*row, *([""] * len(missing))] for row in plain)
    return output.getvalue()
