"""PDFs of drafts that are made of the same as the last time, and are not made again.

What belongs here: what the PDFs in place were made of.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path

# Beside the folders of the periods, which hold what people read.
_MADE_OF = ".drafts"


class KeptDrafts:
    """Which PDFs can stay, and of what those of this run are made; for several threads.

    Args:
        templates: Folder of the templates; a change of any file makes all PDFs anew.
    """

    def __init__(self, templates: Path) -> None:
        digest = hashlib.sha256(version("typst").encode())
        for file in sorted(path for path in templates.rglob("*") if path.is_file()):
            digest.update(f"\0{file.relative_to(templates)}\0".encode())
            digest.update(file.read_bytes())
        self._templates = digest.hexdigest()
        # By period folder and file name: of what it was made, and the file itself
        self._before: dict[Path, dict[str, tuple[str, str]]] = {}
        self._made: dict[Path, dict[str, tuple[str, str]]] = {}

    def place(self, path: Path, content: str) -> bool:
        """Put the PDF in place into the staging folder, if it was made of the same.

        Args:
            path: The file in a staging folder within the folder of its period.
            content: All that the template is given.
        Returns: Whether the file is there now; otherwise it is to be written and noted.
        """
        folder, name = path.parent.parent, path.name
        made_of = hashlib.sha256(f"{self._templates} {content}".encode()).hexdigest()
        if folder not in self._before:
            self._before[folder] = _read(folder)
        before = self._before[folder].get(name)
        placed = folder / name
        # Somebody may have written over it.
        if before and before[0] == made_of and _is_same(placed, before[1]):
            shutil.copyfile(placed, path)
            self._made.setdefault(folder, {})[name] = before
            return True
        self._made.setdefault(folder, {})[name] = (made_of, "")
        return False

    def note(self, path: Path) -> None:
        """Note a PDF that has been written, if it is one that was asked for before."""
        made = self._made.get(path.parent.parent, {})
        if path.name in made:
            made[path.name] = (made[path.name][0], _file_digest(path))

    def remember(self, folder: Path) -> None:
        """Write down of what the drafts of a period are made, once they are in place."""
        file = _file(folder)
        made = self._made.get(folder)
        if made:
            file.parent.mkdir(exist_ok=True)
            file.write_text(json.dumps(made), "utf-8")
        else:
            file.unlink(missing_ok=True)


def _file(folder: Path) -> Path:
    return folder.parent / _MADE_OF / f"{folder.name}.json"


def _read(folder: Path) -> dict[str, tuple[str, str]]:
    try:
        found = json.loads(_file(folder).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {name: (made_of, file) for name, (made_of, file) in found.items()}


def _is_same(path: Path, digest: str) -> bool:
    return path.exists() and _file_digest(path) == digest


def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
