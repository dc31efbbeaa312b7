"""Bulk reading of text formats into temporary tables, outside the load's transaction.

A failed statement would abort the transaction of the whole load, so everything that may fail
on the content of one file is read here first. Rows keep the order of their file: the row id
gives the position.
"""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from dagster_project.lib.ingest.landing import (
    LandedFile,
    UnreadableFileError,
    first_text,
    text_blocks,
    write_cleaned_copy,
)
from dagster_project.lib.ingest.raw_tables import ACCOUNT_COLUMNS, unread_columns
from dagster_project.lib.ingest.records import (
    ATTRIBUTES,
    checked_data_sql,
    column_records_sql,
    data_problem_sql,
    json_records_sql,
)
from dagster_project.lib.ingest.times import (
    TimeRule,
    TimeRules,
    rules_of_file,
    time_sql,
    trimmed_sql,
)
from dagster_project.lib.sql_text import identifier, quoted

TEMPORARY_PREFIX = "ingest_"
GROUP_LINE_BYTES = 4 << 20
SINGLE_LINE_BYTES = 1 << 30
GROUP_BYTES = 1 << 30
GROUP_FILES = 2000
LINE_DELIMITER = "chr(31) || chr(30) || chr(31) || chr(30)"


@dataclass(frozen=True)
class Shape:
    """What files must share to be read in one statement."""

    kind: str
    format: str
    compression: str
    header: tuple[str, ...] = ()
    delimiter: str = ","
    times: TimeRules = ()


@dataclass(frozen=True)
class StagedTable:
    """One staged table; `paths` maps the path the engine read to the landed file."""

    name: str
    kind: str
    paths: dict[str, LandedFile]


