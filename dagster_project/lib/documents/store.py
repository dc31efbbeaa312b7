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

from dagster_project.lib.documents.exact_form import read_head

SUFFIXES = (".html", ".pdf", ".json")
# A long document has its lines beside it as well.
LONG_SUFFIXES = (*SUFFIXES, ".csv")
_RENDERING = ".rendering"
# Holds what is being issued, and stays until the period has been rendered after the issue.
_ISSUING = ".issuing"
_NOT_RENDERED = ".not_rendered.json"
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
        return str(read_head(path)["content_hash"])
    except (ValueError, KeyError) as error:
        raise DocumentConflictError(
            f"{path.name} is not a document of ours: {error}."
        ) from error


def open_staging(folder: Path, *, issuing: bool = False) -> Path:
    """Make an empty folder on the documents' own disk, so that renames are atomic."""
    staging = folder / (_ISSUING if issuing else _RENDERING)
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    return staging


def put_in_place(staging: Path, folder: Path) -> None:
    """Rename every staged file into the period folder."""
    # The JSON says that its page and PDF are there, and the index links to all of them.
    order = {".html": 0, ".pdf": 1, ".csv": 2, ".json": 3}
    staged = sorted(
        staging.iterdir(),
        key=lambda path: (path.name == "index.html", order[path.suffix], path.name),
    )
    for path in staged:
        path.replace(folder / path.name)


def finish(folder: Path, keep: Iterable[str], not_rendered: dict[str, str]) -> None:
    """Remove drafts that are no more, and remember what could not be rendered.

    Args:
        folder: Documents of the period.
        keep: Names of the files of this run's drafts; all other drafts are removed.
        not_rendered: A sentence on each invoice that has no document, by invoice_id.
    """
    kept = set(keep)
    for path in folder.glob("draft-*"):
        if path.suffix in LONG_SUFFIXES and path.name not in kept:
            path.unlink()
    record = folder / _NOT_RENDERED
    if not_rendered:
        text = json.dumps(not_rendered, ensure_ascii=False, indent=2)
        record.write_text(text, encoding="utf-8")
    else:
        record.unlink(missing_ok=True)
    for name in (_RENDERING, _ISSUING):
        shutil.rmtree(folder / name, ignore_errors=True)


def unfinished_periods(documents_dir: Path) -> list[str]:
    """Billing periods whose documents are not all there.

    Returns: Those of an issue that has not been rendered since, because it also issued an
        older period or was killed, and those in which something could not be rendered.
    """
    found = [*documents_dir.glob(f"*/{_ISSUING}"), *documents_dir.glob(f"*/{_NOT_RENDERED}")]
    return sorted({path.parent.name for path in found})


def not_rendered(documents_dir: Path) -> dict[str, str]:
    """Read which invoices have no document, of all periods: a sentence by invoice_id."""
    found: dict[str, str] = {}
    for path in sorted(documents_dir.glob(f"*/{_NOT_RENDERED}")):
        found |= json.loads(path.read_text(encoding="utf-8"))
    return found
