"""Files of the landing directory: finding, naming, checking and opening them.

Nothing here knows what is inside a record.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb

from dagster_project.lib.sql_text import quoted

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}
TEXT_FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".json": "json", ".csv": "csv"}
ACCOUNT_KINDS = ("customers", "subscriptions", "subjects", "pauses", "credit_grants")
GLOB_CHARACTERS = frozenset("*?[]{}\\")
# Stands before every invalid byte in a cleaned copy; no JSON text may hold it unescaped.
INVALID_BYTE_MARK = "\x01"
BLOCK_BYTES = 1 << 20
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


class UnreadableFileError(Exception):
    """A landed file cannot be opened at all; the message says why."""


@dataclass(frozen=True)
class LandedFile:
    """One file of the landing directory.

    `source_file` is its posix path relative to the landing directory, `read_path` the path
    the engine is given (a link when the real name would be taken for a pattern).
    """

    path: Path
    source_file: str
    kind: str
    format: str
    compression: str
    size_bytes: int
    read_path: str


def source_file_name(path: Path, landing: Path) -> str:
    """Return the posix path relative to the landing directory; undecodable bytes escaped."""
    name = path.relative_to(landing).as_posix()
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def new_files(known: set[str], landing: Path) -> list[Path]:
    """List landed files whose relative posix path is not in `known`, ordered by that path.

    Names that start with a dot (folders too) or end in `.tmp` are left out.
    """
    found: list[tuple[str, Path]] = []
    for folder, folder_names, file_names in os.walk(landing):
        folder_names[:] = [name for name in folder_names if not name.startswith(".")]
        for name in file_names:
            if name.startswith(".") or name.endswith(".tmp"):
                continue
            path = Path(folder, name)
            source_file = source_file_name(path, landing)
            if source_file not in known:
                found.append((source_file, path))
    return [path for _, path in sorted(found)]


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
    folder, _, rest = source_file.partition("/")
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
    kind = file_kind(source_file)
    if kind is None:
        raise UnreadableFileError(
            "not a known input: expected usage/**, corrections/*.csv or accounts/ with"
            " customers*.csv, subscriptions*.csv, subjects*.csv or credit_grants*.csv"
        )
    known_format = file_format(path.name)
    if known_format is None or (kind != "usage" and known_format[0] != "csv"):
        raise UnreadableFileError(f"unknown format: {path.suffix or 'no extension'}")
    try:
        size_bytes = path.stat().st_size
    except OSError as error:
        raise UnreadableFileError(str(error.strerror)) from error
    read_path = str(path.absolute())
    if not read_path.isprintable() or GLOB_CHARACTERS & set(read_path):
        link = links / f"{len(os.listdir(links))}{path.suffix.lower()}"
        link.symlink_to(path.absolute())
        read_path = str(link)
    return LandedFile(path, source_file, kind, *known_format, size_bytes, read_path)


def check_readable(file: LandedFile) -> None:
    """Prove that a file opens and that a compressed one is whole.

    The engine reads a truncated gzip or zstd file without complaint, so it is checked here.

    Raises:
        UnreadableFileError: permission, truncation or damage.
    """
    try:
        with open(file.path, "rb") as stream:
            if file.compression == "gzip":
                with gzip.GzipFile(fileobj=stream) as unzipped:
                    if stream.seek(0, io.SEEK_END) == 0:
                        raise UnreadableFileError("empty gzip file")
                    stream.seek(0)
                    while unzipped.read(BLOCK_BYTES):
                        pass
            elif file.compression == "zstd":
                walk_zstd_frames(stream, file.size_bytes)
            else:
                stream.read(1)
    except (OSError, EOFError, ValueError) as error:
        raise UnreadableFileError(f"cannot be read: {error}") from error
    except Exception as error:
        if type(error).__module__ == "zlib":
            raise UnreadableFileError(f"cannot be read: {error}") from error
        raise


def walk_zstd_frames(stream: BinaryIO, size_bytes: int) -> None:
    """Follow the block headers of a zstd file to its end, without decompressing.

    Raises:
        EOFError: the file ends inside a frame.
        ValueError: something in it is not a zstd frame.
    """
    if size_bytes == 0:
        raise EOFError("empty zstd file")

    def take(count: int) -> bytes:
        taken = stream.read(count)
        if len(taken) < count:
            raise EOFError("zstd file ends inside a frame")
        return taken

    while stream.tell() < size_bytes:
        magic = take(4)
        if magic[1:] == b"\x2a\x4d\x18" and magic[0] & 0xF0 == 0x50:
            stream.seek(int.from_bytes(take(4), "little"), io.SEEK_CUR)
            continue
        if magic != ZSTD_MAGIC:
            raise ValueError("not a zstd frame")
        descriptor = take(1)[0]
        is_single_segment = bool(descriptor & 0x20)
        dictionary_bytes = (0, 1, 2, 4)[descriptor & 3]
        size_field_bytes = (int(is_single_segment), 2, 4, 8)[descriptor >> 6]
        take((0 if is_single_segment else 1) + dictionary_bytes + size_field_bytes)
        is_last = False
        while not is_last:
            header = int.from_bytes(take(3), "little")
            is_last = bool(header & 1)
            is_repeated_byte = (header >> 1) & 3 == 1
            stream.seek(1 if is_repeated_byte else header >> 3, io.SEEK_CUR)
            if stream.tell() > size_bytes:
                raise EOFError("zstd file ends inside a frame")
        if descriptor & 4:
            take(4)


def mark_invalid_bytes(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler: each invalid byte becomes a mark and its hexadecimal escape."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    invalid = error.object[error.start : error.end]
    return "".join(f"{INVALID_BYTE_MARK}\\x{byte:02x}" for byte in invalid), error.end


codecs.register_error("meterhouse_mark", mark_invalid_bytes)


def text_blocks(
    connection: duckdb.DuckDBPyConnection, file: LandedFile, folder: Path
) -> Iterator[str]:
    """Yield the decompressed text of a file in blocks, invalid bytes marked, no BOM."""
    with open(file.path, "rb") as raw:
        stream: BinaryIO = raw
        if file.compression == "gzip":
            stream = gzip.GzipFile(fileobj=raw)  # type: ignore[assignment]
        elif file.compression == "zstd":
            stream = open(unpack_zstd(connection, file, folder), "rb")
        decoder = codecs.getincrementaldecoder("utf-8-sig")("meterhouse_mark")
        while block := stream.read(BLOCK_BYTES):
            yield decoder.decode(block)
        yield decoder.decode(b"", final=True)


def unpack_zstd(connection: duckdb.DuckDBPyConnection, file: LandedFile, folder: Path) -> Path:
    """Decompress a zstd file to a temporary file, bytes preserved, with the engine's reader.

    Read as latin-1 every byte is one character, so invalid UTF-8 survives the way.
    """
    target = folder / f"unzstd-{len(os.listdir(folder))}"
    binary = folder / f"{target.name}.bin"
    connection.execute(
        f"""
        copy (
            select line from read_csv(
                $1, columns = {{'line': 'VARCHAR'}}, delim = chr(31) || chr(30) || chr(31),
                quote = '', escape = '', header = false, auto_detect = false,
                compression = 'zstd', strict_mode = false, encoding = 'latin-1',
                max_line_size = 268435456
            )
        ) to {quoted(target)}
        (format csv, header false, quote '', escape '', delimiter E'\\x1f')
        """,
        [[file.read_path]],
    )
    with open(target, encoding="utf-8", newline="") as text, open(binary, "wb") as output:
        while block := text.read(BLOCK_BYTES):
            output.write(block.encode("latin-1"))
    target.unlink()
    return binary


def write_cleaned_copy(
    connection: duckdb.DuckDBPyConnection, file: LandedFile, folder: Path
) -> Path:
    """Write a plain UTF-8 copy of a text file, same lines, invalid bytes marked."""
    target = folder / f"clean-{len(os.listdir(folder))}.txt"
    with open(target, "w", encoding="utf-8", newline="") as output:
        for block in text_blocks(connection, file, folder):
            output.write(block)
    return target


def first_text(
    connection: duckdb.DuckDBPyConnection, file: LandedFile, size: int = 65536
) -> str:
    """Return the beginning of a text file, decompressed."""
    if file.compression == "zstd":
        row = connection.execute(
            """
            select line from read_csv(
                $1, columns = {'line': 'VARCHAR'}, delim = chr(31) || chr(30) || chr(31),
                quote = '', escape = '', header = false, auto_detect = false,
                compression = 'zstd', strict_mode = false, encoding = 'latin-1',
                max_line_size = 268435456
            )
            where trim(line) <> '' limit 1
            """,
            [[file.read_path]],
        ).fetchone()
        raw_bytes = (row[0] + "\n").encode("latin-1") if row else b""
    else:
        with open(file.path, "rb") as raw:
            stream = gzip.GzipFile(fileobj=raw) if file.compression == "gzip" else raw
            raw_bytes = stream.read(size)
    return raw_bytes.decode("utf-8-sig", "replace")


def remove_folder(folder: Path) -> None:
    """Delete a temporary folder, whatever is left in it."""
    shutil.rmtree(folder, ignore_errors=True)
