"""Opening landed files: what they really are, and their text as the engine can read it.

A name may say something else than what is in the file, and some files are not as the engine
needs them: compressed with zstd, whose text it takes for latin-1, in UTF-16, with line ends of
two kinds, with invalid bytes. Of these a plain copy is read. Sound files are only looked at:
their head here, and a gzip file to its end, as the engine reads a truncated one without
complaint.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

from dagster_project.lib.ingest.landing import LandedFile, UnreadableFileError

BLOCK_BYTES = 1 << 20
HEAD_BYTES = 1 << 12
# Stands before every invalid byte in a clean copy; no JSON text may hold it unescaped.
INVALID_BYTE_MARK = "\x01"
PLAIN = "utf-8-sig"

AS_CSV = "save it as CSV in UTF-8"
UNPACKED = "unpack it"
COMPRESSED_AGAIN = "unpack it, or compress it with gzip or zstd"
AS_RECORDS = "write it as Parquet, NDJSON or CSV"
# How a file begins that is something else, what it is, and what to do about it.
CONTENTS = (
    (rb"\x1f\x8b", "gzip", "let its name end in .gz"),
    (rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18", "zstd", "let its name end in .zst"),
    (rb"PAR1", "Parquet", "let its name end in .parquet"),
    (rb"PARE", "encrypted Parquet", "write it without encryption"),
    (
        rb"PK(?:\x03\x04|\x05\x06)",
        "a zip archive or an Excel workbook",
        f"{UNPACKED}, or {AS_CSV}",
    ),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an Excel workbook", AS_CSV),
    (rb"BZh[1-9]1AY&SY", "bzip2", COMPRESSED_AGAIN),
    (rb"\xfd7zXZ\x00", "xz", COMPRESSED_AGAIN),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACKED),
    (rb"%PDF-", "a PDF", AS_CSV),
    (rb"Obj\x01", "Avro", AS_RECORDS),
    (rb"ARROW1\x00\x00", "an Arrow file", AS_RECORDS),
    (rb"SQLite format 3\x00", "an SQLite database", AS_CSV),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture", AS_CSV),
    (
        rb"(?i)(?:\xef\xbb\xbf)?\s*<(?:!doctype|html|head|body|table|script|\?xml|!--)",
        "a web page or XML",
        "fetch the data itself, as its source may have answered with an error or a login",
    ),
)
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def content_of(head: bytes) -> tuple[str, str] | None:
    """Return what a file is that begins like this, and the way out; None for text."""
    for pattern, what, way_out in CONTENTS:
        if re.match(pattern, head):
            return what, way_out
    return None


def encoding_of(head: bytes) -> str:
    """Return the encoding of a text file that begins like this.

    JSON and the header of a CSV begin with ASCII, so zeros among the first characters tell of
    UTF-16 without its mark (RFC 4627, section 3).
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return encoding
    zeros = [byte == 0 for byte in head[:4]]
    return {
        (False, True, True, True): "utf-32-le",
        (True, True, True, False): "utf-32-be",
        (False, True, False, True): "utf-16-le",
        (True, False, True, False): "utf-16-be",
    }.get(cast(tuple[bool, bool, bool, bool], tuple(zeros)), PLAIN)


def check_readable(file: LandedFile) -> LandedFile:
    """Look at what a file really is, and prove that a gzip file is whole.

    Returns: the file with its encoding.

    Raises:
        UnreadableFileError: permission, truncation, damage, or content of another kind.
    """
    try:
        with open(file.path, "rb") as raw:
            head = raw.read(HEAD_BYTES)
            check_head(file, head)
            if file.format == "parquet":
                raw.seek(-4, io.SEEK_END)
                if raw.read(4) != b"PAR1":
                    raise UnreadableFileError(
                        "Parquet without its footer, so it is not whole: write it again"
                    )
                return file
        if file.compression != "none":
            with open_bytes(file) as stream:
                head = stream.read(HEAD_BYTES)
                while file.compression == "gzip" and stream.read(BLOCK_BYTES):
                    pass
            content = content_of(head)
            if content:
                raise UnreadableFileError(
                    f"inside its compression it is {content[0]}: {content[1]}"
                )
    except OSError as error:
        raise UnreadableFileError(f"cannot be read: {error.strerror or error}") from error
    return replace(file, encoding=encoding_of(head))


def check_head(file: LandedFile, head: bytes) -> None:
    """Compare the first bytes of a file with what its name says.

    Raises:
        UnreadableFileError: it is something else.
    """
    content = content_of(head)
    if file.format == "parquet":
        named, is_it = "Parquet", bool(content and content[0] == "Parquet")
    elif file.compression != "none":
        named, is_it = file.compression, bool(content and content[0] == file.compression)
    else:
        named, is_it = file.format, content is None
    if is_it:
        return
    if not head:
        raise UnreadableFileError(f"its name says {named}, but it is empty: write it again")
    what, way_out = content or ("not compressed", "let its name end as that of plain text")
    if file.format == "parquet" and not content:
        what, way_out = "something else", "write it again, or let its name say what it is"
    raise UnreadableFileError(f"its name says {named}, but it is {what}: {way_out}")


