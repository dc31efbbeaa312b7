"""Files that are not what their name says, or not as the engine needs them.

Each is read like the plain file, or named in one sentence with the way out; what can be used
is used, and no record is lost without being counted.
"""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import socket
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.lib.ingest import new_files
from dagster_project.lib.landing_cursor import list_landing
from tests.warehouse.test_ingest import CSV_HEADER, Warehouse, csv_row, event

CUSTOMERS = "customer_id,customer_name,country_code,currency_code,timezone\n"
CORRECTIONS = "correction_id,source,event_id,action,reason\n"
# A letter of latin-1, one of windows-1252, and one beyond.
NAME = "Groß – 5 €, 東京"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return Warehouse(tmp_path)


def zst(content: bytes) -> bytes:
    return pa.compress(content, "zstd", asbytes=True)


def failures(warehouse: Warehouse) -> dict[str, str]:
    """Ingest; every failed file and what is said about it."""
    report = warehouse.ingest()
    stored = warehouse.rows("select source_file, error from raw.failed_files order by 1")
    assert report.failed_files == stored
    return dict(stored)


# A file without a header


@pytest.mark.parametrize(
    ("name", "first", "missing"),
    [
        ("usage/a.csv", "1,api,call,sub_1,2026-01-15T10:00:00Z,5,m", "id, source, type, sub"),
        ("usage/a.csv", "time,api,call,sub_1,2026-01-15T10:00:00Z,5,m", "id, source, type"),
        ("usage/a.csv.gz", "1;api;call;sub_1;2026-01-15T10:00:00Z;5", "id, source, type, sub"),
        ("usage/a.csv.zst", "ID,Source,Type,Subject,Time,n", "(ID, Source, Type, Subject"),
        ("accounts/customers.csv", "c1,Name,US,USD,UTC", "customer_id, customer_name"),
        ("accounts/subjects.csv", "subject,2026-01-01", "subscription_id"),
        ("corrections/a.csv", "k1,api,1,void,wrong", "correction_id, source"),
    ],
)
def test_a_csv_without_its_header_is_said_to_be_one(
    warehouse: Warehouse, name: str, first: str, missing: str
) -> None:
    """The first record would be a header otherwise, and every other one of no use."""
    content = f"{first}\n{first}\n".encode()
    pack = {"gz": gzip.compress, "st": zst}.get(name[-2:], bytes)
    warehouse.write(name, pack(content))
    (sentence,) = failures(warehouse).values()
    assert sentence.startswith("it has no header: required column(s) ")
    assert missing in sentence
    assert warehouse.rows("select * from raw.load_files") == []
    assert failures(warehouse) == {name: sentence}


def test_a_csv_is_loaded_when_its_header_has_been_put_in(warehouse: Warehouse) -> None:
    warehouse.write("usage/a.csv", csv_row("1"))
    assert len(failures(warehouse)) == 1
    warehouse.write("usage/a.csv", CSV_HEADER + csv_row("1"))
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["1"]


@pytest.mark.parametrize("before", ["\n \r\n", "sep=,\n", "\ufeff\n"])
def test_a_header_is_found_behind_blank_lines(warehouse: Warehouse, before: str) -> None:
    """The header was a record of its own."""
    warehouse.write("usage/a.csv", before + CSV_HEADER + csv_row("1") + csv_row("2"))
    warehouse.write("usage/b.csv", before + CSV_HEADER + csv_row("3") + "4,short\n")
    warehouse.write("usage/c.csv", before + "id,source\n5,x\n")
    warehouse.write("accounts/customers.csv", before + CUSTOMERS + "c1,A,US,USD,UTC\n")
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["1", "2", "3"]
    assert warehouse.rows(
        "select source_file, position, raw_text from raw.rejected_records"
        " inner join raw.load_files using (file_id) order by all"
    ) == [("usage/b.csv", 2, "4,short"), ("usage/c.csv", 1, "5,x")]
    assert warehouse.rows("select customer_id from raw.customers") == [("c1",)]


def test_a_header_may_be_long(warehouse: Warehouse) -> None:
    """Only the beginning of a file is looked at, but never half of its header."""
    names = [f"property_{number:050}" for number in range(3000)]
    header = ",".join([*CSV_HEADER.split(",")[:5], *names])
    row = csv_row("1").rpartition(",")[0].rpartition(",")[0] + ",7" * len(names)
    warehouse.write("usage/a.csv", f"{header}\n{row}\n")
    warehouse.write("usage/b.csv", "x" * 200_000)
    assert failures(warehouse) == {
        "usage/b.csv": "its first line is too long for a header: mend it"
    }
    assert warehouse.data() == [dict.fromkeys(names, "7")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["mo\ndel", "mo\r\ndel", "mo\rdel", "model\r\n"])
def test_a_name_of_a_header_may_hold_a_line_break(
    warehouse: Warehouse, name: str, end: str
) -> None:
    """As the cell of a spreadsheet may; all records were lost, and counted nowhere."""
    rows = [CSV_HEADER.strip().replace("model", f'"{name}"'), *"23"]
    rows[1:] = [csv_row(row).strip() for row in rows[1:]]
    warehouse.write("usage/a.csv", "".join(f"{row}{end}" for row in rows))
    warehouse.write("usage/b.csv.zst", zst((end + end.join([*rows, "4,short"])).encode()))
    accounts = [CUSTOMERS.strip() + f',"{name}"', "c1,A,US,USD,UTC,x"]
    warehouse.write("accounts/customers.csv", end.join(accounts))
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["2", "3"] * 2
    assert warehouse.data() == [{"n": "1", name.strip(): "m"}] * 4
    assert warehouse.rejected() == [(3, "malformed")]
    assert warehouse.rows("select customer_id, timezone from raw.customers") == [("c1", "UTC")]


