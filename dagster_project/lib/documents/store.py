"""Files of a billing period: names, and replacing them without a moment of half a document.

Issued documents are written once and never again; drafts are replaced whole.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

SUFFIXES = (".html", ".pdf", ".json")
_STAGING_NAME = ".rendering"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
_LONGEST_NAME = 80


class DocumentConflictError(Exception):
    """An issued document on disk differs from the ledger; neither may be overwritten."""


def safe_name(text: str) -> str:
    """Make a file name of an id, different for different ids.

    Args:
        text: Any id; letters, digits, dot, dash and underscore are kept.
    Returns: The id itself if it was safe, else its safe letters and a short hash of the whole.
    """
    kept = _UNSAFE.sub("_", text)[:_LONGEST_NAME]
    if kept == text and text and not text.startswith("."):
        return text
    return f"{kept.lstrip('.')}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def issued_hash(folder: Path, stem: str) -> str | None:
    """Read the content hash of an issued document already in place, None if there is none."""
    path = folder / f"{stem}.json"
    if not path.exists():
        return None
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["content_hash"])
    except (ValueError, KeyError, TypeError) as error:
        raise DocumentConflictError(
            f"{path.name} is not a document of ours: {error}."
        ) from error


def open_staging(folder: Path) -> Path:
    """Make an empty folder on the documents' own disk, so that renames are atomic."""
    staging = folder / _STAGING_NAME
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    return staging


def put_in_place(staging: Path, folder: Path, keep_drafts: Iterable[str]) -> None:
    """Rename every staged file into the period folder and remove drafts that are no more.

    Args:
        staging: Folder from `open_staging`, gone afterwards.
        folder: Documents of the period.
        keep_drafts: Stems of the drafts of this run; drafts with another stem are removed.
    """
    # The JSON says that its page and PDF are there, and the index links to all of them.
    order = {".html": 0, ".pdf": 1, ".json": 2}
    staged = sorted(
        staging.iterdir(),
        key=lambda path: (path.name == "index.html", order[path.suffix], path.name),
    )
    for path in staged:
        path.replace(folder / path.name)
    staging.rmdir()
    kept = set(keep_drafts)
    for path in sorted(folder.glob("draft-*")):
        if path.suffix in SUFFIXES and path.stem not in kept:
            path.unlink()
