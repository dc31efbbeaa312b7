"""Bulk reading of text formats into temporary tables, outside the load's transaction.

A failed statement would abort the transaction of the whole load, so everything that may fail
on the content of one file is read here first. Rows keep the order of their file: the row id
gives the position.
"""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from dagster_project.lib.ingest.landing import (
    LandedFile,
    UnreadableFileError,
)
from dagster_project.lib.ingest.opening import (
    HEAD_BYTES,
    clean_copy,
    has_lone_return,
    invalid_byte_in,
    needs_copy,
    open_text,
    plain_copy,
)
from dagster_project.lib.ingest.raw_tables import ACCOUNT_COLUMNS, unread_columns
from dagster_project.lib.ingest.records import (
    ATTRIBUTES,
    INVALID_TEXT,
    checked_data_sql,
    column_records_sql,
    data_problem_sql,
    json_records_sql,
)
from dagster_project.lib.ingest.times import (
    SPACE,
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
DELIMITERS = ",;\t|"
MOST_HEADER_BYTES = 16 << 20
# What is no name of a column: an instant, a date, a number.
VALUE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[+-]?[0-9]+([.,][0-9]*)?$")
# Records over several lines, or with commas between them, are no lines of JSON, but JSON.
SPREAD_RECORDS = re.compile(r"\{\n\s*\"|\{.*\},\n\s*\{")
LINE_DELIMITER = "chr(31) || chr(30) || chr(31) || chr(30)"


@dataclass(frozen=True)
class Shape:
    """What files must share to be read in one statement.

    `lines_before` are those that stand before the header of a CSV. A header is broken where
    one of its names holds a line break, which the engine would take for the end of every line.
    """

    kind: str
    format: str
    compression: str
    header: tuple[str, ...] = ()
    delimiter: str = ""
    lines_before: int = 0
    is_header_broken: bool = False
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
            except (UnreadableFileError, OSError) as error:
                self.failed.append((file.source_file, short_error(error)))
        for shape, members in groups.items():
            for batch in batches(self.as_the_engine_reads(members)):
                self.report(f"reading {len(batch)} {shape.format} file(s)")
                self.stage_batch(shape, batch)
                for file in batch:
                    if Path(file.read_path).parent == self.folder:
                        os.unlink(file.read_path)

    def as_the_engine_reads(self, files: Iterable[LandedFile]) -> Iterator[LandedFile]:
        """Copy the files that have to be, when it is their turn: a batch of copies at a time."""
        for file in files:
            if not needs_copy(file):
                yield file
                continue
            self.report(f"unpacking {file.source_file}")
            try:
                yield plain_copy(file, self.folder)
            except (UnreadableFileError, OSError) as error:
                self.failed.append((file.source_file, short_error(error)))

    def stage_batch(self, shape: Shape, batch: list[LandedFile]) -> None:
        """Read a batch in one statement; if that fails, file by file."""
        if self.try_read(shape, batch):
            return
        for file in batch:
            try:
                if len(batch) > 1 and self.try_read(shape, [file]):
                    continue
                self.read_damaged(shape, file)
            except (UnreadableFileError, duckdb.Error, OSError) as error:
                sentence = short_error(error, shape.lines_before)
                self.failed.append((file.source_file, sentence))

    def try_read(self, shape: Shape, files: list[LandedFile]) -> bool:
        """Read sound files; False when they need the careful way."""
        if shape.lines_before or shape.is_header_broken or any(f.is_marked for f in files):
            return False
        try:
            self.read(shape, {file.read_path: file for file in files}, GROUP_LINE_BYTES)
        except duckdb.Error:
            return False
        # After a CRLF the engine takes two characters for the end of every line, one of which
        # belongs to the next record where there is only a CR.
        is_suspect = shape.format == "ndjson" and self.has_malformed(self.tables[-1].name)
        if is_suspect and any(map(has_lone_return, files)):
            self.tables.pop()
            return False
        return True

    def has_malformed(self, table: str) -> bool:
        """Tell whether a staged table has a record that could not be read."""
        query = f"from temp.{table} where reason = 'malformed' limit 1"
        return self.connection.execute(query).fetchone() is not None

    def read_damaged(self, shape: Shape, file: LandedFile) -> None:
        """Read a file with long lines, invalid bytes, broken records, or several line ends."""
        if shape.format in ("json", "json_array"):
            copy = split_broken_json(file, self.folder)
            shape = replace(shape, format="ndjson", compression="none")
        else:
            copy = clean_copy(file, self.folder, shape.delimiter, shape.lines_before)
            shape = replace(shape, compression="none", lines_before=0, is_header_broken=False)
        try:
            is_marked = shape.kind == "usage"
            self.read(shape, {str(copy): file}, SINGLE_LINE_BYTES, is_marked)
        finally:
            copy.unlink()

    def shape_of(self, file: LandedFile) -> Shape:
        """Look at the beginning of a file.

        Raises:
            UnreadableFileError: there is no header, or it lacks a column that an accounts or
                corrections file has to have.
        """
        if file.size_bytes == 0 and file.kind == "usage":
            return Shape(file.kind, "empty", "none")
        compression = "none" if needs_copy(file) else file.compression
        if file.format == "csv":
            shape = csv_shape(file, compression)
            if file.kind != "usage":
                self.headers[file.source_file] = shape.header
            return shape
        with open_text(file) as text:
            head = text.read(HEAD_BYTES).lstrip()
        first_line, _, rest = head.partition("\n")
        first_line = first_line.rstrip()
        if head.startswith("["):
            # Where the first line leaves an array open, a file of lines is an array.
            if file.format == "json" or first_line[-1] in "[{,":
                return Shape(file.kind, "json_array", compression)
        elif file.format == "ndjson" and SPREAD_RECORDS.match(f"{first_line}\n{rest}"):
            return Shape(file.kind, "json", compression)
        elif {*re.split(r"[,;\t|]", first_line)} >= {*ATTRIBUTES}:
            raise UnreadableFileError(
                f"its name says {file.format}, but it is CSV: let its name end in .csv"
            )
        return Shape(file.kind, file.format, compression)

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
        # Separators at the end of lines make columns without a name; at most one has values.
        unnamed = [
            f"nullif({trimmed_sql(f'c{index}')}, '')"
            for index, name in enumerate(header)
            if not name
        ]
        columns[""] = f"coalesce({', '.join(unnamed)}, '')"
        pairs = ", ".join(
            f"{quoted(name)}, nullif({trimmed_sql(column)}, '')"
            for name, column in columns.items()
            if name not in (*ATTRIBUTES, "data", "specversion") and (name or unnamed)
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
        if len(unnamed) > 1:
            values = " + ".join(f"({value} is not null)::int" for value in unnamed)
            malformed = (
                f"case when {values} > 1 then 'two columns without a name have values'"
                f" else {malformed} end"
            )
        raw_text = f"json_object({everything})::varchar"
        if is_marked:
            joined = ", ".join(f"c{index}" for index in range(len(header)))
            malformed = (
                f"case when contains(concat_ws('', {joined}), chr(1) || chr(92) || 'x')"
                f" then {quoted(INVALID_TEXT)} else {malformed} end"
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


def batches(files: Iterable[LandedFile]) -> Iterable[list[LandedFile]]:
    """Cut a list of files where a statement would become too large."""
    batch: list[LandedFile] = []
    size = 0
    for file in files:
        file_bytes = os.path.getsize(file.read_path)
        if batch and (size + file_bytes > GROUP_BYTES or len(batch) >= GROUP_FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file_bytes
    if batch:
        yield batch


# The line that is shown may be several, where quotes hold line breaks.
CSV_ERROR = re.compile(
    r"CSV Error on Line: (\d+)\n(?:Original Line: ?((?s:.*?))\n+)?(.+)\n+Possible fixes"
)


def short_error(error: BaseException, lines_before: int = 0) -> str:
    """Return an error as one sentence, for people.

    `lines_before` are those before the header, which the engine has not seen.
    """
    text = str(error).strip()
    broken = CSV_ERROR.search(text)
    if broken:
        number, line, cause = broken.groups()
        shown = " ".join((line or "it").split())[:200]
        text = f"line {int(number) + lines_before} cannot be read ({cause}): correct {shown}"
    line = (text.splitlines() or [type(error).__name__])[0][:500]
    # A path may be no text.
    return line.encode("utf-8", "backslashreplace").decode()


def csv_shape(file: LandedFile, compression: str) -> Shape:
    """Read the header of a CSV file.

    Raises:
        UnreadableFileError: there is no header, its quotes do not close, or it lacks a
            column that an accounts or corrections file has to have.
    """
    is_usage = file.kind == "usage"
    known = dict.fromkeys(ATTRIBUTES, True) if is_usage else ACCOUNT_COLUMNS[file.kind]
    required = [name for name, is_required in known.items() if is_required]
    with open_text(file) as text:
        head = more = text.read(HEAD_BYTES)
        # A header is a line, however long; a file of one line without an end is none.
        while True:
            lines_before, delimiter, names, is_whole = header_in(head, required)
            more = "" if is_whole or len(head) >= MOST_HEADER_BYTES else text.read(len(head))
            if not more:
                break
            head += more
    header = tuple(name.strip(SPACE) for name in names)
    if not header and is_usage:
        return Shape(file.kind, "empty", "none")
    if not header:
        raise UnreadableFileError(
            f"it is empty: its first line has to name the columns {', '.join(required)}"
        )
    if header[0].startswith(("{", "[")):
        raise UnreadableFileError(
            "its name says csv, but it is JSON: let its name end in .ndjson or .json"
        )
    invalid = invalid_byte_in(delimiter.join(header))
    if invalid:
        raise UnreadableFileError(
            f"its header is not UTF-8 (byte {invalid}): save the file as UTF-8"
        )
    if any("\0" in name for name in header):
        raise UnreadableFileError("its header has a NUL in it: take it out")
    missing = [name for name in required if name not in header]
    if len(missing) == len(required) or (missing and any(map(VALUE.match, header))):
        raise UnreadableFileError(
            f"it has no header: required column(s) {', '.join(missing)} are not named in its"
            f" first line{spelt_otherwise(missing, header)}; put a line with the names first"
        )
    if missing and not is_usage:
        meant = {column: name for name, column in unread_columns(file.kind, header)}
        near = f"; {meant[missing[0]]!r} may be meant" if missing[0] in meant else ""
        raise UnreadableFileError(
            f"{file.source_file}: required column {missing[0]} is missing{near}"
        )
    lines = itertools.islice(io.StringIO(head, newline=""), lines_before, None)
    try:
        next(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        first = head.splitlines()[lines_before][:200]
        raise UnreadableFileError(
            f"a quote in its header does not close, or goes on after it: mend {first}"
        ) from error
    is_broken = any({"\r", "\n"} & {*name} for name in names)
    return Shape(file.kind, "csv", compression, header, delimiter, lines_before, is_broken)


def header_in(head: str, required: list[str]) -> tuple[int, str, list[str], bool]:
    """Find the header in the beginning of a CSV file.

    Returns: how many lines are before it, the separator with which it names most of what it
        has to, the names as they stand there, and whether anything follows.

    Raises:
        UnreadableFileError: one of the names would be too long.
    """
    lines = io.StringIO(head, newline="")
    lines_before = sum(1 for _ in itertools.takewhile(is_before_header, lines))
    found: dict[str, tuple[list[str], bool]] = {}
    for delimiter in DELIMITERS:
        lines.seek(0)
        rest = itertools.islice(lines, lines_before, None)
        # What is no header by one separator may be too long for a name.
        with contextlib.suppress(csv.Error):
            names = next(csv.reader(rest, delimiter=delimiter), [])
            found[delimiter] = names, next(rest, None) is not None
    if not found:
        raise UnreadableFileError("its first line is too long for a header: mend it")

    def known_count(delimiter: str) -> int:
        return len({name.strip(SPACE) for name in found[delimiter][0]} & {*required})

    delimiter = max(found, key=known_count)
    return lines_before, delimiter, *found[delimiter]


def is_before_header(line: str) -> bool:
    """Tell whether a line is blank, or names the separator for a spreadsheet."""
    return re.fullmatch(r"\s*|sep=.\s*", line) is not None


def spelt_otherwise(missing: list[str], header: tuple[str, ...]) -> str:
    """Tell which of the missing columns are there in other letters."""
    near = [name for name in header if name.lower() in missing]
    return f" ({', '.join(near)} would be read in small letters)" if near else ""


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
    repeated = [name for name in dict.fromkeys(header) if name and header.count(name) > 1]
    if repeated:
        return "malformed", f"the header names column {repeated[0]!r} twice"
    missing = [name for name in ATTRIBUTES if name not in header]
    if missing:
        near = spelt_otherwise(missing, header)
        return "missing_attribute", f"the header has no column {', '.join(missing)}{near}"
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


STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
BRACKETS = re.compile(rf"{STRING}|[\[\]{{}}]", re.DOTALL)
SCALAR = re.compile(rf"{STRING}|[^\s,\[\]{{}}]+|.", re.DOTALL)


def split_broken_json(file: LandedFile, folder: Path) -> Path:
    """Write a broken JSON document as one value per line, cut by brackets alone.

    So a record that is broken in itself costs itself, however deep it is; one whose brackets
    do not close costs what follows as well. Raw line breaks are no part of a JSON string, so a
    space may stand for them.
    """
    with open_text(file) as stream:
        text = stream.read()
    target = folder / f"split-{os.urandom(8).hex()}"
    index, is_array = 0, False
    with open(target, "w", encoding="utf-8", newline="") as output:
        while True:
            while index < len(text) and text[index] in " \t\r\n,\ufeff":
                index += 1
            if index == len(text):
                break
            start = index
            if text[start] in "[]" and is_array == (text[start] == "]"):
                is_array = not is_array
                index += 1
                continue
            end = value_end(text, start)
            index = len(text) if end is None else end
            # What a value without an end has swallowed may be the end of the array.
            is_array = is_array and end is not None
            output.write(text[start:index].replace("\r", " ").replace("\n", " ") + "\n")
        if is_array:
            # Complete records are no sign that the file is: an array has to end.
            output.write("[\n")
    return target


def value_end(text: str, start: int) -> int | None:
    """Return where the JSON value that begins at `start` ends; None where it does not."""
    if text[start] not in "[{":
        scalar = SCALAR.match(text, start)
        return scalar.end() if scalar else None
    depth = 0
    for bracket in BRACKETS.finditer(text, start):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket[0], 0)
        if depth == 0:
            return bracket.end()
    return None
