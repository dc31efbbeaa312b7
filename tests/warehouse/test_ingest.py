"""Ingestion: every landed record gets its fate, and nothing else moves.

The tests write files, load them into a real DuckDB file and look at the schema `raw`.
"""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import textwrap
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.lib.ingest import IngestReport, TimeRule, ingest_landing, new_files

LOADED_AT = datetime(2026, 2, 1, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parents[2]


class Warehouse:
    """A warehouse file and a landing directory of one test."""

    def __init__(self, folder: Path, file_format: str = "v1.5.0") -> None:
        folder.mkdir(exist_ok=True)
        self.landing = folder / "landing"
        self.path = folder / "warehouse.duckdb"
        config: dict[str, Any] = {"storage_compatibility_version": file_format}
        self.connection = duckdb.connect(str(self.path), config=config)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def parquet(self, name: str, query: str, options: str = "") -> None:
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection.execute(f"copy ({query}) to '{path}' (format parquet {options})")

    def ingest(self, loaded_at: datetime = LOADED_AT, *rules: TimeRule) -> IngestReport:
        report = ingest_landing(self.connection, self.landing, loaded_at, time_rules=rules)
        unequal = self.rows(
            "select source_file from raw.load_files where file_kind = 'usage'"
            " and record_count <> event_count + rejected_count"
        )
        assert unequal == []
        doubled = self.rows(
            "select file_id, position from (select file_id, position from raw.usage_events"
            " union all select file_id, position from raw.rejected_records)"
            " group by all having count(*) > 1"
        )
        assert doubled == []
        return report

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(query).fetchall()

    def rejected(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "select position, reason from raw.rejected_records order by file_id, position"
        )

    def ids(self) -> list[str]:
        return [
            row[0]
            for row in self.rows(
                "select event_id from raw.usage_events order by file_id, position"
            )
        ]

    def data(self) -> list[dict[str, Any]]:
        return [
            json.loads(row[0], parse_float=Decimal)
            for row in self.rows(
                "select data from raw.usage_events order by file_id, position"
            )
        ]


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


def event(event_id: str, data: str = '{"n": 1}', **changes: str) -> str:
    """One NDJSON line; `data` is JSON text put in as it is."""
    attributes = {
        "id": event_id,
        "source": "api",
        "type": "call",
        "subject": "sub_1",
        "time": "2026-01-15T10:00:00Z",
        **changes,
    }
    return json.dumps(attributes, ensure_ascii=False)[:-1] + f', "data": {data}}}'


BAD_LINES = {
    "cut mid-line": '{"id": "x", "source": "a',
    "noise": "%PDF-1.7 \x02 noise",
    "array": '[{"id": 1}]',
    "scalar": "17",
    "nan": event("x", '{"n": NaN}'),
    "nan first in a list": event("x")[:-1] + ', "tags": [NaN]}',
    "nan later in a list": event("x")[:-1] + ', "tags": [1, NaN]}',
    "negative infinity": event("x", '{"n": -Infinity}'),
    "trailing comma": event("x", '{"n": 1,}'),
    "leading zero": event("x", '{"n": 01}'),
    "two points": event("x", '{"n": 12345678901234567.1.2}'),
    "two numbers": event("x", '{"n": 12345678901234567890 5}'),
    "nested object": event("x", '{"n": {"m": 1}}'),
    "nested list": event("x", '{"n": [1]}'),
    "deep nesting": event("x", '{"n": ' + "[" * 50_000 + "]" * 50_000 + "}"),
    "data is text": event("x", '"{}"'),
    "data is a list": event("x", "[]"),
    "data is a boolean": event("x", "true"),
    "duplicate key": event("x", '{"n": 1}')[:-1] + ', "id": "y"}',
    "escaped duplicate key": event("x", '{"n": 1, "\\u006e": 2}'),
    "duplicate key in data": event("x", '{"n": 1, "n": 2}'),
    "duplicate data": event("x", '{"n": 1}')[:-1] + ', "data": {"n": 2}}',
    "attribute is an object": event("x").replace('"api"', '{"a": 1}'),
    "attribute is a boolean": event("x").replace('"api"', "true"),
    "control character": event("x", '{"n": "a\x01b"}'),
    "two objects": event("x") + event("y"),
}


@pytest.mark.parametrize("line", BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_malformed_line_is_rejected_and_its_neighbours_stay(
    warehouse: Warehouse, line: str
) -> None:
    warehouse.write("usage/a.ndjson", f"{event('1')}\n{line}\n{event('3')}\n")
    assert warehouse.ingest().record_count == 3
    assert warehouse.rejected() == [(2, "malformed")]
    assert warehouse.ids() == ["1", "3"]
    assert warehouse.rows("select raw_text from raw.rejected_records") == [(line,)]


NUMBERS = [
    "0",
    "-5",
    "0.1",
    "0.30000000000000004",
    "12345678901234567890",
    "18446744073709551616",
    "99999999999999999999999999.999999999999",
    "-99999999999999999999999999.999999999999",
    "1234567890123456789012345678901234567890",
    "1e400",
    "1E-7",
    "0.000000000001",
    "1.2345678901234567",
    "123456789.123456789",
]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("is_text", [False, True])
def test_numbers_keep_every_digit(warehouse: Warehouse, number: str, is_text: bool) -> None:
    written = f'"{number}"' if is_text else number
    data = f'{{"n": {written}, "note": "run 123456789012345678901 of -1e5, \\" 1.0"}}'
    warehouse.write("usage/a.ndjson", event("1", data))
    warehouse.ingest()
    (stored,) = warehouse.data()
    assert Decimal(stored["n"]) == Decimal(number)
    assert stored["note"] == 'run 123456789012345678901 of -1e5, " 1.0'
    text = warehouse.rows("select data ->> 'n' from raw.usage_events")[0][0]
    assert Decimal(text) == Decimal(number)


HOSTILE_TEXTS = [
    "'; drop table raw.usage_events; --",
    "<script>alert(1)</script>",
    "=HYPERLINK(1)",
    "\\1 $1 {0} %s",
    "naïve 東京 🏠",
    "a,b;c\td",
    "NaN",
    "[1,]",
    "true",
]


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_is_only_text(warehouse: Warehouse, text: str) -> None:
    line = event(text, json.dumps({"n": text}, ensure_ascii=False), subject=text, source=text)
    warehouse.write("usage/a.ndjson", line)
    warehouse.ingest()
    assert warehouse.rejected() == []
    assert warehouse.rows("select event_id, source, subject from raw.usage_events") == [
        (text, text, text)
    ]
    assert warehouse.data() == [{"n": text}]


def test_bom_crlf_and_blank_lines_are_tolerated(warehouse: Warehouse) -> None:
    lines = [event("1"), "", "  \t", event("2")]
    warehouse.write("usage/a.ndjson", b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    assert warehouse.ingest().record_count == 2
    assert warehouse.rows("select event_id, position from raw.usage_events order by all") == [
        ("1", 1),
        ("2", 4),
    ]


def test_invalid_utf8_costs_only_its_line(warehouse: Warehouse) -> None:
    lines = [event("1").encode(), b'{"id": "\xff\xfe"}', event("3").encode()]
    for name, content in {
        "usage/a.ndjson": b"\n".join(lines),
        "usage/b.ndjson.gz": gzip.compress(b"\n".join(lines)),
    }.items():
        warehouse.write(name, content)
    assert warehouse.ingest().event_count == 4
    assert warehouse.rejected() == [(2, "malformed"), (2, "malformed")]
    assert warehouse.rows("select distinct raw_text from raw.rejected_records") == [
        ('{"id": "\\xff\\xfe"}',)
    ]


def test_a_line_of_fifty_megabytes_is_one_record(warehouse: Warehouse) -> None:
    long = event("2", '{"n": "' + "x" * 50_000_000 + '"}')
    warehouse.write("usage/a.ndjson", "\n".join([event("1"), long, event("3")]))
    warehouse.write("usage/b.ndjson", event("4"))
    warehouse.ingest()
    assert warehouse.ids() == ["1", "2", "3", "4"]
    assert warehouse.rows("select max(length(data)) from raw.usage_events")[0][0] > 50_000_000


@pytest.mark.parametrize("name", ["id", "source", "type", "subject", "time"])
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_attribute_is_named(
    warehouse: Warehouse, name: str, value: str | None
) -> None:
    record = json.loads(event("1"))
    record[name] = value
    warehouse.write("usage/a.ndjson", json.dumps(record) + "\n" + event("2"))
    warehouse.ingest()
    assert warehouse.rows("select reason, detail from raw.rejected_records") == [
        ("missing_attribute", f"missing or empty: {name}")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-15T10:00:00Z", "2026-01-15 10:00:00"),
        ("2026-01-15T10:00:00", "2026-01-15 10:00:00"),
        ("2026-01-15 10:00:00+02:00", "2026-01-15 08:00:00"),
        ("2026-01-15t10:00:00z", "2026-01-15 10:00:00"),
        ("2026-01-15T10:00:00-05:30", "2026-01-15 15:30:00"),
        ("2026-01-15T10:00:00.123456999Z", "2026-01-15 10:00:00.123456"),
        ("2026-01-15T10:00:00.9999999+00:00", "2026-01-15 10:00:00.999999"),
        ("2026-02-01T23:59:59Z", "2026-02-01 23:59:59"),
        ("2026-02-02T00:00:00Z", "2026-02-02 00:00:00"),
        ("2026-02-02T00:00:00.000001Z", "future_time"),
        ("9999-12-31T00:00:00Z", "future_time"),
        (" 2026-01-15T10:00:00Z\u00a0", "2026-01-15 10:00:00"),
        ("2026-01-15 10:00", "2026-01-15 10:00:00"),
        ("2026-01-15T10:00+0100", "2026-01-15 09:00:00"),
        ("2026-01-15 10:00:00.5 UTC", "2026-01-15 10:00:00.5"),
        ("2026-01-15 10:00:00 +01", "2026-01-15 09:00:00"),
        # A leap second ends its minute, so it stays in its month.
        ("2016-12-31T23:59:60Z", "2016-12-31 23:59:59.999999"),
        ("2017-01-01T01:59:60.25+02:00", "2016-12-31 23:59:59.999999"),
        ("2017-01-01T00:59:60Z", "invalid_time"),
        ("2026-01-15", "invalid_time"),
        ("2026-02-30T00:00:00Z", "invalid_time"),
        ("2026-01-15T24:00:00Z", "invalid_time"),
        ("2026-01-15T10:00:60Z", "invalid_time"),
        ("1969-12-31T23:59:59Z", "invalid_time"),
        ("infinity", "invalid_time"),
        ("epoch", "invalid_time"),
        ("now", "invalid_time"),
        ("1768471200", "invalid_time"),
        ("15/01/2026 10:00:00", "invalid_time"),
        ("2026-01-15T10:00:00+25:00", "invalid_time"),
    ],
)
def test_time_is_an_rfc_3339_instant(warehouse: Warehouse, text: str, expected: str) -> None:
    header = "id,source,type,subject,time,n\n"
    warehouse.write("usage/a.ndjson", event("1", time=text))
    warehouse.write("usage/b.csv", f"{header}2,api,call,s,{text},1\n")
    warehouse.ingest()
    results = warehouse.rows(
        "select event_at::varchar from raw.usage_events"
        " union all select reason from raw.rejected_records"
    )
    assert results == [(expected,), (expected,)]


def test_space_around_a_field_is_no_part_of_it(warehouse: Warehouse) -> None:
    """A month of readings written as ` 1 ` would be rejected, or billed to nobody."""
    header = " id , source ,\u00a0type,subject\t, time , n , model \n"
    row = ' 1 ,api, call\u00a0,\tsub_1," 2026-01-15T10:00:00Z", 5 ,\u3000large one  \n'
    warehouse.write("usage/a.csv", header + row + "2,api,call,s,2026-01-15T10:00:00Z, ,\n")
    warehouse.write("usage/b.ndjson", event("1", '{"n": "5.0", "model": "large one"}'))
    # A text of JSON is as it is written, but for the time.
    text = event("3", '{"model": " large one "}', time=" 2026-01-15T10:00:00Z")
    warehouse.write("usage/c.ndjson", text)
    warehouse.write("accounts/subjects.csv", "subject ,subscription_id\n\u00a0a\t, b c \n")
    warehouse.write(
        "corrections/x.csv", "correction_id,source,event_id,action\nk1,api , 1 ,void\n"
    )
    warehouse.ingest()
    assert warehouse.rejected() == []
    assert warehouse.ids() == ["1", "2", "1", "3"]
    assert warehouse.data()[:2] == [
        {"n": "5", "model": "large one"},
        {"n": None, "model": None},
    ]
    assert warehouse.data()[3] == {"model": " large one "}
    assert warehouse.rows(
        "select distinct event_type, subject, event_at::varchar from raw.usage_events"
        " where event_id = '1'"
    ) == [("call", "sub_1", "2026-01-15 10:00:00")]
    assert warehouse.rows("select is_conflict from raw.repeated_events") == [(False,)]
    assert warehouse.rows("select subject, subscription_id from raw.subjects") == [
        ("a", "b c")
    ]
    assert warehouse.rows("select source, event_id from raw.corrections") == [("api", "1")]


def test_numbers_that_leave_out_a_digit_are_read(warehouse: Warehouse) -> None:
    data = '{"a": .5, "b": -.5, "c": 5., "d": +5, "e": +.5e1, "t": "x: .5, +5"}'
    warehouse.write("usage/a.ndjson", event("1", data))
    warehouse.write("usage/b.json", f"[{event('2', data)}, {event('3')}]")
    quoted = data.replace('"', '""')
    row = f'4,api,call,sub_1,2026-01-15T10:00:00Z,"{quoted}"\n'
    warehouse.write("usage/c.csv", "id,source,type,subject,time,data\n" + row)
    plain = '{"e": 5.0, "d": "5", "c": 5, "b": -5e-1, "a": "0.50", "t": "x: .5, +5"}'
    warehouse.write("usage/d.ndjson", event("1", plain))
    warehouse.ingest()
    read = {"a": ".5", "b": "-.5", "c": "5.", "d": "+5", "e": "+.5e1", "t": "x: .5, +5"}
    assert warehouse.data()[0] == read
    assert warehouse.data()[-2] == read
    assert warehouse.rows(
        "select event_id, is_conflict from raw.repeated_events order by event_id"
    ) == [("1", False)]


def test_what_is_rejected_says_why_and_whose_it_is(warehouse: Warehouse) -> None:
    """Nobody could be asked for the usage, and nobody could mend it."""
    lines = [
        event("1", time="15/01/2026"),
        event("2", time="2026-03-01T00:00:00Z"),
        event("3", time="1969-12-31T23:59:59Z"),
        event("4", '{"n": 1, "m": [2]}'),
        event("5", '{"n": 1, "m": 1, "n": 2}'),
        event("6", source=""),
        event("7")[:-1],
        event("8", '{"n": 1}')[:-1] + ', "type": "y"}',
    ]
    warehouse.write("usage/a.ndjson", "\n".join(lines))
    warehouse.ingest()
    assert warehouse.rows(
        "select detail, event_id, subject, event_at::varchar from raw.rejected_records"
        " order by position"
    ) == [
        ("time: '15/01/2026' is no RFC 3339 instant", "1", "sub_1", None),
        (
            "time: '2026-03-01T00:00:00Z' is more than a day later than the load",
            "2",
            "sub_1",
            "2026-03-01 00:00:00",
        ),
        (
            "time: '1969-12-31T23:59:59Z' is not within 1970 to 9999",
            "3",
            "sub_1",
            "1969-12-31 23:59:59",
        ),
        ("data is not flat: m", "4", "sub_1", "2026-01-15 10:00:00"),
        ("duplicate key in data: n", "5", "sub_1", "2026-01-15 10:00:00"),
        ("missing or empty: source", "6", "sub_1", "2026-01-15 10:00:00"),
        ("not a JSON object", None, None, None),
        ("duplicate key: type", "8", "sub_1", "2026-01-15 10:00:00"),
    ]


# Rows of sources.csv: source, path_pattern, timezone, time_format.
LONDON = ("", "london/**", "Europe/London", "")
GERMAN = ("meter", "", "Europe/Berlin", "%d.%m.%Y %H:%M")
EPOCH = ("", "london/epoch-*.csv", "", "epoch_ms")


@pytest.mark.parametrize(
    ("name", "source", "time", "expected"),
    [
        ("london/a.csv", "api", "2025-10-12 00:30", "2025-10-11 23:30:00"),
        ("london/a/b.csv", "api", "2025-12-12T00:30:00", "2025-12-12 00:30:00"),
        ("london/a.csv", "api", "2025-10-12T00:30:00Z", "2025-10-12 00:30:00"),
        ("london/a.csv", "api", "2025-10-12T00:30:00+02:00", "2025-10-11 22:30:00"),
        # Shown twice: the second. Left out: as much later as the clock is put forward.
        ("london/a.csv", "api", "2025-10-26 01:30", "2025-10-26 01:30:00"),
        ("london/a.csv", "api", "2025-03-30 01:30", "2025-03-30 01:30:00"),
        ("paris/a.csv", "api", "2025-10-12 00:30", "2025-10-12 00:30:00"),
        # A source goes before a path, and the longer pattern before the shorter.
        ("london/a.csv", "meter", "12.10.2025 00:30", "2025-10-11 22:30:00"),
        ("b.csv", "meter", " 1.2.2025 0:30 ", "2025-01-31 23:30:00"),
        ("b.csv", "meter", "2025-10-12T00:30:00Z", "not of the format %d.%m.%Y %H:%M"),
        ("b.csv", "meter", "30.02.2025 00:30", "not of the format %d.%m.%Y %H:%M"),
        ("london/epoch-1.csv", "api", "1760229000123", "2025-10-12 00:30:00.123"),
        ("london/epoch-1.csv", "api", "1760229000123.25", "2025-10-12 00:30:00.12325"),
        ("london/epoch-1.csv", "api", "1760229000123.2509", "2025-10-12 00:30:00.12325"),
        ("london/epoch-1.csv", "api", "1.760229e12", "2025-10-12 00:30:00"),
        ("london/epoch-1.csv", "api", "2025-10-12T00:30:00Z", "not of the format epoch_ms"),
        ("london/epoch-1.csv", "api", "9" * 20, "not of the format epoch_ms"),
    ],
)
def test_a_source_has_its_zone_and_its_format(
    warehouse: Warehouse, name: str, source: str, time: str, expected: str
) -> None:
    """Usage on a local clock would be billed in the wrong hour, or not at all."""
    rules = [
        TimeRule(of_source, timezone, time_format, path)
        for of_source, path, timezone, time_format in (LONDON, GERMAN, EPOCH)
    ]
    warehouse.write(f"usage/{name}", f"id,source,type,subject,time\n1,{source},t,s,{time}\n")
    lines = name.replace(".csv", ".csv.ndjson").replace("london/epoch", "london/x/epoch")
    if "epoch" not in name:
        warehouse.write(f"usage/{lines}", event("2", source=source, time=time))
    warehouse.ingest(LOADED_AT, *rules)
    found = warehouse.rows(
        "select event_at::varchar from raw.usage_events"
        " union all select detail[-length($$" + expected + "$$):] from raw.rejected_records"
    )
    assert set(found) == {(expected,)}


def test_times_of_parquet_come_in_every_type(warehouse: Warehouse) -> None:
    start = "'api' as source, 'call' as type, 'sub_1' as subject"
    times = {
        "a": "date '2026-01-15'",
        "b": "timestamp_ns '2026-01-15 00:00:00.123456789'",
        "c": "timestamp_ms '2026-01-15 00:00:00.123'",
        "d": "timestamp_s '2026-01-15 00:00:00'",
        "e": "timestamptz '2026-01-15 00:00:00+05'",
        "f": "1768431600",
        "g": "date 'infinity'",
    }
    for name, time in times.items():
        warehouse.parquet(
            f"usage/{name}.parquet", f"select '{name}' as id, {start}, {time} as time"
        )
        warehouse.parquet(
            f"usage/berlin/{name}.parquet", f"select 'B{name}' as id, {start}, {time} as time"
        )
    rules = [
        TimeRule("api", "Europe/Berlin", "", "berlin/*"),
        TimeRule("", "", "epoch_s", "**/f.parquet"),
    ]
    warehouse.ingest(LOADED_AT, *rules)
    assert dict(
        warehouse.rows("select event_id, event_at::varchar from raw.usage_events")
    ) == {
        "a": "2026-01-15 00:00:00",
        "Ba": "2026-01-14 23:00:00",
        "b": "2026-01-15 00:00:00.123456",
        "Bb": "2026-01-14 23:00:00.123456",
        "c": "2026-01-15 00:00:00.123",
        "Bc": "2026-01-14 23:00:00.123",
        "d": "2026-01-15 00:00:00",
        "Bd": "2026-01-14 23:00:00",
        # An instant has its zone.
        "e": "2026-01-14 19:00:00",
        "Be": "2026-01-14 19:00:00",
        "f": "2026-01-14 23:00:00",
    }
    # The rule of the source goes before that of the file.
    assert [reason for _, reason in warehouse.rejected()] == ["invalid_time"] * 3


def test_a_changed_rule_holds_for_what_is_loaded_from_then_on(warehouse: Warehouse) -> None:
    """What is loaded is never moved, and who has an id does not depend on the rule."""
    warehouse.write("usage/a.ndjson", event("1", time="2026-01-15 10:00"))
    warehouse.ingest()
    warehouse.write("usage/b.ndjson", event("1", time="2026-01-15 10:00"))
    warehouse.write("usage/c.ndjson", event("2", time="2026-01-15 10:00"))
    warehouse.ingest(LOADED_AT, TimeRule("", "Europe/Berlin", ""))
    assert warehouse.rows(
        "select event_id, event_at::varchar from raw.usage_events order by file_id"
    ) == [
        ("1", "2026-01-15 10:00:00"),
        ("1", "2026-01-15 09:00:00"),
        ("2", "2026-01-15 09:00:00"),
    ]
    assert warehouse.rows("select file_id, is_conflict from raw.repeated_events") == [
        (2, True)
    ]


def test_numeric_attributes_become_text_and_absent_data_is_empty(warehouse: Warehouse) -> None:
    record = {
        "id": 12345678901234567890,
        "source": 7,
        "type": "call",
        "subject": 4,
        "time": "2026-01-01T00:00:00Z",
    }
    warehouse.write("usage/a.jsonl", json.dumps(record) + "\n" + event("2", "null"))
    warehouse.ingest()
    assert warehouse.rows(
        "select event_id, source, subject, data from raw.usage_events order by position"
    ) == [("12345678901234567890", "7", "4", "{}"), ("2", "api", "sub_1", "{}")]


def test_json_files_hold_one_object_or_an_array(warehouse: Warehouse) -> None:
    pretty = json.dumps(json.loads(event("1")), indent=2)
    warehouse.write("usage/a.json", pretty)
    warehouse.write("usage/b.json", f"\ufeff[{event('2')},\n{pretty.replace('1', '3', 1)}]")
    warehouse.write("usage/c.json.gz", gzip.compress(f"[{event('4')}, 5]".encode()))
    warehouse.write("usage/d.json", "[]")
    warehouse.write("usage/e.json", "")
    exact = "0.1234567890123456789"
    record = event("6", f'{{"n": {exact}}}')
    warehouse.write("usage/f.json", f"[{record}]")
    report = warehouse.ingest()
    assert report.file_count == 6
    assert warehouse.ids() == ["1", "2", "3", "4", "6"]
    assert warehouse.rejected() == [(2, "malformed")]
    assert warehouse.data()[-1] == {"n": exact}


def test_a_broken_json_array_gives_what_comes_before_the_break(warehouse: Warehouse) -> None:
    warehouse.write("usage/a.json", f'[{event("1")},\n{event("2")},\n{{"id": "3", "sou')
    warehouse.write("usage/b.json", f"[{event('4')}]")
    assert warehouse.ingest().record_count == 4
    assert warehouse.ids() == ["1", "2", "4"]
    assert warehouse.rejected() == [(3, "malformed")]


@pytest.mark.parametrize("end", ["", ",", " ,\n"])
def test_an_array_that_does_not_end_has_lost_something(warehouse: Warehouse, end: str) -> None:
    """Cut between two records: nothing else would tell that there were more."""
    warehouse.write("usage/a.json", f"[{event('1')},{event('2')}{end}")
    assert warehouse.ingest().record_count == 3
    assert warehouse.ids() == ["1", "2"]
    assert warehouse.rejected() == [(3, "malformed")]


CSV_HEADER = "id,source,type,subject,time,n,model\n"


def csv_row(event_id: str, number: str = "1", model: str = "m") -> str:
    return f"{event_id},api,call,sub_1,2026-01-15T10:00:00Z,{number},{model}\n"


def test_csv_columns_become_data_and_empty_is_absent(warehouse: Warehouse) -> None:
    rows = csv_row("1", "0.1234567890123456789") + csv_row("2", "", '"a ""b"", c\nd"')
    warehouse.write("usage/a.csv", "\ufeff" + (CSV_HEADER + rows).replace("\n", "\r\n"))
    warehouse.write("usage/b.csv.gz", gzip.compress((CSV_HEADER + csv_row("3")).encode()))
    warehouse.write("usage/c.csv", CSV_HEADER)
    warehouse.ingest()
    assert warehouse.rejected() == []
    assert warehouse.data()[0] == {"n": "0.1234567890123456789", "model": "m"}
    assert warehouse.data()[1]["n"] is None
    assert warehouse.ids() == ["1", "2", "3"]


def test_broken_csv_rows_are_rejected_with_their_text(warehouse: Warehouse) -> None:
    rows = csv_row("1") + "2,short\n" + csv_row("3") + csv_row("4", "1,2,3") + csv_row("5")
    warehouse.write("usage/a.csv", CSV_HEADER + rows + '6,api,"cut')
    warehouse.write("usage/b.csv", CSV_HEADER + csv_row("7"))
    assert warehouse.ingest().record_count == 7
    assert warehouse.ids() == ["1", "3", "5", "7"]
    assert warehouse.rows(
        "select event_id, position from raw.usage_events where file_id = 1 order by position"
    ) == [("1", 1), ("3", 3), ("5", 5)]
    assert warehouse.rejected() == [(2, "malformed"), (4, "malformed"), (6, "malformed")]
    assert warehouse.rows("select raw_text from raw.rejected_records where position = 2") == [
        ("2,short",)
    ]


@pytest.mark.parametrize("broken", ["2", "23", "12", "45", "234", "124", "12345", "6", "56"])
def test_every_row_beside_broken_ones_has_its_own_position(
    warehouse: Warehouse, broken: str
) -> None:
    """A good row after two broken ones had the place of the second, and was a repeated key."""
    rows = ["short\n" if str(i) in broken else csv_row(str(i)) for i in range(1, 7)]
    warehouse.write("usage/a.csv", CSV_HEADER + "".join(rows))
    warehouse.ingest()
    assert warehouse.rejected() == [(int(i), "malformed") for i in broken]
    assert (
        warehouse.rows(
            "select event_id from raw.usage_events where event_id <> position::varchar"
        )
        == []
    )
    assert warehouse.ids() == [i for i in "123456" if i not in broken]


def test_a_load_leaves_nothing_behind_in_its_connection(warehouse: Warehouse) -> None:
    rows = csv_row("1") + "2,short\n" + csv_row("3")
    for name in ("a", "b"):
        warehouse.write(f"usage/{name}.csv", CSV_HEADER + rows.replace(",", f"{name},", 1))
        assert warehouse.ingest().rejected_count == 1
        assert warehouse.rejected()[-1] == (2, "malformed")
    assert warehouse.rows("select table_name from duckdb_tables() where temporary") == []


def test_csv_with_invalid_utf8_loses_only_that_row(warehouse: Warehouse) -> None:
    content = (CSV_HEADER + csv_row("1") + csv_row("2", "X") + csv_row("3")).encode()
    warehouse.write("usage/a.csv", content.replace(b",X,", b",\xff,"))
    warehouse.ingest()
    assert warehouse.ids() == ["1", "3"]
    assert warehouse.rejected() == [(2, "malformed")]


def test_csv_data_column_is_merged(warehouse: Warehouse) -> None:
    header = "id,source,type,subject,time,region,data\n"
    start = "api,call,s,2026-01-01T00:00:00Z,eu"
    rows = [
        f'1,{start},"{{""n"": 0.1234567890123456789}}"',
        f"2,{start},",
        f"3,{start},not json",
        f'4,{start},"{{""n"": [1]}}"',
        f'5,{start},"{{""region"": ""us""}}"',
    ]
    warehouse.write("usage/a.csv", header + "\n".join(rows))
    warehouse.ingest()
    assert warehouse.data() == [
        {"region": "eu", "n": "0.1234567890123456789"},
        {"region": "eu"},
    ]
    assert warehouse.rejected() == [(3, "malformed"), (4, "malformed"), (5, "malformed")]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("id,source,type,subject,n", "missing_attribute"),
        ("id,source,type,subject,time,n,n", "malformed"),
        ("noise;time", "missing_attribute"),
    ],
)
def test_csv_under_a_useless_header_is_rejected_row_by_row(
    warehouse: Warehouse, header: str, reason: str
) -> None:
    warehouse.write("usage/a.csv", f"{header}\n1,a\n\n2,b\n")
    warehouse.ingest()
    assert warehouse.rows("select reason, raw_text from raw.rejected_records") == [
        (reason, "1,a"),
        (reason, "2,b"),
    ]