@pytest.mark.parametrize("name", ['"model', '"mo"del', '""model', '"model""'])
@pytest.mark.parametrize("count", [1, 3000])
def test_a_quote_of_a_header_has_to_close(warehouse: Warehouse, name: str, count: int) -> None:
    """The rest of the file was part of a name, and a snapshot said that everybody has left."""
    header = CSV_HEADER.replace("model", name)
    warehouse.write("usage/a.csv", header + csv_row("1") * count)
    customers = CUSTOMERS.strip() + f",{name}\n"
    warehouse.write("accounts/customers.csv", customers + "c1,A,US,USD,UTC,x\n" * count)
    assert failures(warehouse) == {
        file: f"a quote in its header does not close, or goes on after it: mend {line.strip()}"
        for file, line in (("usage/a.csv", header), ("accounts/customers.csv", customers))
    }
    warehouse.write("usage/a.csv", CSV_HEADER + csv_row("1"))
    assert len(failures(warehouse)) == 1
    assert warehouse.ids() == ["1"]


def test_a_header_of_lines_may_be_long_too(warehouse: Warehouse) -> None:
    """Of one with a line break near its beginning only the first 4,096 letters were read."""
    names = [f"property_{number:050}" for number in range(200)]
    header = ",".join(['"first\none"', *CSV_HEADER.split(",")[:5], *names])
    row = "1," + csv_row("1").rpartition(",")[0].rpartition(",")[0] + ",7" * len(names)
    warehouse.write("usage/a.csv", f"{header}\n{row}\n")
    warehouse.write("usage/b.csv", f"sep=,\n{header}\n{row}\n")
    assert failures(warehouse) == {}
    assert warehouse.data() == [{"first\none": "1", **dict.fromkeys(names, "7")}] * 2


def test_a_nul_in_a_name_is_named(warehouse: Warehouse) -> None:
    """The engine ends its statement there; a Parquet file failed everything beside it."""
    warehouse.write("usage/a.csv", CSV_HEADER.replace("model", "mo\0del") + csv_row("1"))
    warehouse.write("accounts/customers.csv", CUSTOMERS.strip() + ",a\0b\nc,C,US,USD,UTC,\n")
    values = {name: ["1"] for name in CSV_HEADER.split(",")[:5]}
    columns: dict[str, dict[str, list[Any]]] = {
        "b": {"a\0b": ["1"]},
        "c": {"data": [{"a\0b": "1"}]},
        "d": {"x": [{"y": {"\0": "1"}}]},
    }
    for name, further in columns.items():
        path = warehouse.write(f"usage/{name}.parquet", "")
        pq.write_table(pa.table({**values, **further}), path)
    warehouse.write("usage/e.ndjson", event("e", '{"a\\u0000b": 1}'))
    assert failures(warehouse) == {
        "accounts/customers.csv": "its header has a NUL in it: take it out",
        "usage/a.csv": "its header has a NUL in it: take it out",
    } | dict.fromkeys(
        (f"usage/{name}.parquet" for name in "bcd"),
        "the name of a column has a NUL in it: give it another name",
    )
    assert warehouse.data() == [{"a\0b": 1}]


# Encodings


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-8-sig"]
)
def test_utf_16_is_read_like_utf_8(warehouse: Warehouse, encoding: str) -> None:
    """A spreadsheet writes it; read as bytes, each row was rejected twice."""
    data = f'{{"n": "{NAME}"}}'
    rows = CSV_HEADER + csv_row("c", "5", f'"{NAME}"')
    for name, text in {
        "usage/a.ndjson": event("a1", data) + "\r\n" + event("a2", data),
        "usage/b.json": f"[{event('b', data)}]",
        "usage/c.csv": rows,
        "usage/d.csv": rows.replace(",", "\t").replace("c\t", "d\t", 1),
        "accounts/customers.csv": f'{CUSTOMERS}c1,"{NAME}",DE,EUR,UTC\r\n',
    }.items():
        warehouse.write(name, text.encode(encoding))
    warehouse.write("usage/e.csv.gz", gzip.compress(rows.replace("c,", "e,").encode(encoding)))
    warehouse.write("usage/f.ndjson.zst", zst(event("f", data).encode(encoding)))
    assert failures(warehouse) == {}
    assert warehouse.rejected() == []
    assert warehouse.ids() == ["a1", "a2", "b", "c", "d", "e", "f"]
    values = [value for data in warehouse.data() for value in data.values()]
    assert set(values) == {NAME, NAME.replace(",", "\t"), "5"}
    assert warehouse.rows("select customer_name from raw.customers") == [(NAME,)]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_cut_character_costs_its_record(warehouse: Warehouse, encoding: str) -> None:
    """A cut file of UTF-16 gave a value with the bytes of half a character in it."""
    rows = CSV_HEADER + csv_row("1") + csv_row("2", "5", NAME[0])
    warehouse.write("usage/a.csv", rows.encode(encoding)[:-1])
    lines = "\n".join((event("3"), event("4", '{"n": "\ud83d"}'), event("5")))
    wide = lines.encode(encoding, "surrogatepass")
    warehouse.write("usage/b.ndjson.gz", gzip.compress(wide))
    customers = CUSTOMERS + "c1,A,US,USD,UTC\n"
    warehouse.write("accounts/customers.csv", customers.encode(encoding)[:-1])
    failed = failures(warehouse)
    assert list(failed) == ["accounts/customers.csv"]
    assert "line 2 is not UTF-8" in failed["accounts/customers.csv"]
    assert warehouse.ids() == ["1", "3", "5"]
    assert warehouse.rejected() == [(2, "malformed")] * 2