@dataclass
class Staging:
    """Reads files into temporary tables and collects the ones that failed."""

    connection: duckdb.DuckDBPyConnection
    folder: Path
    latest: str
    report: Callable[[str], None]
    time_rules: Sequence[TimeRule] = ()
    tables: list[StagedTable] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    # Of accounts and corrections files, by source file
    headers: dict[str, tuple[str, ...]] = field(default_factory=dict)
    table_count: int = 0

    def stage(self, files: Iterable[LandedFile]) -> None:
        """Read every file; unreadable ones go to `failed`, never raise."""
        groups: dict[Shape, list[LandedFile]] = defaultdict(list)
        for file in files:
            try:
                times = rules_of_file(self.time_rules, file.source_file)
                groups[replace(self.shape_of(file), times=times)].append(file)
            except (UnreadableFileError, duckdb.Error, OSError) as error:
                self.failed.append((file.source_file, short_error(error)))
        for shape, members in groups.items():
            for batch in batches(members):
                self.report(f"reading {len(batch)} {shape.format} file(s)")
                self.stage_batch(shape, batch)

    def stage_batch(self, shape: Shape, batch: list[LandedFile]) -> None:
        """Read a batch in one statement; if that fails, file by file."""
        try:
            self.read(shape, {file.read_path: file for file in batch}, GROUP_LINE_BYTES)
            return
        except duckdb.Error:
            pass
        for file in batch:
            try:
                if len(batch) > 1 and self.try_read(shape, file):
                    continue
                self.read_damaged(shape, file)
            except (UnreadableFileError, duckdb.Error, OSError) as error:
                self.failed.append((file.source_file, short_error(error)))

    def try_read(self, shape: Shape, file: LandedFile) -> bool:
        """Read one sound file; False when it needs the careful way."""
        try:
            self.read(shape, {file.read_path: file}, GROUP_LINE_BYTES)
        except duckdb.Error:
            return False
        return True

    def read_damaged(self, shape: Shape, file: LandedFile) -> None:
        """Read a file with long lines, invalid bytes or broken records, keeping the rest."""
        if shape.kind != "usage":
            self.read(shape, {file.read_path: file}, SINGLE_LINE_BYTES)
            return
        if shape.format in ("json", "json_array"):
            copy = split_broken_json(self.connection, file, self.folder)
            shape = replace(shape, format="ndjson", compression="none")
        else:
            copy = write_cleaned_copy(self.connection, file, self.folder)
            shape = replace(shape, compression="none")
        try:
            self.read(shape, {str(copy): file}, SINGLE_LINE_BYTES, is_marked=True)
        finally:
            copy.unlink()

    def shape_of(self, file: LandedFile) -> Shape:
        """Look at the beginning of a file.

        Raises:
            UnreadableFileError: an accounts or corrections file lacks a required column.
        """
        if file.size_bytes == 0 and file.kind == "usage":
            return Shape(file.kind, "empty", "none")
        if file.format == "ndjson":
            return Shape(file.kind, "ndjson", file.compression)
        text = first_text(self.connection, file)
        if file.format == "json":
            is_array = text.lstrip().startswith("[")
            return Shape(file.kind, "json_array" if is_array else "json", file.compression)
        first_line = next((line for line in text.splitlines() if line.strip()), "")
        delimiter = next((mark for mark in ",;\t" if mark in first_line), ",")
        rows = csv.reader(io.StringIO(text.lstrip("\r\n")), delimiter=delimiter)
        header = tuple(name.strip() for name in next(rows, []))
        if file.kind != "usage":
            self.headers[file.source_file] = header
            meant = {column: name for name, column in unread_columns(file.kind, header)}
            for column, is_required in ACCOUNT_COLUMNS[file.kind].items():
                if is_required and column not in header:
                    near = f"; {meant[column]!r} may be meant" if column in meant else ""
                    raise UnreadableFileError(
                        f"{file.source_file}: required column {column} is missing{near}"
                    )
        return Shape(file.kind, "csv", file.compression, header, delimiter)

    def read(
        self,
        shape: Shape,
        paths: dict[str, LandedFile],
        line_bytes: int,
        is_marked: bool = False,
    ) -> None:
        """Read files of one shape into a new staged table."""
        if shape.format == "empty":
            self.add_table(
                "select null::varchar as read_path where false", [], shape.kind, paths
            )
            return
        sources = list(paths)
        if shape.kind != "usage":
            self.add_table(account_sql(shape, line_bytes), sources, shape.kind, paths)
        elif shape.format == "csv":
            self.read_csv(shape, paths, line_bytes, is_marked)
        else:
            if shape.format == "ndjson":
                lines = f"(from {lines_reader(shape, line_bytes)})"
            else:
                array = "array" if shape.format == "json_array" else "unstructured"
                lines = (
                    "(select json as line, read_path from read_json_objects($1,"
                    f" format = '{array}', filename = 'read_path',"
                    f" compression = '{shape.compression}',"
                    f" maximum_object_size = {GROUP_BYTES if is_marked else 64 << 20}))"
                )
            query = json_records_sql(lines, self.latest, is_marked, shape.times)
            self.add_table(query, sources, shape.kind, paths)

    def read_csv(
        self,
        shape: Shape,
        paths: dict[str, LandedFile],
        line_bytes: int,
        is_marked: bool,
    ) -> None:
        """Read usage CSV; broken rows of a cleaned copy go to a table of their own."""
        header = shape.header
        problem = header_problem(header)
        if problem:
            self.add_table(
                rejected_lines_sql(shape, line_bytes, *problem),
                list(paths),
                shape.kind,
                paths,
            )
            return
        reader = csv_reader(shape, line_bytes, keep_rejects=is_marked)
        columns = {name: f"c{index}" for index, name in enumerate(header)}
        pairs = ", ".join(
            f"{quoted(name or f'column_{index + 1}')}, nullif({trimmed_sql(f'c{index}')}, '')"
            for index, name in enumerate(header)
            if name not in (*ATTRIBUTES, "data", "specversion")
        )
        properties = f"json_object({pairs})"
        everything = ", ".join(
            f"{quoted(name or f'column_{index + 1}')}, c{index}"
            for index, name in enumerate(header)
        )
        data, malformed, relation = properties, "null::varchar", f"(from {reader})"
        if "data" in columns:
            text = columns["data"]
            relation = f"(select *, {checked_data_sql(text)} as checked from {reader})"
            malformed = data_problem_sql(text, "checked", properties)
            data = f"json_merge_patch({properties}, coalesce(checked, '{{}}'))"
        raw_text = f"json_object({everything})::varchar"
        if is_marked:
            joined = ", ".join(columns.values())
            malformed = (
                f"case when contains(concat_ws('', {joined}), chr(1))"
                f" then 'invalid UTF-8' else {malformed} end"
            )
            raw_text = rf"replace({raw_text}, '\u0001', '')"
        query = column_records_sql(
            relation,
            "read_path",
            {name: trimmed_sql(columns[name]) for name in ATTRIBUTES},
            time_sql("time_text", shape.times),
            f"({data})::varchar",
            raw_text,
            malformed,
            self.latest,
            shape.times,
        )
        if is_marked:
            self.connection.execute("drop table if exists temp.ingest_csv_errors")
            self.connection.execute("drop table if exists temp.ingest_csv_scans")
        self.add_table(query, list(paths), shape.kind, paths)
        if is_marked:
            self.add_csv_rejects(self.tables[-1].name)

    def add_csv_rejects(self, table: str) -> None:
        """Keep the rows the CSV reader refused, and where good rows have to make room."""
        self.connection.execute(
            f"""
            create temp table {table}_rejects as
            with lines as (
                select line, any_value(error_message) as detail, any_value(csv_line) as csv_line
                from temp.ingest_csv_errors group by line
            )
            select
                row_number() over (order by line) as reject_number,
                greatest(line - 1, 1)::bigint as position,
                detail,
                replace(ltrim(csv_line, chr(10) || chr(13)), chr(1), '') as raw_text
            from lines
            """
        )

    def add_table(
        self, query: str, sources: list[str], kind: str, paths: dict[str, LandedFile]
    ) -> None:
        """Run a reading query into a new temporary table."""
        self.table_count += 1
        name = f"{TEMPORARY_PREFIX}staged_{self.table_count}"
        self.connection.execute(
            f"create or replace temp table {name} as {query}",
            [sources] if sources else None,
        )
        self.tables.append(StagedTable(name, kind, paths))