def test_parquet_keeps_exact_values(warehouse: Warehouse) -> None:
    start = "'api' as source, 'call' as type, 'sub_1' as subject"
    warehouse.parquet(
        "usage/month=01/a.parquet",
        f"select 'a' || i as id, {start}, timestamp '2026-01-15 10:00:00' as time,"
        " 99999999999999999999999999.999999999999::decimal(38, 12) as n, 0.1::float as f,"
        " 0.1::double as d, i as small,"
        " null::varchar as gone, 'x\"y' as \"o'dd \"\"name\", date '2026-01-01' as day"
        " from range(3) t(i)",
    )
    warehouse.parquet(
        "usage/b.parquet",
        f"select 'b' as id, {start}, timestamptz '2026-01-15 10:00:00+02' as time, 7 as n",
    )
    warehouse.parquet(
        "usage/c.parquet",
        f"select 'c' as id, {start}, '2026-01-15T10:00:00.5Z' as time,"
        " {'n': 1.50::decimal(10, 2), 'model': 'm'} as data, 'eu' as region",
    )
    warehouse.parquet(
        "usage/d.parquet",
        f"select 'd' || i as id, {start}, timestamp '2026-01-15 10:00:00' as time,"
        " ['{\"n\": 0.1234567890123456789}', '[]', null][i] as data from range(1, 4) t(i)",
    )
    warehouse.parquet(
        "usage/e.parquet",
        f"select nullif('e' || i, 'e1') as id, {start},"
        " [timestamp '2026-01-01', null, timestamp 'infinity', timestamp '2026-03-01',"
        " timestamp '2026-01-01'][i + 1] as time, case when i = 4 then [1] end as list"
        " from range(5) t(i)",
    )
    warehouse.ingest()
    by_id = dict(zip(warehouse.ids(), warehouse.data(), strict=True))
    assert by_id["a0"] == {
        "n": "99999999999999999999999999.999999999999",
        "f": "0.1",
        "d": "0.1",
        "small": 0,
        "o'dd \"name": 'x"y',
        "day": "2026-01-01",
    }
    assert by_id["c"] == {"n": "1.50", "model": "m", "region": "eu"}
    assert by_id["d1"] == {"n": "0.1234567890123456789"}
    assert by_id["d3"] == {}
    assert "e0" in by_id
    assert warehouse.rows(
        "select event_at::varchar from raw.usage_events where event_id in ('b', 'c')"
        " order by event_id"
    ) == [("2026-01-15 08:00:00",), ("2026-01-15 10:00:00.5",)]
    assert [reason for _, reason in warehouse.rejected()] == [
        "malformed",
        "missing_attribute",
        "invalid_time",
        "future_time",
        "malformed",
    ]


