"""Parquet usage files: which SQL turns their columns into records.

Large files go straight into the raw tables, so this module only builds queries and reads
nothing but file footers; only a file with decimals that the engine cannot hold is rewritten.
Columns are addressed by their place: the engine renames those whose names it finds too much
alike, and has names of its own.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

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


ENGINE_DIGITS = 38


@dataclass(frozen=True)
class DataField:
    """A property that comes as a column or as a field of `data`: name, expression, type."""

    name: str
    expression: str
    kind: str


@dataclass(frozen=True)
class ParquetShape:
    """Names and types of columns in file order: files that share them are read together.

    `data_fields` are the fields of `data` where that is a struct. Decimals of more than 38
    digits are doubles to the engine, and wrong ones.
    """

    columns: tuple[tuple[str, str], ...]
    data_fields: tuple[DataField, ...] = ()
    has_wide_decimals: bool = False
    times: TimeRules = ()


def parquet_shape(
    connection: duckdb.DuckDBPyConnection, file: LandedFile
) -> tuple[ParquetShape, int]:
    """Return the shape and the row count from the footer of a file.

    Raises:
        UnreadableFileError: the file is not Parquet, or has a name twice.
    """
    paths = [[file.read_path]]
    try:
        kinds = [
            str(kind)
            for _, kind, *_ in connection.execute(
                "describe select * from read_parquet($1, hive_partitioning = false)", paths
            ).fetchall()
        ]
        schema = connection.execute(
            "select name, coalesce(num_children, 0), coalesce(precision, 0)"
            " from parquet_schema($1)",
            paths,
        ).fetchall()
        row = connection.execute(
            "select sum(num_rows) from parquet_file_metadata($1)", paths
        ).fetchone()
    except duckdb.Error as error:
        cause = str(error).strip().splitlines()[0]
        raise UnreadableFileError(f"cannot be read as Parquet: {cause}") from error
    # The engine takes it for the end of a statement.
    if any("\0" in name for name, *_ in schema):
        raise UnreadableFileError("the name of a column has a NUL in it: give it another name")
    _, tree = names_below(iter(schema))
    names = [name for name, _ in tree]
    check_names(names, "column")
    unnamed = next((name for name, below in tree if has_unnamed(below)), None)
    if unnamed is not None:
        raise UnreadableFileError(
            f"a field inside column {unnamed!r} has no name: give it one"
        )
    columns = tuple(zip(names, kinds, strict=True))
    data_fields: tuple[DataField, ...] = ()
    data_kind = dict(columns).get("data", "")
    if is_struct(data_kind):
        position = names.index("data")
        fields = [name for name, _ in tree[position][1]]
        check_names(fields, "field of data")
        data_fields = struct_fields(connection, f"c{position}", data_kind, fields)
    is_wide = any(precision > ENGINE_DIGITS for _, _, precision in schema)
    return ParquetShape(columns, data_fields, is_wide), int(row[0] or 0) if row else 0


def names_below(schema: Iterator[tuple[str, int, int]]) -> tuple[str, list[Any]]:
    """Return the next name of a flattened schema and what is below it, in the same way."""
    name, child_count, _ = next(schema)
    return name, [names_below(schema) for _ in range(child_count)]


def has_unnamed(tree: list[Any]) -> bool:
    """Tell whether a field has no name; the engine then numbers its neighbours, and fails."""
    return any(not name or has_unnamed(below) for name, below in tree)


def check_names(names: list[str], what: str) -> None:
    """Refuse a name that is there twice, since nobody can tell which of them counts.

    Raises:
        UnreadableFileError: it is.
    """
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise UnreadableFileError(
            f"{what} {repeated[0]!r} is there twice: give one of them another name"
        )


def narrow_copy(file: LandedFile, folder: Path) -> LandedFile:
    """Return a file with a copy to read, whose decimals of more than 38 digits are texts.

    Raises:
        UnreadableFileError: the file cannot be rewritten.
    """
    # Takes a fifth of a second to import.
    import pyarrow as pa
    import pyarrow.parquet as pq

    def narrow(field: pa.Field) -> pa.Field:
        kind = field.type
        if pa.types.is_decimal256(kind):
            kind = pa.string()
        elif pa.types.is_struct(kind):
            kind = pa.struct([narrow(member) for member in kind])
        elif pa.types.is_map(kind):
            kind = pa.map_(narrow(kind.key_field), narrow(kind.item_field))
        elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
            kind = pa.list_(narrow(kind.value_field))
        return field.with_type(kind)

    target = folder / f"narrow-{os.urandom(8).hex()}.parquet"
    try:
        with pq.ParquetFile(file.read_path, coerce_int96_timestamp_unit="us") as wide:
            schema = pa.schema([narrow(field) for field in wide.schema_arrow])
            with pq.ParquetWriter(target, schema) as writer:
                for batch in wide.iter_batches():
                    columns = [
                        column.cast(field.type)
                        for column, field in zip(batch.columns, schema, strict=True)
                    ]
                    writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
    except (pa.ArrowException, ValueError, NotImplementedError) as error:
        raise UnreadableFileError(
            f"has decimals of more than {ENGINE_DIGITS} digits, and cannot be rewritten"
            f" without ({str(error).splitlines()[0]}): write them as text"
        ) from error
    return replace(file, read_path=str(target))


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


def struct_fields(
    connection: duckdb.DuckDBPyConnection, column: str, kind: str, names: list[str]
) -> tuple[DataField, ...]:
    """Return the fields of a column that is a struct, under their own names."""
    described = connection.execute(f"describe select unnest(null::{kind})").fetchall()
    return tuple(
        DataField(name, f"{column}.{identifier(str(given))}", str(field_kind))
        for name, (given, field_kind, *_) in zip(names, described, strict=True)
    )


def map_value(connection: duckdb.DuckDBPyConnection, kind: str) -> str:
    """Return the type of the values of a MAP type."""
    if kind.endswith("]"):
        return kind
    query = f"describe select unnest(map_values(kept)) from (select null::{kind} as kept)"
    described = connection.execute(query).fetchone()
    return str(described[1]) if described else kind


def aliases(shape: ParquetShape) -> dict[str, str]:
    """Return the name under which a query reads each column."""
    return {name: f"c{index}" for index, (name, _) in enumerate(shape.columns)}


def is_struct(kind: str) -> bool:
    """Tell whether a type is one struct."""
    return kind.startswith("STRUCT") and not kind.endswith("]")


def properties_of(shape: ParquetShape) -> list[DataField]:
    """Return what is a property of each record, nested ones too, which no record may have."""
    names = aliases(shape)
    properties = [
        DataField(name, names[name], kind)
        for name, kind in shape.columns
        if name not in (*ATTRIBUTES, "data", "specversion")
    ]
    return [*properties, *shape.data_fields]


def column_properties(shape: ParquetShape) -> dict[str, str]:
    """Return the properties that can be kept in columns, with the type of the column.

    None where `data` is a text or a map, whose keys are only known record by record.
    """
    data_kind = dict(shape.columns).get("data", "")
    if data_kind and not is_struct(data_kind):
        return {}
    return {
        field.name: COLUMN_TYPES[field.kind]
        for field in properties_of(shape)
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
    placed = ", ".join(names.values())
    # Addressed past the columns, the path and the number of a row are the engine's own.
    relation = (
        f"(select {placed}, filename as read_path, file_row_number + 1 as position from"
        f" read_parquet($paths, hive_partitioning = false) as file ({placed}))"
    )
    found = properties_of(shape)
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
    check_names([field.name for field in properties], "property (a column or a field of data)")
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
