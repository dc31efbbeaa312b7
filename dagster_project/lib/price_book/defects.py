"""What can be wrong with a price book, as it is told to a person."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """One thing wrong in one place; ``row`` is the line in the file, the header being 1.

    ``column`` is empty when the defect is the whole row's or file's. What may be meant as it
    stands is a warning: it is shown, and refuses nothing.
    """

    file: str
    row: int
    column: str
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        return f"{self.file}, row {self.row}{column}: {self.message}."
