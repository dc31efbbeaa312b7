"""What the landing sensor decides, as a function of its cursor and the listing alone.

Also how files are told apart that have the same name, here and by what has been loaded.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dagster_project.lib.ingest.landing import new_files, source_file_name


@dataclass(frozen=True)
class LandingDecision:
    """Whether to load, under which run key, and the cursor to keep.

    The run key is made from the files, so that the same files never start a second run, on
    whatever clock and after whatever restart.
    """

    run_key: str | None
    cursor: str
    file_count: int


def decide_load(cursor: str | None, listing: Iterable[str]) -> LandingDecision:
    """Decide whether files have landed since the cursor was set.

    Args:
        cursor: What the last decision returned, or None at the first.
        listing: A text for each landed file, in any order; another text is another file.
    Returns: A decision to load when the listing is not empty and differs from the cursor's.
    """
    names = sorted(set(listing))
    digest = hashlib.sha256("\x00".join(names).encode("utf-8", "surrogateescape")).hexdigest()
    run_key = digest if names and digest != cursor else None
    return LandingDecision(run_key=run_key, cursor=digest, file_count=len(names))


def list_landing(landing: Path) -> Iterator[str]:
    """A text for each landed file: its path, size, and the times of its content and its inode.

    A file that could not be opened may have been replaced under its name, perhaps by one of
    the same size and age, or may only have been given other permissions.
    """
    for path in new_files(set(), landing):
        try:
            found = path.stat()
        except OSError:
            # A link to nothing, or taken away a moment ago; what is put there has a size.
            yield path.relative_to(landing).as_posix()
            continue
        yield "\x00".join(
            (
                path.relative_to(landing).as_posix(),
                str(found.st_size),
                str(found.st_mtime_ns),
                str(found.st_ctime_ns),
            )
        )


def changed_files(landing: Path, loaded_sizes: Mapping[str, int]) -> list[str]:
    """Say which files are no longer as they were when they were loaded.

    Args:
        landing: The landing directory.
        loaded_sizes: Size in bytes of each loaded file, by its path in the landing directory.
    """
    changed = []
    for path in new_files(set(), landing):
        name = source_file_name(path, landing)
        loaded = loaded_sizes.get(name)
        if loaded is None:
            continue
        try:
            size = path.stat().st_size
        except OSError:
            continue
        if size != loaded:
            changed.append(
                f"{name}: had {loaded:,} bytes when it was loaded and has {size:,} now"
            )
    return changed
