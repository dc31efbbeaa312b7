"""A table of text, which the command prints and a test reads."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class TextTable:
    """A title, the names of the columns, and rows of as many cells; a cell may have lines."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
