"""What can be wrong with a file of the price book as a whole, or with its name or header.

What belongs here: one sentence for a file that is not what it seems, and the names that
nobody reads. What stands in the rows is not looked at.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

from dagster_project.lib.misspelling import meant_name, nearest_name, squeezed
from dagster_project.lib.price_book.defects import Defect

_OTHER_FORMATS = {
    b"PK\x03\x04": "a spreadsheet or an archive",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"\x1f\x8b": "compressed",
    b"\x28\xb5\x2f\xfd": "compressed",
    b"PAR1": "a Parquet file",
}
_WIDE_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
# Endings under which somebody may keep a table that is then not read.
TABLE_ENDINGS = (".csv", ".tsv", ".txt", ".xlsx", ".xls", ".ods", ".json", ".parquet")
_SAVE_AS = "save it as CSV in UTF-8 with commas between the columns"


class UnusableFileError(ValueError):
    """A file that is no table of text; the message says what it is and the way out."""

    def __init__(self, message: str, line: int = 1) -> None:
        super().__init__(message)
        self.line = line


def table_text(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises: UnusableFileError if it is not UTF-8.
    """
    content = path.read_bytes()
    for mark, what in _OTHER_FORMATS.items():
        if content.startswith(mark):
            raise UnusableFileError(f"the file is {what} and not text; {_SAVE_AS}")
    if content.startswith(_WIDE_MARKS) or b"\x00" in content[:1000]:
        raise UnusableFileError(f"the text is not UTF-8 but UTF-16 or the like; {_SAVE_AS}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        broken = content[content.rfind(b"\n", 0, error.start) + 1 :].split(b"\n", 1)[0]
        # Every byte is a letter there, so this is a guess to show; nothing is read by it.
        shown = broken.decode("latin-1")[:60].strip()
        raise UnusableFileError(
            f"the text is not UTF-8 but perhaps Latin-1, as in {shown!r}; {_SAVE_AS}", line
        ) from error


def check_first_line(line: str, header: list[str], known: tuple[str, ...]) -> None:
    """See to it that a file has its header, and commas in it.

    Args:
        line: The first line that is not blank, as it stands.
        header: Its names, parted at commas.
        known: The columns of the table.
    Raises: UnusableFileError if the names of columns are not there, or parted otherwise.
    """
    columns = {squeezed(name) for name in known}
    if any(squeezed(name) in columns for name in header if len(header) > 1):
        return
    for separator, name in _SEPARATORS.items():
        names = [squeezed(part.strip('" ')) for part in line.split(separator)]
        if len(names) > 1 and any(part in columns for part in names):
            raise UnusableFileError(f"the columns are parted by {name}; {_SAVE_AS}")
    alike = sum(meant_name(name, known) is not None for name in header)
    if 2 * alike <= len(header):
        raise UnusableFileError(
            f"the file has no header: its first line, {line[:60]!r}, names no column; write"
            f" {','.join(known[:3])} and so on above it"
        )


def check_parting(fields: list[str], header: list[str], line: int) -> None:
    """See to it that a row is parted as the header is.

    Raises: UnusableFileError if it is parted by something else.
    """
    for separator, name in _SEPARATORS.items():
        if len(fields) == 1 < len(header) == fields[0].count(separator) + 1:
            message = f"the header is parted by commas and the rows by {name}; {_SAVE_AS}"
            raise UnusableFileError(message, line)


def check_header(
    file: str, header: list[str], required: tuple[str, ...], optional: tuple[str, ...]
) -> tuple[list[Defect], list[Defect]]:
    """Name the columns that are missing, twice there or not known.

    Returns: What keeps the rows from being read, and the names that nobody reads.
    """
    known = (*required, *optional)
    broken, unread = [], []
    written = {squeezed(name) for name in header}
    for column in required:
        # Written in capitals it is there, and said below.
        if column not in header:
            defect = Defect(file, 1, column, f"the column {column} is missing")
            broken += [] if squeezed(column) in written else [defect]
    for column, times in Counter(header).items():
        if column.strip() and times > 1:
            message = f"the column {column} is there {times} times"
            broken.append(Defect(file, 1, column, message))
    unnamed = [str(number) for number, name in enumerate(header, 1) if not name.strip()]
    if unnamed:
        message = f"the header has no name for column {', '.join(unnamed)}"
        unread.append(Defect(file, 1, "", message))
    for column in dict.fromkeys(header):
        if column.strip() and column not in known:
            message = f"the column {column[:60]!r} is unknown; {_advice(column, known)}"
            is_written_otherwise = squeezed(column) in map(squeezed, known)
            (broken if is_written_otherwise else unread).append(
                Defect(file, 1, column[:60], message)
            )
    return broken, unread


def _advice(column: str, known: tuple[str, ...]) -> str:
    nearest = nearest_name(column, known)
    if nearest is None:
        return f"known are {', '.join(known)}"
    if squeezed(nearest) == squeezed(column):
        return f"it has to be written {nearest}"
    return f"{nearest} was probably meant"


def unread_files(folder: Path, tables: Collection[str]) -> Iterator[Defect]:
    """Name the files of a price book that are no table of it.

    Args:
        folder: Holds the price book.
        tables: Its tables, by name of file.
    Returns: A defect for a name that resembles a table's, a warning for another CSV file.
    """
    stems = [file.removesuffix(".csv") for file in tables]
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        ending = path.suffix.casefold()
        if path.name in tables or path.name.startswith(".") or ending not in TABLE_ENDINGS:
            continue
        meant = meant_name(path.stem, stems)
        # A spreadsheet from which the table was made may lie beside it.
        if meant and (ending == ".csv" or not (folder / f"{meant}.csv").exists()):
            message = f"nobody reads this file; {meant}.csv was probably meant"
            yield Defect(path.name, 1, "", message)
        elif ending == ".csv":
            message = f"nobody reads this file; the tables are {', '.join(stems)}"
            yield Defect(path.name, 1, "", message, is_warning=True)
