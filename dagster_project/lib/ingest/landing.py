"""Files of the landing directory: finding and naming them.

Nothing here looks into a file.
"""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
TEXT_FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "json", ".csv": "csv"}
ACCOUNT_KINDS = ("customers", "subscriptions", "subjects", "pauses", "credit_grants")
FOLDERS = ("usage", "corrections", "accounts")
GLOB_CHARACTERS = frozenset("*?[]{}\\")
TEXT_ENCODING = "utf-8-sig"
SPECIAL_FILES = (
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISDIR, "a folder that cannot be listed"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class UnreadableFileError(Exception):
    """A landed file cannot be opened at all; the message says why."""


@dataclass(frozen=True)
class LandedFile:
    """One file of the landing directory.

    `source_file` is its posix path relative to the landing directory, `read_path` the path
    the engine is given: a link when the real name would be taken for a pattern, a copy when
    the engine cannot read the file as it is. Compression and encoding are those of the latter;
    a copy has its invalid bytes marked, if there are any.
    """

    path: Path
    source_file: str
    kind: str
    format: str
    compression: str
    size_bytes: int
    read_path: str
    encoding: str = TEXT_ENCODING
    is_marked: bool = False


def source_file_name(path: Path, landing: Path) -> str:
    """Return the posix path relative to the landing directory.

    A name that is no UTF-8 has its invalid bytes and its backslashes escaped, and a slash at
    its end: no other file has that name, also not one that is spelt like the escapes.
    """
    name = path.relative_to(landing).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        escaped = name.replace("\\", "\\\\").encode("utf-8", "surrogateescape")
        return escaped.decode("utf-8", "backslashreplace") + "/"
    return name


def is_ignored(name: str) -> bool:
    """Tell whether a file or folder of this name is one that is still being written."""
    return name.startswith(".") or name.endswith(".tmp")


def new_files(known: set[str], landing: Path) -> list[Path]:
    """List landed files whose name is not in `known`, ordered by that name.

    Names that start with a dot (folders too) or end in `.tmp` are left out. Links are
    followed, after everything that is there without one: a file or folder that is reached
    twice is taken once, so that no circle is endless. A folder that cannot be listed, or a
    link to one that holds the landing directory, is itself in the list, as are pipes and
    devices: somebody has to be told.
    """
    found: dict[str, Path] = {}
    # Of every real folder, and of every file that only a link leads to, whether its place is
    # one of an input: what lies elsewhere is taken where a link from `usage` leads to it.
    folders_seen: dict[str, bool] = {}
    files_seen: dict[str, bool] = {}
    folder_links: list[Path] = []
    file_links: list[Path] = []
    root = os.path.realpath(landing)
    waiting = [(landing, root)]
    while waiting or folder_links:
        if not waiting:
            folder_links.sort(reverse=True)
            link = folder_links.pop()
            goal = os.path.realpath(link)
            if f"{root}/".startswith(goal.rstrip("/") + "/"):
                found[source_file_name(link, landing)] = link
            else:
                waiting.append((link, goal))
            continue
        folder, real_folder = waiting.pop()
        placed = is_placed(folder, landing)
        if folders_seen.get(real_folder) in (True, placed):
            continue
        folders_seen[real_folder] = placed
        try:
            entries = list(os.scandir(folder))
        except FileNotFoundError:
            continue
        except OSError:
            found[source_file_name(folder, landing)] = folder
            continue
        for entry in entries:
            path = folder / entry.name
            is_folder = entry.is_dir(follow_symlinks=False)
            if entry.name.startswith(".") or (is_ignored(entry.name) and not is_folder):
                continue
            if is_folder:
                waiting.append((path, os.path.join(real_folder, entry.name)))
            elif entry.is_symlink():
                (folder_links if os.path.isdir(path) else file_links).append(path)
            else:
                found[source_file_name(path, landing)] = path
    for link in sorted(file_links):
        goal = os.path.realpath(link)
        parent, name = os.path.split(goal)
        is_found = folders_seen.get(parent) and not is_ignored(name) and os.path.exists(goal)
        if not is_found and not files_seen.get(goal):
            files_seen[goal] = is_placed(link.parent, landing)
            found[source_file_name(link, landing)] = link
    return [path for name, path in sorted(found.items()) if name not in known]


def is_placed(folder: Path, landing: Path) -> bool:
    """Tell whether files of a folder are an input."""
    parts = folder.relative_to(landing).parts
    return bool(parts) and parts[0] in FOLDERS


def file_format(name: str) -> tuple[str, str] | None:
    """Return (format, compression) from a file name, or None when the format is unknown."""
    lowered = name.lower()
    stem, extension = os.path.splitext(lowered)
    if extension == ".parquet":
        return "parquet", "none"
    compression = COMPRESSIONS.get(extension, "none")
    if compression != "none":
        extension = os.path.splitext(stem)[1]
    if extension not in TEXT_FORMATS:
        return None
    return TEXT_FORMATS[extension], compression


def file_kind(source_file: str) -> str | None:
    """Return usage, corrections or one of ACCOUNT_KINDS; None if misplaced."""
    folder, _, rest = source_file.rstrip("/").partition("/")
    name = rest.rpartition("/")[2]
    if not rest:
        return None
    if folder in ("usage", "corrections"):
        return folder
    if folder == "accounts":
        return next((kind for kind in ACCOUNT_KINDS if name.startswith(kind)), None)
    return None


def describe_file(path: Path, landing: Path, links: Path) -> LandedFile:
    """Classify a landed file.

    Raises:
        UnreadableFileError: the place or the format of the file is unknown.
    """
    source_file = source_file_name(path, landing)
    try:
        status = path.stat()
    except OSError as error:
        if os.path.islink(path):
            raise UnreadableFileError(
                f"a link to {os.readlink(path)}, which is not there: mend or remove the link"
            ) from error
        raise UnreadableFileError(f"cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        what = next(
            (what for is_it, what in SPECIAL_FILES if is_it(status.st_mode)), "special"
        )
        if path.is_symlink() and stat.S_ISDIR(status.st_mode):
            what = "a link to a folder that holds the landing directory"
        raise UnreadableFileError(f"{what}, not a file: remove it, or put a file in its place")
    kind = file_kind(source_file)
    if kind is None:
        raise UnreadableFileError(
            "not a known input: expected usage/**, corrections/*.csv or accounts/ with"
            f" {', '.join(f'{kind}*.csv' for kind in ACCOUNT_KINDS)}"
        )
    known_format = file_format(path.name)
    if known_format is None or (kind != "usage" and known_format[0] != "csv"):
        known = (".ndjson", ".jsonl", ".json", ".csv", ".parquet")
        raise UnreadableFileError(
            f"unknown format: {path.suffix or 'no extension'}; {kind} files are"
            f" {', '.join(known) if kind == 'usage' else '.csv'},"
            f" text also with {' or '.join(COMPRESSIONS)}"
        )
    read_path = str(path.absolute())
    if not read_path.isprintable() or GLOB_CHARACTERS & set(read_path):
        link = links / f"{len(os.listdir(links))}{path.suffix.lower()}"
        link.symlink_to(path.absolute())
        read_path = str(link)
    return LandedFile(path, source_file, kind, *known_format, status.st_size, read_path)


def remove_folder(folder: Path) -> None:
    """Delete a temporary folder, whatever is left in it."""
    shutil.rmtree(folder, ignore_errors=True)