def test_a_parquet_map_of_anything_but_scalars_is_not_flat(warehouse: Warehouse) -> None:
    """The type of its values is not what stands after the last comma."""
    start = "'api' as source, 'call' as type, 'sub_1' as subject"
    start += ", timestamp '2026-01-15 10:00:00' as time"
    for name, data in (
        ("flat", "map {'n': '1'}"),
        ("structs", "map {'n': {'x': 1, 'y': 'q'}}"),
        ("maps", "map {'n': map {'x': '1'}}"),
        ("lists", "map {'n': [1]}"),
        ("many", "[map {'n': '1'}]"),
    ):
        query = f"select '{name}' as id, {start}, {data} as data"
        warehouse.parquet(f"usage/{name}.parquet", query)
    warehouse.ingest()
    assert warehouse.ids() == ["flat"]
    assert [reason for _, reason in warehouse.rejected()] == ["malformed"] * 4


def test_parquet_without_a_required_column_rejects_each_record(warehouse: Warehouse) -> None:
    warehouse.parquet("usage/a.parquet", "select i::varchar as id, 1 as n from range(3) t(i)")
    warehouse.ingest()
    assert {reason for _, reason in warehouse.rejected()} == {"missing_attribute"}
    assert json.loads(
        warehouse.rows("select raw_text from raw.rejected_records where position = 2")[0][0]
    ) == {"id": "1", "n": 1}


