"""Paths as every engine takes them: a name that means something to one is kept from it.

Dagster and dbt-duckdb read a path as a URL, dbt-duckdb writes it into SQL, and DuckDB takes
brackets and asterisks for a pattern that may fit other folders as well.
"""

import hashlib
import os
import re
from pathlib import Path

from dagster_project.lib.replaced import replaced

PLAIN = r"[\w .+=,@~-]"


def is_plain(name: str) -> bool:
    """Tell whether a name of a file or folder is only a name to every engine."""
    return re.fullmatch(f"{PLAIN}*", name) is not None


def plain_path(path: Path, *, create: bool) -> Path:
    """Return a path to the same place without anything but plain names.

    Args:
        path: An absolute path; it is returned as it is where its names are plain. Otherwise
            its last folder whose name is not gets a link in the cache folder of the person,
            the same one in each process.
        create: Make that folder where it is missing, since none can be made behind a link.
    """
    strange = [number for number, name in enumerate(path.parts[1:], 1) if not is_plain(name)]
    if not strange:
        return path
    # Takes 5 ms to import, which others need not wait for.
    from platformdirs import user_cache_path

    folder = Path(*path.parts[: strange[-1] + 1])
    if create:
        folder.mkdir(parents=True, exist_ok=True)
    links = user_cache_path("meterhouse", ensure_exists=True)
    link = links / hashlib.sha256(os.fsencode(folder)).hexdigest()[:20]
    if not link.is_symlink() or link.readlink() != folder:
        with replaced(link) as new:
            new.symlink_to(folder)
    return link.joinpath(*path.parts[strange[-1] + 1 :])