def test_a_mark_stands_between_files_put_together(warehouse: Warehouse) -> None:
    """Copied one after the other, each begins with its byte order mark."""
    mark = "\ufeff"
    warehouse.write("usage/a.ndjson", f"{mark}{event('1')}\n{mark}{event('2')}\n{event('3')}")
    warehouse.write("usage/b.json", f"{mark}[{event('4')}]\n{mark}[{event('5')}]")
    warehouse.write("usage/c.csv", mark * 2 + CSV_HEADER + csv_row("6") + mark + csv_row("7"))
    warehouse.write("accounts/customers.csv", mark * 2 + CUSTOMERS + "c1,A,US,USD,UTC\n")
    assert failures(warehouse) == {}
    assert warehouse.rejected() == []
    assert warehouse.ids() == list("1234567")
    assert warehouse.rows("select customer_id from raw.customers") == [("c1",)]


def test_latin_1_costs_the_records_that_have_its_letters(warehouse: Warehouse) -> None:
    rows = CSV_HEADER + csv_row("1") + csv_row("2", "5", "größe") + csv_row("3")
    warehouse.write("usage/a.csv", rows.encode("latin-1"))
    lines = [event("4"), event("5", '{"n": "größe"}'), event("6")]
    warehouse.write("usage/b.ndjson", "\n".join(lines).encode("latin-1"))
    warehouse.write("usage/c.json", f"[{','.join(lines)}]".replace("größe", "ß").encode("l1"))
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["1", "3", "4", "6", "4", "6"]
    assert warehouse.rows("select distinct reason, detail from raw.rejected_records") == [
        ("malformed", "invalid UTF-8: save what wrote it as UTF-8, and send the record again")
    ]
    assert warehouse.rejected() == [(2, "malformed")] * 3


def test_accounts_in_latin_1_are_not_loaded_and_named(warehouse: Warehouse) -> None:
    """They are snapshots: without one of its rows a file says that somebody has left."""
    for name, content in {
        "customers.csv": f"{CUSTOMERS}c1,A,DE,EUR,UTC\nc2,Müller,DE,EUR,UTC\n",
        "subjects.csv": "subject,subscription_id,größe\na,b,c\n",
    }.items():
        warehouse.write(f"accounts/{name}", content.encode("latin-1"))
    way_out = "save the file as UTF-8"
    assert failures(warehouse) == {
        "accounts/customers.csv": rf"line 3 is not UTF-8 (byte \xfc): {way_out}",
        "accounts/subjects.csv": rf"its header is not UTF-8 (byte \xf6): {way_out}",
    }
    assert warehouse.rows("select * from raw.customers") == []


# Compression


def test_zst_is_read_like_the_plain_file(warehouse: Warehouse) -> None:
    """The engine takes its text for latin-1, and so did the bills."""
    data = f'{{"n": "{NAME}"}}'
    contents = {
        "usage/a.ndjson": f"{event('1', data)}\n{event('2', subject=NAME)}\n",
        "usage/b.json": f"[{event('3', data)}, {event('4', data)}]",
        "usage/c.csv": CSV_HEADER + csv_row("5", "5", f'"{NAME}"') + "6,short\n",
        "usage/d.csv": CSV_HEADER.replace("model", "Größe") + csv_row("7"),
        "accounts/customers.csv": f'{CUSTOMERS}c1,"{NAME}",DE,EUR,UTC\n',
        "corrections/a.csv": f'{CORRECTIONS}k1,api,1,void,"{NAME}"\n',
    }
    for name, text in contents.items():
        warehouse.write(name, text)
    assert failures(warehouse) == {}

    def stored(side: str) -> list[list[tuple[Any, ...]]]:
        return [
            warehouse.rows(
                f"select columns(lambda name: name not in ('file_id', 'load_id'))"
                f" from raw.{name} where file_id {side} order by all"
            )
            for name in ("stored_events", "rejected_records", "customers", "corrections")
        ]

    plain = stored("<= 6")
    assert [len(rows) for rows in plain] == [6, 1, 1, 1]
    for name, text in contents.items():
        halves = text.encode()[:100], text.encode()[100:]
        warehouse.write(f"{name}.zst", b"".join(map(zst, halves)))
    assert failures(warehouse) == {}
    assert stored("> 6") == plain


def test_an_invalid_byte_in_zst_costs_one_record(warehouse: Warehouse) -> None:
    lines = [event("1", f'{{"n": "{NAME}"}}').encode(), b'{"id": "\xff"}', event("3").encode()]
    warehouse.write("usage/a.ndjson.zst", zst(b"\n".join(lines)))
    rows = (CSV_HEADER + csv_row("4", "1", "€") + csv_row("5", "X") + csv_row("6")).encode()
    warehouse.write("usage/b.csv.zst", zst(rows.replace(b",X,", b",\xff,")))
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["1", "3", "4", "6"]
    assert warehouse.rejected() == [(2, "malformed"), (2, "malformed")]
    assert not list(warehouse.landing.parent.glob(".meterhouse-ingest-*"))