STRANGE_NAMES = [
    'it\'s "quoted".ndjson',
    "a b c.ndjson",
    "glob [ab]*?.ndjson",
    "[x]/{y}.ndjson",
    "東京/übung 🏠.ndjson",
    "back\\slash.ndjson",
    "new\nline.ndjson",
    "key=value/a.ndjson",
    "$1;drop table x;--.ndjson",
    "UPPER.NDJSON",
]


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_strange_paths_are_read_and_recorded_as_they_are(
    warehouse: Warehouse, name: str
) -> None:
    warehouse.write(f"usage/{name}", event("1"))
    warehouse.write("usage/glob a.ndjson", event("2"))
    assert warehouse.ingest().failed_files == []
    assert warehouse.rows(
        "select source_file from raw.load_files inner join raw.usage_events using (file_id)"
        " where event_id = '1'"
    ) == [(f"usage/{name}",)]
    assert sorted(warehouse.ids()) == ["1", "2"]
    assert warehouse.ingest().load_id is None


def test_ignored_names_are_not_listed(warehouse: Warehouse) -> None:
    for name in (".hidden.ndjson", "a.ndjson.tmp", ".staging/a.ndjson"):
        warehouse.write(f"usage/{name}", event("1"))
    assert new_files(set(), warehouse.landing) == []
    assert warehouse.ingest() == IngestReport(None, 0, 0, 0, 0, 0, [])