@contextmanager
def open_bytes(file: LandedFile) -> Iterator[BinaryIO]:
    """Open a file for its decompressed bytes.

    Raises:
        UnreadableFileError: while reading, where the compressed file is damaged or cut.
    """
    with open(file.read_path, "rb") as raw:
        stream: BinaryIO = raw
        if file.compression == "gzip":
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        elif file.compression == "zstd":
            # Takes a fifth of a second to import.
            import pyarrow

            stream = cast(BinaryIO, pyarrow.CompressedInputStream(raw, "zstd"))
        try:
            yield stream
        except (EOFError, zlib.error, OSError) as error:
            # What the system has to say, such as a full disk, has a number.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise UnreadableFileError(
                f"cannot be decompressed to its end, so it is cut or damaged ({error}):"
                " write it again"
            ) from error


@contextmanager
def open_text(file: LandedFile) -> Iterator[io.TextIOWrapper]:
    """Open a file for its decompressed text: invalid bytes marked, line ends as they are."""
    with open_bytes(file) as stream:
        # A reader of its own, since not every stream gives as much as it is asked for.
        yield io.TextIOWrapper(
            cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, stream), BLOCK_BYTES)),
            encoding=file.encoding,
            errors="meterhouse_mark",
            newline="",
        )


def mark_invalid_bytes(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: each invalid byte becomes a mark and its hexadecimal escape."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    invalid = error.object[error.start : error.end]
    return "".join(f"{INVALID_BYTE_MARK}\\x{byte:02x}" for byte in invalid), error.end


codecs.register_error("meterhouse_mark", mark_invalid_bytes)


def invalid_byte_in(text: str) -> str | None:
    """Return the escape of the first invalid byte in a text that was opened as one."""
    found = re.search(INVALID_BYTE_MARK + r"(\\x[0-9a-f]{2})", text)
    return found[1] if found else None


def has_lone_return(file: LandedFile) -> bool:
    """Tell whether a carriage return ends a line, or stands in one."""
    with open_bytes(file) as stream:
        last = b""
        while block := stream.read(BLOCK_BYTES):
            if re.search(rb"\r(?!\n|\Z)", last + block):
                return True
            last = block[-1:]
    return last == b"\r"


def needs_copy(file: LandedFile) -> bool:
    """Tell whether the engine cannot read a text file as it is."""
    return file.compression == "zstd" or file.encoding != PLAIN


def plain_copy(file: LandedFile, folder: Path) -> LandedFile:
    """Return a file with a decompressed copy in UTF-8 to read, in bounded memory.

    Bytes of UTF-8 are copied as they are, invalid ones too; of other encodings these
    are marked.
    """
    is_marked = False
    target = folder / f"plain-{len(os.listdir(folder))}-{os.urandom(4).hex()}"
    if file.encoding == PLAIN:
        with open_bytes(file) as stream, open(target, "wb") as output:
            while block := stream.read(BLOCK_BYTES):
                output.write(block)
    else:
        with (
            open_text(file) as text,
            open(target, "w", encoding="utf-8", newline="") as written,
        ):
            while part := text.read(BLOCK_BYTES):
                is_marked = is_marked or INVALID_BYTE_MARK in part
                written.write(part)
    return replace(
        file,
        read_path=str(target),
        compression="none",
        encoding=PLAIN,
        is_marked=is_marked,
    )


def clean_copy(
    file: LandedFile, folder: Path, delimiter: str = "", lines_before: int = 0
) -> Path:
    """Write a plain copy of a text file: the same lines, all with one kind of end.

    Usage has its invalid bytes marked, so that they cost one record each. Of a CSV, which has
    a delimiter, line breaks inside quotes are part of a value, blank lines no records, the
    header is one line, and what stands before it is left out.

    Raises:
        UnreadableFileError: an invalid byte in anything but usage, which is never half loaded.
    """
    target = folder / f"clean-{os.urandom(8).hex()}"
    opening = re.compile(rf'(?:^|{re.escape(delimiter)})"') if delimiter else None
    is_open, is_header = False, bool(delimiter)
    with open_text(file) as text, open(target, "w", encoding="utf-8", newline="") as output:
        for number, line in enumerate(text, start=1):
            if number <= lines_before:
                continue
            invalid = file.kind != "usage" and invalid_byte_in(line)
            if invalid:
                raise UnreadableFileError(
                    f"line {number} is not UTF-8 (byte {invalid}): save the file as UTF-8"
                )
            if opening and (is_open or '"' in line):
                is_open = ends_in_quotes(line, is_open, opening)
            elif opening and not line.strip():
                # A message about accounts names a line, a rejected record is counted.
                line = "" if file.kind == "usage" else "\n"
            if is_header and is_open:
                line = line.rstrip("\r\n") + " "
            elif line and not is_open:
                line = line.rstrip("\r\n") + "\n"
            is_header = is_header and is_open
            output.write(line)
    return target


CLOSING = re.compile(r'[^"]*(?:""[^"]*)*"(?!")')


def ends_in_quotes(line: str, is_open: bool, opening: re.Pattern[str]) -> bool:
    """Tell whether a quoted CSV value goes on after a line."""
    position = 0
    while True:
        if is_open:
            closed = CLOSING.match(line, position)
            if not closed:
                return True
            position = closed.end()
        found = opening.search(line, position)
        if not found:
            return False
        position, is_open = found.end(), True