def test_a_cut_zst_is_named_wherever_it_is_cut(warehouse: Warehouse) -> None:
    whole = zst("\n".join(event(str(i)) for i in range(3000)).encode())
    cuts = (0, 1, 3, 5, 20, len(whole) // 2, len(whole) - 1)
    for number, length in enumerate(cuts):
        warehouse.write(f"usage/{number}.ndjson.zst", whole[:length])
    warehouse.write("usage/tail.ndjson.zst", whole + b"and more")
    warehouse.write("usage/whole.ndjson.zst", whole)
    assert len(failures(warehouse)) == len(cuts) + 1
    assert warehouse.rows("select count(*) from raw.usage_events") == [(3000,)]


def workbook() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": ["1"]}), buffer)
    return buffer.getvalue()


OTHER_CONTENT = {
    "usage/page.csv": (b"\n<!DOCTYPE html><html>", "a web page"),
    "usage/page.ndjson": (b"<html><body>503", "a web page"),
    "usage/error.json": (b'<?xml version="1.0"?><Error/>', "a web page or XML"),
    "usage/page.ndjson.gz": (gzip.compress(b"<html>"), "inside its compression it is a web"),
    "usage/book.csv": (workbook(), "an Excel workbook: unpack it, or save it as CSV in UTF-8"),
    "usage/old.csv": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00", "an Excel workbook"),
    "usage/columns.csv": (parquet(), "Parquet: let its name end in .parquet"),
    "usage/columns.ndjson": (parquet(), "Parquet: let its name end in .parquet"),
    "usage/packed.ndjson": (gzip.compress(b"{}"), "gzip: let its name end in .gz"),
    "usage/packed.csv": (zst(CSV_HEADER.encode()), "zstd: let its name end in .zst"),
    "usage/packed.parquet": (
        gzip.compress(parquet()),
        "says Parquet, but it is gzip",
    ),
    "usage/twice.csv.gz": (gzip.compress(gzip.compress(b"x")), "it is gzip"),
    "usage/other.csv.gz": (zst(CSV_HEADER.encode()), "zstd: let its name end in .zst"),
    "usage/plain.csv.gz": (CSV_HEADER.encode(), "says gzip, but it is not compressed"),
    "usage/plain.ndjson.zst": (event("1").encode(), "says zstd, but it is not compressed"),
    "usage/plain.parquet": (event("1").encode(), "says Parquet, but it is something else"),
    "usage/half.parquet": (parquet()[:-9], "not whole"),
    "usage/short.parquet": (b"PAR", "it is something else"),
    "usage/empty.parquet": (b"", "it is empty"),
    "usage/empty.csv.gz": (b"", "it is empty"),
    "usage/lines.csv": (event("1").encode(), "it is JSON: let its name end in .ndjson"),
    "usage/rows.ndjson": (CSV_HEADER.encode(), "it is CSV: let its name end in .csv"),
    "usage/rows.txt": (CSV_HEADER.encode(), "usage files are .ndjson, .jsonl, .json, .csv"),
    "accounts/customers.csv": (workbook(), "an Excel workbook"),
    "accounts/subjects.csv": (b"", "it is empty: its first line has to name the columns subj"),
    "accounts/pauses.csv.gz": (b"subscription_id,paused_from\n", "is not compressed"),
    "accounts/subscriptions.parquet": (parquet(), "subscriptions files are .csv"),
    "corrections/a.csv": (b"<html></html>", "a web page"),
}


def test_what_is_not_what_its_name_says_is_named(warehouse: Warehouse) -> None:
    """One sentence each, instead of a rejection for every line of a picture."""
    for name, (content, _) in OTHER_CONTENT.items():
        warehouse.write(name, content)
    warehouse.write("usage/good.ndjson", event("good"))
    failed = failures(warehouse)
    assert sorted(failed) == sorted(OTHER_CONTENT)
    for name, (_, said) in OTHER_CONTENT.items():
        assert said in failed[name], name
        assert "\n" not in failed[name]
    assert warehouse.ids() == ["good"]
    assert warehouse.rejected() == []
    assert len(failures(warehouse)) == len(OTHER_CONTENT)


@pytest.mark.parametrize("content", ["", "\n", " \r\n\t\n", "\ufeff"])
def test_nothing_but_blanks_is_no_usage(warehouse: Warehouse, content: str) -> None:
    names = ("a.csv", "b.ndjson", "c.json", "d.csv.gz", "e.csv.zst")
    for name, pack in zip(names, (bytes, bytes, bytes, gzip.compress, zst), strict=True):
        warehouse.write(f"usage/{name}", pack(content.encode()))
    assert failures(warehouse) == {}
    assert warehouse.rows("select count(*), sum(record_count) from raw.load_files") == [(5, 0)]


def test_an_array_under_the_name_of_lines_is_read(warehouse: Warehouse) -> None:
    warehouse.write("usage/a.ndjson", f"[\n{event('1')},\n{event('2')}\n]\n")
    warehouse.write("usage/b.ndjson", f"[{event('3')},\n{event('4')}]")
    warehouse.write("usage/c.ndjson", f"[{event('5')}]\n{event('6')}")
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["1", "2", "3", "4", "6"]
    assert warehouse.rejected() == [(1, "malformed")]


def test_records_over_lines_under_the_name_of_lines_are_read(warehouse: Warehouse) -> None:
    """Each line of a record that is set out over several was rejected."""
    spread = [json.dumps(json.loads(event(str(i))), indent=2) for i in range(1, 4)]
    warehouse.write("usage/a.ndjson", "\n".join(spread[:2]))
    warehouse.write("usage/b.jsonl.zst", zst(spread[2].replace("\n", "\r\n").encode()))
    warehouse.write("usage/c.ndjson", f"{event('4')},\n{event('5')},\n")
    # What has lost its end costs itself.
    warehouse.write("usage/d.ndjson", f"{{\n{event('6')}\n{event('7')}")
    warehouse.write("usage/e.ndjson", event("x")[:40] + f",\n{event('8')}")
    assert failures(warehouse) == {}
    assert warehouse.ids() == list("12345678")
    assert warehouse.rejected() == [(1, "malformed")] * 2


# Separators, line ends and names of CSV columns


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_csv_may_have_another_separator(warehouse: Warehouse, separator: str) -> None:
    """The one that makes sense of the header, whatever else is in it."""
    header = ["id", "source", "type", "subject", "time", '"price, in; cents|"', "a.b"]
    row = ["1", "api", "call", "s", "2026-01-15T10:00:00Z", '"1,5;6\t7|8"', "x"]
    customers = CUSTOMERS + "c1,A,US,USD,UTC\n"
    text = "\n".join(separator.join(values) for values in (header, row))
    warehouse.write("usage/a.csv", text)
    warehouse.write("usage/b.csv.zst", zst(text.replace("1", "2", 1).encode()))
    warehouse.write("accounts/customers.csv", customers.replace(",", separator))
    warehouse.write(
        "corrections/a.csv", (CORRECTIONS + "k,a,1,void,x").replace(",", separator)
    )
    assert failures(warehouse) == {}
    assert warehouse.data() == [{"price, in; cents|": "1,5;6\t7|8", "a.b": "x"}] * 2
    assert warehouse.rows("select timezone from raw.customers") == [("UTC",)]
    assert warehouse.rows("select action from raw.corrections") == [("void",)]


LINE_ENDS = {
    "LF, then CRLF": ["\n", "\n", "\r\n", "\n"],
    "CRLF, then LF": ["\r\n", "\r\n", "\n", "\r\n"],
    "a header with CRLF": ["\r\n", "\n", "\n", "\n"],
    "a header with LF": ["\n", "\r\n", "\r\n", "\r\n"],
    "the last with CRLF": ["\n", "\n", "\n", "\r\n"],
    "CR": ["\r", "\r", "\r", "\r"],
    "CR and LF": ["\n", "\r", "\n", "\r"],
    "CR and CRLF": ["\r\n", "\r", "\r\n", "\r"],
    "doubled": ["\r\r\n", "\r\r\n", "\r\r\n", "\r\r\n"],
    "all": ["\r\n", "\n", "\r", ""],
}


@pytest.mark.parametrize("ends", LINE_ENDS.values(), ids=LINE_ENDS)
def test_line_ends_may_differ(warehouse: Warehouse, ends: list[str]) -> None:
    """Two exports put together by hand; line breaks inside a value are part of it."""
    value = 'a\r\nb\n\rc ""d"",x'
    rows = [CSV_HEADER, csv_row("1", "5", f'"{value}"'), csv_row("2"), csv_row("3", "", '"x"')]
    text = "".join(row[:-1] + end for row, end in zip(rows, ends, strict=True))
    warehouse.write("usage/a.csv", text)
    warehouse.write("usage/b.csv.gz", gzip.compress(text.replace("sub_1", "t").encode()))
    warehouse.write("usage/c.csv.zst", zst(text.encode()))
    broken = text.replace("2,api", "2,short,x,api,y,z,q")
    warehouse.write("usage/d.csv", broken)
    customers = [
        CUSTOMERS,
        f'c1,"{value}",US,USD,UTC\n',
        "c2,B,US,USD,UTC\n",
        "c3,C,US,USD,\n",
    ]
    accounts = "".join(row[:-1] + end for row, end in zip(customers, ends, strict=True))
    warehouse.write("accounts/customers.csv", accounts)
    fixed = ["correction_id,source,event_id,action", *(f"k{i},api,{i},void" for i in range(3))]
    text = "".join(row + end for row, end in zip(fixed, ends, strict=True))
    warehouse.write("corrections/a.csv", text)
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["1", "2", "3"] * 3 + ["1", "3"]
    assert warehouse.rejected() == [(2, "malformed")]
    expected = value.replace('""', '"')
    assert warehouse.data()[0] == {"n": "5", "model": expected}
    assert [data["model"] for data in warehouse.data()[1:3]] == ["m", "x"]
    assert warehouse.rows(
        "select customer_name, timezone from raw.customers order by all"
    ) == [
        ("B", "UTC"),
        ("C", None),
        (expected, "UTC"),
    ]
    assert warehouse.rows("select event_id, action from raw.corrections order by all") == [
        (str(i), "void") for i in range(3)
    ]


@pytest.mark.parametrize("ends", itertools.product(("\n", "\r\n", "\r"), repeat=3))
def test_line_ends_of_json_may_differ(warehouse: Warehouse, ends: tuple[str, ...]) -> None:
    """After a CRLF the first letter of what follows a CR was lost, and its record rejected."""
    text = "".join(event(str(i)) + end for i, end in enumerate(ends, 1)) + event("4")
    warehouse.write("usage/a.ndjson", text)
    warehouse.write("usage/b.jsonl.gz", gzip.compress(text.encode()))
    warehouse.write("usage/c.ndjson.zst", zst(text.replace('"1"', '"x').encode()))
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["1", "2", "3", "4"] * 2 + ["2", "3", "4"]
    assert warehouse.rejected() == [(1, "malformed")]


def test_line_ends_differ_far_into_a_large_file(warehouse: Warehouse) -> None:
    rows = [csv_row(str(i), str(i), "x" * 90) for i in range(100_000)]
    rows[90_000] = rows[90_000].replace("\n", "\r\n")
    warehouse.write("usage/a.csv", CSV_HEADER + "".join(rows))
    assert failures(warehouse) == {}
    assert warehouse.rows(
        "select count(*), sum((data ->> 'n')::int), sum(position - event_id::int)"
        " from raw.usage_events"
    ) == [(100_000, 4_999_950_000, 100_000)]
    assert warehouse.rejected() == []


def test_csv_columns_keep_their_own_names(warehouse: Warehouse) -> None:
    names = ["Region", "region", "REGION", "read_path", "filename", "c0", "", "data_n", "a b"]
    header = f"id,source,type,subject,time,{','.join(names)}\n"
    values = [f"v{number}" for number in range(len(names))]
    row = f"1,api,call,s,2026-01-15T10:00:00Z,{','.join(values)}\n"
    warehouse.write("usage/a.csv", header + row)
    start = "api,call,s,2026-01-15T10:00:00Z"
    warehouse.write(
        "usage/b.csv",
        f"id,source,type,subject,time,n,,\n2,{start},5,,\n3,{start},6,x,\n4,{start},7,x,y\n",
    )
    warehouse.write("usage/c.csv", f"id,source,type,subject,time,n,n\n5,{start},1,2\n")
    warehouse.write("usage/d.csv", f"id,source,type,subject,time,id\n6,{start},6\n")
    assert failures(warehouse) == {}
    data = dict(zip(warehouse.ids(), warehouse.data(), strict=True))
    assert data["1"] == dict(zip(names, values, strict=True))
    assert [data["2"], data["3"]] == [{"n": "5", "": None}, {"n": "6", "": "x"}]
    assert warehouse.rows("select detail from raw.rejected_records order by file_id") == [
        ("two columns without a name have values",),
        ("the header names column 'n' twice",),
        ("the header names column 'id' twice",),
    ]


# Parquet


def write_parquet(warehouse: Warehouse, name: str, columns: list[tuple[str, Any]]) -> None:
    """Write columns, which may have any name, beside attributes for each row."""
    count = len(columns[0][1])
    given = dict(columns)
    attributes: list[tuple[str, Any]] = [
        ("id", [f"{Path(name).stem}{row}" for row in range(count)]),
        *((key, [key] * count) for key in ("source", "type", "subject")),
        ("time", [datetime(2026, 1, 15, 10, tzinfo=UTC)] * count),
    ]
    columns = [pair for pair in attributes if pair[0] not in given] + columns
    path = warehouse.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = [pa.array(values) for _, values in columns]
    table = pa.Table.from_arrays(arrays, names=[column for column, _ in columns])
    pq.write_table(table, path, row_group_size=2)


def test_parquet_columns_keep_their_own_names(warehouse: Warehouse) -> None:
    """The engine has names of its own, and renames what it finds too much alike."""
    names = ["file_row_number", "read_path", "filename", "file_index", "rowid", "position"]
    names += ["Region", "region", "region_1", "", "C6", "c0", "event_id", "checked", "a\"'b"]
    numbers = [("n", [1, 2, 3])]
    for file in ("a", "b"):
        columns = [(name, [f"{file}{place}"] * 3) for place, name in enumerate(names)]
        write_parquet(warehouse, f"usage/{file}.parquet", columns + numbers)
    assert failures(warehouse) == {}
    assert warehouse.ids() == [f"{file}{row}" for file in "ab" for row in range(3)]
    for row, data in enumerate(warehouse.data()):
        expected: dict[str, Any] = {n: f"{'ab'[row // 3]}{i}" for i, n in enumerate(names)}
        assert data == {**expected, "n": row % 3 + 1}
    assert warehouse.rows("select distinct position from raw.usage_events order by all") == [
        (1,),
        (2,),
        (3,),
    ]


def test_fields_of_data_keep_their_own_names(warehouse: Warehouse) -> None:
    for name, fields in {
        "a": ["Region", "region", "file_row_number", "region_1"],
        "b": ["only"],
        "c": ["", "region"],
    }.items():
        values = [[number, number + 10] for number in range(len(fields))]
        arrays = [pa.array(value) for value in values]
        data = pa.StructArray.from_arrays(arrays, names=fields)
        write_parquet(warehouse, f"usage/{name}.parquet", [("data", data), ("x", ["1", "2"])])
    part = pa.StructArray.from_arrays([pa.array([1])], names=[""])
    parts = pa.ListArray.from_arrays([0, 1], part)
    write_parquet(warehouse, "usage/d.parquet", [("part", parts)])
    assert failures(warehouse) == {
        "usage/c.parquet": "a field inside column 'data' has no name: give it one",
        "usage/d.parquet": "a field inside column 'part' has no name: give it one",
    }
    data = dict(zip(warehouse.ids(), warehouse.data(), strict=True))
    fields = {"Region": 10, "region": 11, "file_row_number": 12, "region_1": 13}
    assert data["a1"] == {**fields, "x": "2"}
    assert data["b1"] == {"only": 10, "x": "2"}


def test_a_parquet_name_that_is_there_twice_is_named(warehouse: Warehouse) -> None:
    twice = [("n", [1, 2]), ("m", [1, 2]), ("n", [3, 4])]
    write_parquet(warehouse, "usage/a.parquet", twice)
    write_parquet(warehouse, "usage/b.parquet", [("id", ["1"]), ("id", ["2"])])
    data = pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], names=["k", "k"])
    write_parquet(warehouse, "usage/c.parquet", [("data", data)])
    data = pa.StructArray.from_arrays([pa.array([1])], names=["n"])
    write_parquet(warehouse, "usage/d.parquet", [("n", [1]), ("data", data)])
    way_out = "is there twice: give one of them another name"
    assert failures(warehouse) == {
        "usage/a.parquet": f"column 'n' {way_out}",
        "usage/b.parquet": f"column 'id' {way_out}",
        "usage/c.parquet": f"field of data 'k' {way_out}",
        "usage/d.parquet": f"property (a column or a field of data) 'n' {way_out}",
    }