def test_a_missing_or_empty_landing_directory_is_no_error(warehouse: Warehouse) -> None:
    assert warehouse.ingest().load_id is None
    warehouse.write("usage/a.ndjson", "")
    report = warehouse.ingest()
    assert (report.load_id, report.file_count, report.record_count) == (1, 1, 0)
    assert warehouse.ingest().load_id is None


def test_unopenable_files_are_reported_and_retried(warehouse: Warehouse) -> None:
    whole = gzip.compress("\n".join(event(str(i)) for i in range(2000)).encode())
    warehouse.write("usage/cut.ndjson.gz", whole[: len(whole) // 2])
    warehouse.write("usage/no-trailer.ndjson.gz", whole[:-4])
    warehouse.write("usage/empty.ndjson.gz", b"")
    warehouse.write("usage/not.ndjson.zst", b"plain text")
    warehouse.write("usage/not.parquet", b"PAR1 nothing PAR1")
    warehouse.write("usage/empty.parquet", b"")
    warehouse.write("usage/what.xlsx", b"PK")
    warehouse.write("stray.ndjson", event("s"))
    warehouse.parquet("usage/cut.parquet", "select i::varchar as id from range(9999) t(i)")
    cut = warehouse.landing / "usage/cut.parquet"
    cut.write_bytes(cut.read_bytes()[:-50])
    warehouse.write("usage/good.ndjson", event("good"))
    report = warehouse.ingest()
    failed = {name for name, _ in report.failed_files}
    assert len(failed) == 9
    assert warehouse.ids() == ["good"]
    assert {
        row[0] for row in warehouse.rows("select source_file from raw.failed_files")
    } == failed
    assert dict(report.failed_files)["usage/what.xlsx"].startswith("unknown format")
    assert warehouse.ingest().load_id is None
    assert warehouse.rows("select count(*) from raw.failed_files") == [(9,)]
    warehouse.write("usage/cut.ndjson.gz", whole)
    assert warehouse.ingest().event_count == 2000
    assert warehouse.rows("select count(*) from raw.failed_files") == [(8,)]


def test_damaged_parquet_pages_cost_only_their_file(warehouse: Warehouse) -> None:
    for name in ("a", "b", "c"):
        warehouse.parquet(
            f"usage/{name}.parquet",
            f"select '{name}' || md5(i::varchar) as id, 's' as source, 't' as type,"
            " 'u' as subject, timestamp '2026-01-01' as time from range(20000) t(i)",
            ", compression gzip",
        )
    path = warehouse.landing / "usage/b.parquet"
    content = bytearray(path.read_bytes())
    content[1000:5000] = b"\xff" * 4000
    path.write_bytes(content)
    report = warehouse.ingest()
    assert [name for name, _ in report.failed_files] == ["usage/b.parquet"]
    assert report.event_count == 40_000


def test_zstd_files_are_read_and_checked(warehouse: Warehouse) -> None:
    lines = [event(str(i)) for i in range(5000)]
    path = warehouse.landing / "usage/a.ndjson.zst"
    path.parent.mkdir(parents=True)
    warehouse.connection.execute(
        f"copy (select unnest($1::varchar[])) to '{path}' (format csv, header false, quote '',"
        " escape '', delimiter '\x1f', compression zstd)",
        [lines],
    )
    whole = path.read_bytes()
    warehouse.write("usage/b.ndjson.zst", whole[:-10])
    report = warehouse.ingest()
    assert report.event_count == 5000
    assert [name for name, _ in report.failed_files] == ["usage/b.ndjson.zst"]


def test_repeats_are_found_over_all_history(warehouse: Warehouse) -> None:
    first = [event("1", '{"n": 5, "m": "x"}'), event("2"), event("2"), event("3")]
    warehouse.write("usage/b.ndjson", "\n".join(first))
    assert warehouse.ingest().repeated_count == 1
    again = [
        event("1", '{"m": "x", "n": 5.0, "gone": null}'),
        event("2", '{"n": 9}'),
        event("3", subject="sub_2"),
        event("3", source="other"),
        event("3"),
        event("1", '{"n": "5", "m": "x"}', time="2026-01-15T12:00:00+02:00"),
        event("4"),
        event("2", time="2026-01-15T10:00:00.000001Z"),
        event("2", type="other"),
        event("3", source="other"),
    ]
    warehouse.write("usage/a.ndjson", "\n".join(again))
    assert warehouse.ingest().repeated_count == 8
    assert warehouse.rows(
        "select load_id, file_id, position, is_conflict from raw.repeated_events order by all"
    ) == [
        (1, 1, 3, False),
        (2, 2, 1, False),
        (2, 2, 2, True),
        (2, 2, 3, True),
        (2, 2, 5, False),
        (2, 2, 6, False),
        (2, 2, 8, True),
        (2, 2, 9, True),
        (2, 2, 10, False),
    ]


def test_a_file_in_the_format_of_an_older_engine_is_loaded_too(tmp_path: Path) -> None:
    older = Warehouse(tmp_path, "v1.0.0")
    older.write("usage/a.ndjson", event("1"))
    assert older.ingest().event_count == 1
    assert older.rows("select event_id, data from raw.usage_events") == [("1", '{"n":1}')]


def test_repeats_of_an_older_warehouse_are_given_their_content(warehouse: Warehouse) -> None:
    warehouse.write("usage/a.ndjson", "\n".join([event("1"), event("1", '{"n": 2}')]))
    warehouse.ingest()
    query = "select * from raw.repeated_events"
    before = warehouse.rows(query)
    assert before[0][4:8] + before[0][9:10] == ("api", "1", "call", "sub_1", '{"n":2}')
    assert before[0][10:] == (1, 2, 1, 1, "call", '{"n":1}')
    warehouse.connection.execute("alter table raw.repeated_events drop column first_data")
    warehouse.ingest()
    assert warehouse.rows(query) == before
    for column in ("source", "event_id", "event_type", "subject", "event_at", "data"):
        warehouse.connection.execute(f"alter table raw.repeated_events drop column {column}")
    warehouse.ingest()
    assert warehouse.rows(query) == before


def test_first_landed_follows_file_name_whatever_the_format(warehouse: Warehouse) -> None:
    warehouse.write("usage/b.ndjson", event("1", '{"n": 1}') + "\n" + event("2"))
    warehouse.write("usage/a.csv", CSV_HEADER + csv_row("1", "2"))
    for name, event_id in (("c", "1"), ("a", "2")):
        warehouse.parquet(
            f"usage/{name}.parquet",
            f"select '{event_id}' as id, 'api' as source, 'call' as type, 'sub_1' as subject,"
            " timestamp '2026-01-15 10:00:00' as time, '2' as n, 'm' as model",
        )
    warehouse.ingest()
    assert warehouse.rows(
        "select source_file, is_conflict from raw.repeated_events"
        " inner join raw.load_files using (file_id) order by file_id"
    ) == [("usage/b.ndjson", True), ("usage/b.ndjson", True), ("usage/c.parquet", False)]


def test_positions_follow_the_lines_of_large_files(warehouse: Warehouse) -> None:
    for name in ("a", "b"):
        lines = [event(f"{name}{i}", f'{{"p": "{"y" * 300}"}}') for i in range(1, 150_001)]
        lines[70_000] = "noise"
        warehouse.write(f"usage/{name}.ndjson", "\n".join(lines))
    warehouse.ingest()
    assert warehouse.rows(
        "select count(*) from raw.usage_events where event_id[2:] <> position::varchar"
    ) == [(0,)]
    assert warehouse.rejected() == [(70_001, "malformed"), (70_001, "malformed")]


def test_accounts_and_corrections_are_kept_as_text(warehouse: Warehouse) -> None:
    warehouse.write(
        "accounts/customers-1.csv",
        "customer_id,customer_name,country_code,currency_code,timezone,extra\n"
        'c1,"O\'Neil, Ltd",DE,EUR,Europe/Berlin,x\n00012,B,DE,EUR,UTC,\n',
    )
    warehouse.write("accounts/subjects.csv", "subject,subscription_id\na,b\n")
    warehouse.write("accounts/subscriptions.csv", "subscription_id,customer_id\ns,c\n")
    warehouse.write(
        "corrections/x.csv", "correction_id,source,event_id,action\nk1,api,1,void\n"
    )
    report = warehouse.ingest()
    assert warehouse.rows(
        "select position, customer_id, customer_name, email from raw.customers order by all"
    ) == [(1, "c1", "O'Neil, Ltd", None), (2, "00012", "B", None)]
    assert warehouse.rows("select event_id, action, reason from raw.corrections") == [
        ("1", "void", None)
    ]
    assert warehouse.rows("select subject, valid_from from raw.subjects") == [("a", None)]
    assert report.failed_files == [
        (
            "accounts/subscriptions.csv",
            "accounts/subscriptions.csv: required column plan_code is missing",
        )
    ]


@pytest.mark.parametrize(
    ("name", "header", "columns", "failure"),
    [
        (
            "accounts/subjects.csv",
            "subject,subscription_id,Valid_To,note,note,,subject",
            [
                ("Valid_To", "valid_to"),
                ("column 6, which has no name", None),
                ("note", None),
                ("subject", "subject"),
            ],
            None,
        ),
        ("accounts/subjects.csv", "subject,subscription_id,valid_from", [], None),
        (
            "accounts/subscriptions.csv",
            "subscription_id,customer_id,plan,started_at",
            [],
            "column plan_code is missing; 'plan' may be meant",
        ),
    ],
)
def test_columns_of_accounts_that_nobody_reads_are_kept(
    warehouse: Warehouse,
    name: str,
    header: str,
    columns: list[tuple[str, str | None]],
    failure: str | None,
) -> None:
    """An export with a misspelt column loads without a word, and an alias holds for ever."""
    warehouse.write(name, f"{header}\n" + "x," * header.count(",") + "x\n")
    report = warehouse.ingest()
    failures = [(name, f"{name}: required {failure}")] if failure else []
    assert report.failed_files == failures
    assert columns == warehouse.rows(
        "select column_name, meant_column from raw.unread_columns order by column_name"
    )


@pytest.mark.parametrize("content", ["subject,subscription_id\na,b\nshort\n", ""])
def test_a_broken_accounts_file_is_not_half_loaded(warehouse: Warehouse, content: str) -> None:
    warehouse.write("accounts/subjects.csv", content)
    report = warehouse.ingest()
    assert [name for name, _ in report.failed_files] == ["accounts/subjects.csv"]
    assert warehouse.rows("select * from raw.subjects") == []


def contents(connection: duckdb.DuckDBPyConnection) -> list[list[tuple[Any, ...]]]:
    return [
        connection.execute(f"select * from raw.{table} order by all").fetchall()
        for table in ("load_files", "usage_events", "repeated_events", "rejected_records")
    ]


def fill(warehouse: Warehouse) -> None:
    lines = [event(str(i % 900)) for i in range(1000)]
    warehouse.write("usage/a.ndjson", "\n".join([*lines, "noise"]))
    warehouse.write("usage/b.csv", CSV_HEADER + csv_row("1") + "bad\n")
    warehouse.parquet("usage/c.parquet", "select 'x' as id, 1 as n")


def test_a_load_stopped_anywhere_leaves_nothing_half_done(tmp_path: Path) -> None:
    calm = Warehouse(tmp_path / "calm")
    fill(calm)
    messages: list[str] = []
    ingest_landing(calm.connection, calm.landing, LOADED_AT, messages.append)
    troubled = Warehouse(tmp_path / "troubled")
    fill(troubled)
    for stop in range(len(messages) - 1):
        seen: list[str] = []

        def stop_there(message: str, seen: list[str] = seen, stop: int = stop) -> None:
            seen.append(message)
            if len(seen) > stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ingest_landing(troubled.connection, troubled.landing, LOADED_AT, stop_there)
        assert contents(troubled.connection) == [[], [], [], []]
    troubled.ingest()
    assert contents(troubled.connection) == contents(calm.connection)


def test_a_killed_load_is_simply_run_again(tmp_path: Path) -> None:
    calm, killed = Warehouse(tmp_path / "calm"), Warehouse(tmp_path / "killed")
    for warehouse in (calm, killed):
        fill(warehouse)
    calm.ingest()
    killed.connection.close()
    script = textwrap.dedent(
        f"""
        import os, signal, sys
        from datetime import UTC, datetime
        from pathlib import Path
        import duckdb
        from dagster_project.lib.ingest import ingest_landing

        def report(message):
            if message.startswith(sys.argv[1]):
                os.kill(os.getpid(), signal.SIGKILL)

        ingest_landing(
            duckdb.connect({str(killed.path)!r}), Path({str(killed.landing)!r}),
            datetime(2026, 2, 1, tzinfo=UTC), report,
        )
        """
    )
    for moment in ("reading 1 csv", "loading", "looking", "committing"):
        done = subprocess.run(
            [sys.executable, "-c", script, moment],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            check=False,
        )
        assert done.returncode == -signal.SIGKILL
    killed.connection = duckdb.connect(str(killed.path))
    assert contents(killed.connection) == [[], [], [], []]
    killed.ingest()
    assert contents(killed.connection) == contents(calm.connection)
    assert [path.name for path in killed.path.parent.iterdir() if path.name[0] == "."] == []


def test_a_repeat_is_found_after_the_engine_has_changed_its_hash(warehouse: Warehouse) -> None:
    """Without it an upgrade of the engine would bill every event that is sent again twice."""
    line = '{"id":"1","source":"s","type":"t","subject":"x","time":"2026-01-01T00:00:00Z"}\n'
    warehouse.write("usage/a.ndjson", line)
    warehouse.ingest()
    warehouse.connection.execute("update raw.stored_events set event_hash = 1")
    warehouse.connection.execute("update raw.event_hash_probes set event_hash = 2")
    warehouse.write("usage/b.ndjson", line)
    assert warehouse.ingest().repeated_count == 1
    assert warehouse.rows("select count(*) from raw.event_hash_probes") == [(1,)]


@pytest.mark.parametrize("count", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("place", ["first", "last", "apart"])
def test_a_repeated_key_is_found_among_any_number_of_keys(
    warehouse: Warehouse, count: int, place: str
) -> None:
    """Short lists are compared pair by pair; a pair left out would bill either value."""
    names = [f"k{number}" for number in range(count - 1)]
    names = {
        "first": [names[0], *names],
        "last": [*names, names[-1]],
        "apart": [*names, names[0]],
    }[place]
    repeated = ", ".join(f'"{name}": {index}' for index, name in enumerate(names))
    sound = ", ".join(f'"k{index}": 1' for index in range(count))
    lines = [event("1", f"{{{repeated}}}"), event("2", f"{{{sound}}}")]
    warehouse.write("usage/a.ndjson", "\n".join(lines))
    warehouse.ingest()
    assert warehouse.rejected() == [(1, "malformed")]


@pytest.mark.parametrize("repeated", ["id", "source", "type", "subject", "time", "data", "x"])
@pytest.mark.parametrize("value", ['"v"', "null"])
def test_a_repeated_attribute_is_malformed(
    warehouse: Warehouse, repeated: str, value: str
) -> None:
    """Without it a record could say twice who is billed, and one of them would be."""
    head = f'{{"specversion": "1.0", "{repeated}": {value}, '
    extra = '"x": 1, ' if repeated == "x" else ""
    warehouse.write("usage/a.ndjson", head + extra + event("1")[1:])
    warehouse.ingest()
    assert warehouse.rejected() == [(1, "malformed")]
