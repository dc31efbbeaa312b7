"""Parquet usage files: which SQL turns their columns into records.

Large files go straight into the raw tables, so this module only builds queries; it reads
nothing but file footers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import duckdb

from dagster_project.lib.ingest.landing import LandedFile, UnreadableFileError
from dagster_project.lib.ingest.raw_tables import property_column
from dagster_project.lib.ingest.records import (
    ATTRIBUTES,
    checked_data_sql,
    column_records_sql,
    data_problem_sql,
)
from dagster_project.lib.ingest.times import TimeRules, instant_sql, time_sql
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
# Types that fit into a column of their own, and the type of that column.
COLUMN_TYPES = dict.fromkeys(EXACT_IN_JSON - {"BOOLEAN", "UBIGINT"}, "BIGINT")
COLUMN_TYPES["VARCHAR"] = "VARCHAR"


@dataclass(frozen=True)
class ParquetShape:
    """Column names and types in file order: files that share them are read together."""

    columns: tuple[tuple[str, str], ...]
    times: TimeRules = ()


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


@dataclass(frozen=True)
class DataField:
    """A property that comes as a column or as a field of `data`: name, expression, type."""

    name: str
    expression: str
    kind: str


def aliases(shape: ParquetShape) -> dict[str, str]:
    """Return the name under which a query reads each column."""
    return {name: f"c{index}" for index, (name, _) in enumerate(shape.columns)}


def is_struct(kind: str) -> bool:
    """Tell whether a type is one struct."""
    return kind.startswith("STRUCT") and not kind.endswith("]")


def properties_of(
    connection: duckdb.DuckDBPyConnection, shape: ParquetShape
) -> list[DataField]:
    """Return what is a property of each record, nested ones too, which no record may have."""
    names = aliases(shape)
    properties = [
        DataField(name, names[name], kind)
        for name, kind in shape.columns
        if name not in (*ATTRIBUTES, "data", "specversion")
    ]
    data_kind = dict(shape.columns).get("data", "")
    if is_struct(data_kind):
        properties += [
            DataField(name, f"{names['data']}.{identifier(name)}", kind)
            for name, kind in struct_fields(connection, data_kind)
        ]
    return properties


def column_properties(
    connection: duckdb.DuckDBPyConnection, shape: ParquetShape
) -> dict[str, str]:
    """Return the properties that can be kept in columns, with the type of the column.

    None where `data` is a text or a map, whose keys are only known record by record.
    """
    data_kind = dict(shape.columns).get("data", "")
    if data_kind and not is_struct(data_kind):
        return {}
    return {
        field.name: COLUMN_TYPES[field.kind]
        for field in properties_of(connection, shape)
        if field.kind in COLUMN_TYPES
    }


def parquet_records_sql(
    connection: duckdb.DuckDBPyConnection,
    shape: ParquetShape,
    latest: str,
    kept: Collection[str] = (),
) -> str:
    """Query of judged records with read_path and position, over the files in $paths.

    A missing attribute column rejects each record; a `data` column of text, struct or map
    is the data object, to which the other columns are added. Properties in `kept` are columns
    of the result instead, `data` is null where it would hold nothing beside them.
    """
    kinds = dict(shape.columns)
    names = aliases(shape)
    renamed = ", ".join(f"{identifier(name)} as {alias}" for name, alias in names.items())
    relation = (
        f"(select {renamed}, read_path, file_row_number + 1 as position from"
        " read_parquet($paths, hive_partitioning = false, filename = 'read_path',"
        " file_row_number = true))"
    )
    found = properties_of(connection, shape)
    properties = [field for field in found if not is_nested(field.kind)]
    malformed_parts = [
        f"when {field.expression} is not null then 'data is not flat'"
        for field in found
        if is_nested(field.kind)
    ]
    data_kind = kinds.get("data", "")
    data_text = ""
    if data_kind.startswith("MAP(") and not is_nested(map_value(connection, data_kind)):
        data_text = f"to_json({names['data']}::map(varchar, varchar))::varchar"
    elif data_kind in ("VARCHAR", "JSON", "BLOB"):
        data_text = exact_sql(names["data"], "VARCHAR" if data_kind == "JSON" else data_kind)
    elif data_kind and not is_struct(data_kind):
        malformed_parts.append(
            f"when {names['data']} is not null then 'data is not a flat object'"
        )
    seen = [field.name for field in properties]
    repeated = sorted({name for name in seen if seen.count(name) > 1})
    if repeated:
        raise UnreadableFileError(f"column {repeated[0]} is there twice, also inside data")
    pairs = ", ".join(
        f"{quoted(field.name)}, {exact_sql(field.expression, field.kind)}"
        for field in properties
        if field.name not in kept
    )
    data = f"json_object({pairs})" if pairs or not kept else "null"
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
    time_kind = kinds.get("time", "")
    is_instant = time_kind.startswith("TIMESTAMP") or time_kind == "DATE"
    event_at = time_sql("time_text", shape.times)
    if is_instant:
        attributes["time"] = names["time"]
        event_at = instant_sql("time_text", time_kind, shape.times)
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
        shape.times,
        is_instant,
        {
            property_column(field.name): field.expression
            for field in properties
            if field.name in kept
        },
    )


def text_of(column: str, kind: str) -> str:
    """An attribute column as text."""
    if kind == "VARCHAR":
        return column
    if is_nested(kind):
        return f"to_json({column})::varchar"
    return f"({exact_sql(column, kind)})::varchar"