@pytest.mark.parametrize(("digits", "places"), [(39, 2), (60, 2), (76, 38), (50, 0), (39, 39)])
def test_wide_decimals_are_exact(warehouse: Warehouse, digits: int, places: int) -> None:
    """They are doubles to the engine: 1.5 was 422,212,465,065,984."""
    smallest, most = Decimal(f"1E-{places}"), Decimal(f"{'9' * digits}E-{places}")
    number = Decimal({0: "15", digits: "0.15"}.get(places, "1.5"))
    numbers = [number, smallest.copy_negate(), None, most, Decimal(0)]
    wide = pa.array(numbers, pa.decimal256(digits, places))
    data = pa.StructArray.from_arrays([wide, pa.array(["x"] * 5)], names=["m", "k"])
    write_parquet(
        warehouse,
        "usage/a.parquet",
        [
            ("n", wide),
            ("narrow", pa.array([Decimal("0.5")] * 5, pa.decimal128(38, 2))),
            ("day", pa.array([date(2026, 1, 1)] * 5)),
            ("data", data),
        ],
    )
    listed = pa.array([None, [], [number]], pa.list_(pa.decimal256(digits, places)))
    write_parquet(warehouse, "usage/b.parquet", [("list", listed)])
    kind = pa.map_(pa.string(), pa.decimal256(digits, places))
    pairs = pa.array([[("n", number)], None], kind)
    write_parquet(warehouse, "usage/c.parquet", [("data", pairs)])
    assert failures(warehouse) == {}
    read = dict(zip(warehouse.ids(), warehouse.data(), strict=True))
    for row, expected in enumerate(numbers):
        stored = read[f"a{row}"]
        for name in ("n", "m"):
            text = stored.get(name)
            assert (None if text is None else Decimal(text)) == expected
        assert (stored["narrow"], stored["day"], stored["k"]) == ("0.50", "2026-01-01", "x")
    assert Decimal(read["c0"]["n"]) == number
    assert warehouse.rejected() == [(2, "malformed"), (3, "malformed")]
    texts = warehouse.rows("select raw_text from raw.rejected_records where position = 3")
    assert str(number) in texts[0][0]
    assert not list(warehouse.landing.parent.glob(".meterhouse-ingest-*"))


