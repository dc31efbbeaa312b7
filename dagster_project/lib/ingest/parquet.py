"""Parquet usage files: which SQL turns their columns into records.

Large files go straight into the raw tables, so this module only builds queries; it reads
nothing but file footers.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from dagster_project.lib.ingest.landing import LandedFile, UnreadableFileError
from dagster_project.lib.ingest.records import (
    ATTRIBUTES,
    checked_data_sql,
    column_records_sql,
    data_problem_sql,
    time_sql,
)
from dagster_project.lib.sql_text import identifier, quoted

EXACT_IN_JSON = {
    "VARCHAR",
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
}


@dataclass(frozen=True)
class ParquetShape:
    """Column names and types in file order: files that share them are read together."""

    columns: tuple[tuple[str, str], ...]


def parquet_shape(
    connection: duckdb.DuckDBPyConnection, file: LandedFile
) -> tuple[ParquetShape, int]:
    """Return the shape and the row count from the footer of a file.

    Raises:
        UnreadableFileError: the file is not Parquet, or lacks or repeats a column.
    """
    try:
        described = connection.execute(
            "describe select * from read_parquet($1, hive_partitioning = false)",
            [[file.read_path]],
        ).fetchall()
        row = connection.execute(
            "select sum(num_rows) from parquet_file_metadata($1)", [[file.read_path]]
        ).fetchone()
    except duckdb.Error as error:
        raise UnreadableFileError(str(error).strip().splitlines()[0]) from error
    columns = tuple((str(name), str(kind)) for name, kind, *_ in described)
    return ParquetShape(columns), int(row[0] or 0) if row else 0


def is_nested(kind: str) -> bool:
    """Tell whether a type holds more than one value."""
    return kind.endswith("]") or kind.split("(")[0] in {"STRUCT", "MAP", "UNION", "VARIANT"}


def exact_sql(column: str, kind: str) -> str:
    """A scalar as it goes into JSON: what a double may not hold becomes text."""
    if kind in EXACT_IN_JSON:
        return column
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind.startswith("TIMESTAMP"):
        return f"strftime({column}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')"
    if kind == "BLOB":
        return f"coalesce(try(decode({column})), {column}::varchar)"
    return f"{column}::varchar"


def struct_fields(connection: duckdb.DuckDBPyConnection, kind: str) -> list[tuple[str, str]]:
    """Return the (name, type) pairs of a STRUCT type."""
    rows = connection.execute(f"describe select unnest(null::{kind})").fetchall()
    return [(str(name), str(field_kind)) for name, field_kind, *_ in rows]


def map_value(connection: duckdb.DuckDBPyConnection, kind: str) -> str:
    """Return the type of the values of a MAP type."""
    if kind.endswith("]"):
        return kind
    query = f"describe select unnest(map_values(kept)) from (select null::{kind} as kept)"
    described = connection.execute(query).fetchone()
    return str(described[1]) if described else kind


def parquet_records_sql(
    connection: duckdb.DuckDBPyConnection, shape: ParquetShape, latest: str
) -> str:
    """Query of judged records with read_path and position, over the files in $paths.

    A missing attribute column rejects each record; a `data` column of text, struct or map
    is the data object, to which the other columns are added.
    """
    kinds = dict(shape.columns)
    names = {name: f"c{index}" for index, (name, _) in enumerate(shape.columns)}
    renamed = ", ".join(f"{identifier(name)} as {alias}" for name, alias in names.items())
    relation = (
        f"(select {renamed}, read_path, file_row_number + 1 as position from"
        " read_parquet($paths, hive_partitioning = false, filename = 'read_path',"
        " file_row_number = true))"
    )
    properties: list[tuple[str, str]] = []
    nested: list[str] = []
    for name, kind in shape.columns:
        if name in ATTRIBUTES or name in ("data", "specversion"):
            continue
        if is_nested(kind):
            nested.append(names[name])
        else:
            properties.append((name, exact_sql(names[name], kind)))
    data_kind = kinds.get("data", "")
    malformed_parts = [
        f"when {column} is not null then 'data is not flat'" for column in nested
    ]
    data_text = ""
    if data_kind.startswith("STRUCT") and not data_kind.endswith("]"):
        for name, kind in struct_fields(connection, data_kind):
            column = f"{names['data']}.{identifier(name)}"
            if is_nested(kind):
                malformed_parts.append(f"when {column} is not null then 'data is not flat'")
            else:
                properties.append((name, exact_sql(column, kind)))
    elif data_kind.startswith("MAP(") and not is_nested(map_value(connection, data_kind)):
        data_text = f"to_json({names['data']}::map(varchar, varchar))::varchar"
    elif data_kind in ("VARCHAR", "JSON", "BLOB"):
        data_text = exact_sql(names["data"], "VARCHAR" if data_kind == "JSON" else data_kind)
    elif data_kind:
        malformed_parts.append(
            f"when {names['data']} is not null then 'data is not a flat object'"
        )
    seen = [name for name, _ in properties]
    repeated = sorted({name for name in seen if seen.count(name) > 1})
    if repeated:
        raise UnreadableFileError(f"column {repeated[0]} is there twice, also inside data")
    pairs = ", ".join(f"{quoted(name)}, {column}" for name, column in properties)
    data = f"json_object({pairs})"
    if data_text:
        checked = checked_data_sql("data_text")
        relation = (
            f"(select *, {checked} as checked from"
            f" (select *, {data_text} as data_text from {relation}))"
        )
        problem = data_problem_sql("data_text", "checked", data)
        malformed_parts.append(f"when {problem} is not null then {problem}")
        data = (
            f"json_merge_patch({data}, coalesce(checked, '{{}}'))"
            if properties
            else "coalesce(checked, '{}')"
        )
    malformed = f"case {' '.join(malformed_parts)} end" if malformed_parts else "null::varchar"
    attributes = {
        name: text_of(names[name], kinds[name]) if name in names else "null::varchar"
        for name in ATTRIBUTES
    }
    is_instant = kinds.get("time", "").startswith("TIMESTAMP")
    event_at = time_sql("time_text")
    if is_instant:
        zone = " at time zone 'UTC'" if "ZONE" in kinds["time"] else "::timestamp"
        attributes["time"] = names["time"]
        event_at = f"(time_text{zone})"
    everything = ", ".join(
        f"{quoted(name)}, {alias if is_nested(kinds[name]) else exact_sql(alias, kinds[name])}"
        for name, alias in names.items()
    )
    return column_records_sql(
        relation,
        "read_path, position",
        attributes,
        event_at,
        f"({data})::varchar",
        f"json_object({everything})::varchar",
        malformed,
        latest,
        is_instant,
    )


def text_of(column: str, kind: str) -> str:
    """An attribute column as text."""
    if kind == "VARCHAR":
        return column
    if is_nested(kind):
        return f"to_json({column})::varchar"
    return f"({exact_sql(column, kind)})::varchar"