def batches(files: list[LandedFile]) -> Iterable[list[LandedFile]]:
    """Cut a list of files where a statement would become too large."""
    batch: list[LandedFile] = []
    size = 0
    for file in files:
        if batch and (size + file.size_bytes > GROUP_BYTES or len(batch) >= GROUP_FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size_bytes
    if batch:
        yield batch


def short_error(error: BaseException) -> str:
    """Return the first line of an error, for people."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]


def lines_reader(shape: Shape, line_bytes: int) -> str:
    """Read raw lines: a delimiter that text never holds keeps each line in one column."""
    return (
        "read_csv($1, columns = {'line': 'VARCHAR'}, filename = 'read_path',"
        f" delim = {LINE_DELIMITER}, quote = '', escape = '', header = false,"
        f" auto_detect = false, strict_mode = false, compression = '{shape.compression}',"
        f" max_line_size = {line_bytes})"
    )


def csv_reader(shape: Shape, line_bytes: int, keep_rejects: bool) -> str:
    """Read a CSV of known header as text columns c0, c1, ..."""
    columns = ", ".join(f"'c{index}': 'VARCHAR'" for index in range(len(shape.header)))
    rejects = (
        ", store_rejects = true, rejects_limit = 0, rejects_table = 'ingest_csv_errors',"
        " rejects_scan = 'ingest_csv_scans'"
        if keep_rejects
        else ""
    )
    delimiter = "chr(9)" if shape.delimiter == "\t" else quoted(shape.delimiter)
    return (
        f"read_csv($1, columns = {{{columns}}}, filename = 'read_path', delim = {delimiter},"
        " quote = '\"', escape = '\"', header = true, auto_detect = false,"
        f" compression = '{shape.compression}', max_line_size = {line_bytes}{rejects})"
    )


def header_problem(header: tuple[str, ...]) -> tuple[str, str] | None:
    """Return (reason, detail) when no record under this header can be used."""
    named = [name for name in header if name]
    if len(set(named)) < len(named):
        return "malformed", "the header names a column twice"
    missing = [name for name in ATTRIBUTES if name not in header]
    if missing:
        return "missing_attribute", f"the header has no column {', '.join(missing)}"
    return None


def rejected_lines_sql(shape: Shape, line_bytes: int, reason: str, detail: str) -> str:
    """Reject every line after the header, as it is."""
    return f"""
        with numbered as (
            select *, row_number() over (partition by read_path order by line_number) as row_rank
            from (
                select *, row_number() over () as line_number
                from {lines_reader(shape, line_bytes)}
            )
            where trim(coalesce(line, '')) <> ''
        )
        select
            read_path, null::varchar as source, null::varchar as event_id,
            null::varchar as event_type, null::varchar as subject,
            null::timestamp as event_at, null::varchar as data,
            {quoted(reason)} as reason, {quoted(detail)} as detail,
            replace(line, chr(1), '') as raw_text
        from numbered where row_rank > 1 order by line_number"""


def account_sql(shape: Shape, line_bytes: int) -> str:
    """Read an accounts or corrections file as text, empty and absent columns null."""
    columns = ", ".join(
        f"nullif({trimmed_sql(f'c{shape.header.index(column)}')}, '') as {identifier(column)}"
        if column in shape.header
        else f"null::varchar as {identifier(column)}"
        for column in ACCOUNT_COLUMNS[shape.kind]
    )
    return f"select read_path, {columns} from {csv_reader(shape, line_bytes, False)}"


def split_broken_json(
    connection: duckdb.DuckDBPyConnection, file: LandedFile, folder: Path
) -> Path:
    """Write a broken JSON document as one value per line; what cannot be read is the last.

    Raw line breaks are no part of a JSON string, so a space may stand for them.
    """
    text = "".join(text_blocks(connection, file, folder))
    target = folder / f"{file.path.name.encode().hex()[:40]}-{file.size_bytes}.split"
    decoder = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)
    index = len(text) - len(text.lstrip())
    is_array = text[index : index + 1] == "["
    index += int(is_array)
    is_broken = False
    with open(target, "w", encoding="utf-8", newline="") as output:
        while True:
            while index < len(text) and text[index] in " \t\r\n":
                index += 1
            if index >= len(text):
                if is_array and not is_broken:
                    # Complete records are no sign that the file is: an array has to end.
                    output.write("[\n")
                break
            if is_array and text[index] == "]" and not text[index + 1 :].strip():
                break
            try:
                _, end = decoder.raw_decode(text, index)
            except (ValueError, RecursionError):
                end, is_broken = len(text), True
            output.write(text[index:end].replace("\r", " ").replace("\n", " ") + "\n")
            index = end
            while index < len(text) and text[index] in " \t\r\n":
                index += 1
            if is_array and text[index : index + 1] == ",":
                index += 1
    return target