# What is in the landing directory


def test_links_are_followed_and_nothing_is_taken_twice(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    for name in ("one/a.ndjson", "one/deep/b.ndjson", "two/c.ndjson", "d.ndjson"):
        (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
        (elsewhere / name).write_text(event(Path(name).stem))
    warehouse.write("usage/e.ndjson", event("e"))
    warehouse.write("usage/folder/f.ndjson", event("f"))
    warehouse.write("usage/.data/g.ndjson", event("g"))
    warehouse.write("archive/h.ndjson", event("h"))
    usage = warehouse.landing / "usage"
    for name, goal in {
        "one": elsewhere / "one",
        "one-again": elsewhere / "one",
        "a-again.ndjson": elsewhere / "one" / "a.ndjson",
        "two.ndjson": elsewhere / "two" / "c.ndjson",
        "two-again.ndjson": elsewhere / "two" / "c.ndjson",
        "d.ndjson": elsewhere / "d.ndjson",
        "e-again.ndjson": "e.ndjson",
        "g.ndjson": ".data/g.ndjson",
        "h.ndjson": "../archive/h.ndjson",
        "folder/circle": "../folder",
        "folder/up": "..",
    }.items():
        (usage / name).symlink_to(goal)
    (elsewhere / "one" / "back").symlink_to(usage)
    failed = failures(warehouse)
    assert list(failed) == ["archive/h.ndjson"]
    loaded = [row[0] for row in warehouse.rows("select source_file from raw.load_files")]
    assert sorted(loaded) == [
        "usage/d.ndjson",
        "usage/e.ndjson",
        "usage/folder/f.ndjson",
        "usage/g.ndjson",
        "usage/h.ndjson",
        "usage/one/a.ndjson",
        "usage/one/deep/b.ndjson",
        "usage/two-again.ndjson",
    ]
    assert sorted(warehouse.ids()) == list("abcdefgh")
    assert new_files(set(loaded), warehouse.landing) == [
        warehouse.landing / "archive" / "h.ndjson"
    ]


def test_the_folders_of_the_landing_directory_may_be_links(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    warehouse.landing.mkdir()
    for name, file, text in (
        ("usage", "a.ndjson", event("a")),
        ("accounts", "customers.csv", CUSTOMERS + "c1,A,US,USD,UTC\n"),
    ):
        folder = tmp_path / "mount" / name
        folder.mkdir(parents=True)
        (folder / file).write_text(text)
        (warehouse.landing / name).symlink_to(folder)
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["a"]
    assert warehouse.rows("select customer_id from raw.customers") == [("c1",)]


def test_what_is_no_file_is_named_and_not_waited_for(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that nobody writes to would hold up every load."""
    warehouse.write("usage/a.ndjson", event("a"))
    usage = warehouse.landing / "usage"
    os.mkfifo(usage / "pipe.ndjson")
    os.mkfifo(warehouse.landing / "pipe")
    (usage / "link.csv").symlink_to("pipe.ndjson")
    (usage / "zero.json").symlink_to("/dev/zero")
    (usage / "gone.json").symlink_to("nowhere")
    (usage / "itself.json").symlink_to("itself.json")
    (usage / "landing").symlink_to("..")
    with socket.socket(socket.AF_UNIX) as server:
        # The path of a socket has at most 107 bytes.
        monkeypatch.chdir(usage)
        server.bind("socket.ndjson")
        failed = failures(warehouse)
    assert {name: text.partition(",")[0] for name, text in failed.items()} == {
        "pipe": "a named pipe",
        "usage/pipe.ndjson": "a named pipe",
        "usage/zero.json": "a device",
        "usage/gone.json": "a link to nowhere",
        "usage/itself.json": "a link to itself.json",
        "usage/landing": "a link to a folder that holds the landing directory",
        "usage/socket.ndjson": "a socket",
    }
    assert warehouse.ids() == ["a"]


def test_a_folder_too_deep_to_be_listed_stops_nothing(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A path has at most 4,096 bytes; the file far down in it failed every load."""
    warehouse.write("usage/a.ndjson", event("a"))
    monkeypatch.chdir(warehouse.landing / "usage")
    for _ in range(50):
        Path("f" * 100).mkdir()
        os.chdir("f" * 100)
    Path("b.ndjson").write_text(event("b"))
    ((name, said),) = failures(warehouse).items()
    assert name.startswith("usage/fff")
    assert said.startswith("cannot be opened: File name too long")
    assert warehouse.ids() == ["a"]
    assert len(list(list_landing(warehouse.landing))) == 2


@pytest.mark.parametrize(
    "broken",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 100_000 + "1" + "}" * 100_000,
        event("x", '{"n": ' + "[" * 100_000 + "]" * 100_000 + "}"),
        event("x", '{"n": 01, "m": "]}"}'),
        event("x", '{"n": 1,, "m": "\\"}"}'),
        "}",
        "nonsense",
        '"text"',
    ],
)
def test_a_broken_record_of_an_array_costs_only_itself(
    warehouse: Warehouse, broken: str
) -> None:
    text = f"[{event('1')},\n{broken},\n{event('3')}, {event('4')}]"
    warehouse.write("usage/a.json", text)
    warehouse.write("usage/b.json.zst", zst(text.encode()))
    assert failures(warehouse) == {}
    assert warehouse.ids() == ["1", "3", "4"] * 2
    assert [position for position, _ in warehouse.rejected()] == [2, 2]


def test_names_that_are_alike_are_two_files(warehouse: Warehouse) -> None:
    """Escaped, or as people see them, these were one file, and one of them was left out."""
    usage = warehouse.landing / "usage"
    usage.mkdir(parents=True)
    names = [b"\xff.ndjson", b"\\xff.ndjson", b"\\\xff.ndjson", b"\\\\xff.ndjson"]
    names += ["é.ndjson".encode(), "e\u0301.ndjson".encode(), b"a%20b.ndjson", b"a b.ndjson"]
    names += [b"A.ndjson", b"a.ndjson"]
    for number, name in enumerate(names):
        (usage / os.fsdecode(name)).write_text(event(str(number)))
    assert failures(warehouse) == {}
    assert sorted(map(int, warehouse.ids())) == list(range(len(names)))
    assert warehouse.rows("select count(distinct source_file) from raw.load_files") == [
        (len(names),)
    ]
    assert warehouse.ingest().load_id is None
    assert warehouse.rows(
        "select source_file from raw.load_files inner join raw.usage_events using (file_id)"
        " where event_id in ('0', '1') order by event_id"
    ) == [("usage/\\xff.ndjson/",), ("usage/\\xff.ndjson",)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            CUSTOMERS + "c1,A,US,USD,UTC\nc2,B\n",
            "line 3 cannot be read (Expected Number of Columns: 5 Found: 2): correct c2,B",
        ),
        (
            "sep=,\n\n" + CUSTOMERS + "c1,A,US,USD,UTC\nc2,B\n",
            "line 5 cannot be read (Expected Number of Columns: 5 Found: 2): correct c2,B",
        ),
        (
            CUSTOMERS + 'c1,"A\nB"\nc2,C,US,USD,UTC\n',
            'line 2 cannot be read (Expected Number of Columns: 5 Found: 2): correct c1,"A B"',
        ),
        (
            CUSTOMERS + 'c1,"A\n\nc2,C\n',
            'line 2 cannot be read (Value with unterminated quote found.): correct c1,"A c2,C',
        ),
    ],
)
def test_a_broken_row_of_accounts_is_shown(
    warehouse: Warehouse, content: str, said: str
) -> None:
    """What comes after a quote that does not close was said to be the cause."""
    warehouse.write("accounts/customers.csv", content)
    assert failures(warehouse) == {"accounts/customers.csv": said}
