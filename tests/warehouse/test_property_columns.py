"""Properties that land in columns are kept in columns; no bill and no data shows it.

The same usage as lines of JSON, as columns of whole numbers, and as columns of text.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dagster_project.lib.ingest.raw_tables import MOST_PROPERTY_COLUMNS, create_raw_tables
from tests.harness import LOADED_AT, Installation, Scenario

ENVELOPE = "'test' as source, timestamp '2026-01-10 12:00' as time"
STORED = {"source": "test", "type": "store", "subject": "a", "time": "2026-01-10T12:00:00Z"}
USE = f"{ENVELOPE}, 'use' as type, 'a' as subject"


def write_parquet(installation: Installation, name: str, query: str) -> None:
    """Land the rows of a query."""
    folder = installation.landing / "usage"
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"copy ({query}) to '{folder / name}' (format parquet)")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """One customer; the first file to bring a property decides what its column holds."""
    scenario = Scenario()
    scenario.meter("tokens", "use", dimensions="model|size")
    scenario.meter("users", "use", "unique_count", value_property="user")
    scenario.meter("small", "use", "max", filter="size=1|2", rounding_increment="1000")
    scenario.meter("sized", "use", "count", filter="size>=1;size!=2.0")
    scenario.meter("seven", "use", "count", filter="user=7.0|y")
    scenario.meter("huge", "wide", rounding_increment="99999999999999999999999999")
    scenario.meter("used", "use", "count")
    scenario.meter("stored", "store")
    scenario.subscriber("a")
    scenario.event("a", "5", data={"model": "x", "size": "1", "user": "7"})
    folder = tmp_path_factory.mktemp("columns")
    installation = Installation(folder, dbt_folder)
    installation.write_price_book(scenario)
    installation.land(scenario)
    write_parquet(
        installation,
        "p.parquet",
        f"select 'p' || i as id, {USE}, i as quantity, 'x' as model,"
        ' case when i < 3 then i end::int as size, 7 as "user", 0.50 as price'
        " from range(4) t(i)",
    )
    write_parquet(
        installation,
        "q.parquet",
        f"select 'q' || i as id, {USE}, {{'quantity': i || '.5', 'model': 'y', 'size': '2',"
        " 'user': 'u'} as data from range(3) t(i)",
    )
    write_parquet(
        installation,
        "r.parquet",
        f"select 'r' as id, {ENVELOPE}, 'wide' as type, 'a' as subject, 1 as quantity"
        f" union all select 's', {ENVELOPE}, 'use', 'nobody', 9",
    )
    # Wider than the engine's decimals, which it would read as 422,212,465,065,984.
    wide = [Decimal("1.50"), Decimal(10**26)]
    columns = {
        "id": ["t", "u"],
        **{name: [value] * 2 for name, value in STORED.items()},
        "quantity": pa.array(wide, pa.decimal256(60, 2)),
    }
    pq.write_table(pa.table(columns), installation.landing / "usage" / "t.parquet")
    installation.bill("2026-01")
    return installation


def test_usage_is_metered_alike_whatever_it_landed_as(world: Installation) -> None:
    """The dimension, the filter and the unique value read 7 and "7" as the same."""
    usage = world.rows(
        "select meter_code, dimension_values, quantity, event_count from marts.fct_usage_daily"
        " order by all"
    )
    assert [tuple(row.values()) for row in usage] == [
        ("seven", "{}", Decimal(5), 5),
        ("sized", "{}", Decimal(2), 2),
        ("small", "{}", Decimal(1000), 6),
        ("stored", "{}", Decimal("1.5"), 1),
        ("tokens", '{"model": "x", "size": "0"}', Decimal(0), 1),
        ("tokens", '{"model": "x", "size": "1"}', Decimal(6), 2),
        ("tokens", '{"model": "x", "size": "2"}', Decimal(2), 1),
        ("tokens", '{"model": "x", "size": null}', Decimal(3), 1),
        ("tokens", '{"model": "y", "size": "2"}', Decimal("4.5"), 3),
        ("used", "{}", Decimal(8), 8),
        ("users", "{}", Decimal(2), 8),
    ]


def test_exceptions_show_the_whole_data(world: Installation) -> None:
    """A whole number that its increment would lift out of range is a number all the same."""
    shown = world.rows(
        "select event_id, fate, reason, data from marts.fct_event_exceptions order by event_id"
    )
    assert [tuple(row.values()) for row in shown] == [
        ("r", "rejected", "out_of_range", '{"quantity":1}'),
        ("s", "unknown_subject", "", '{"quantity":9}'),
        ("t", "unpriced", "", '{"quantity":"1.50"}'),
        ("u", "rejected", "out_of_range", f'{{"quantity":"{10**26}.00"}}'),
    ]


@pytest.mark.parametrize("target", ["duckdb", "spark"])
def test_landed_data_is_whole_on_both_engines(
    world: Installation, tmp_path: Path, target: str
) -> None:
    """Spark's files know no such columns; a null is no property."""
    landed = Installation(world.folder, world.dbt_folder)
    if target == "spark":
        landed = Installation(tmp_path, world.dbt_folder, "spark")
        landed.folder.joinpath("landing").symlink_to(world.landing)
        landed.ingest()
    rows = landed.rows(
        "select event_id, data from raw.usage_events order by file_id, position"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("a-1", '{"model":"x","size":"1","user":"7","quantity":5}'),
        ("p0", '{"quantity":0,"model":"x","size":0,"user":7,"price":"0.50"}'),
        ("p1", '{"quantity":1,"model":"x","size":1,"user":7,"price":"0.50"}'),
        ("p2", '{"quantity":2,"model":"x","size":2,"user":7,"price":"0.50"}'),
        ("p3", '{"quantity":3,"model":"x","user":7,"price":"0.50"}'),
        ("q0", '{"model":"y","quantity":"0.5","size":"2","user":"u"}'),
        ("q1", '{"model":"y","quantity":"1.5","size":"2","user":"u"}'),
        ("q2", '{"model":"y","quantity":"2.5","size":"2","user":"u"}'),
        ("r", '{"quantity":1}'),
        ("s", '{"quantity":9}'),
        ("t", '{"quantity":"1.50"}'),
        ("u", f'{{"quantity":"{10**26}.00"}}'),
    ]


def test_a_repeat_is_one_in_any_format(tmp_path: Path, dbt_folder: Path) -> None:
    """The same event as JSON and in columns is a duplicate; another value conflicts."""
    installation = Installation(tmp_path, dbt_folder)
    scenario = Scenario()
    scenario.event("a", "5", data={"model": "x"}, event_id="one")
    scenario.event("a", "5", data={"model": "x"}, event_id="two")
    installation.land(scenario)
    columns = f"{USE}, 'x' as model"
    write_parquet(installation, "2.parquet", f"select 'one' as id, {columns}, 5 as quantity")
    write_parquet(installation, "3.parquet", f"select 'two' as id, {columns}, 6 as quantity")
    write_parquet(
        installation,
        "4.parquet",
        f"select 'one' as id, {columns}, '5.0' as quantity, null::int as more",
    )
    installation.ingest()
    write_parquet(installation, "5.parquet", f"select 'one' as id, {columns}, 5 as quantity")
    installation.ingest()
    repeats = installation.rows(
        "select event_id, is_conflict from raw.repeated_events order by file_id"
    )
    assert [tuple(row.values()) for row in repeats] == [
        ("one", False),
        ("two", True),
        ("one", False),
        ("one", False),
    ]


def test_there_are_not_too_many_columns(tmp_path: Path, dbt_folder: Path) -> None:
    """A file of hundreds of columns would otherwise widen the table for everybody."""
    installation = Installation(tmp_path, dbt_folder)
    count = MOST_PROPERTY_COLUMNS + 2
    properties = ", ".join(f"{number} as n{number}" for number in range(count))
    write_parquet(installation, "a.parquet", f"select 'a' as id, {USE}, {properties}")
    write_parquet(installation, "b.parquet", f"select 'b' as id, {USE}, 1 as N0, 2 as n1")
    installation.ingest()
    whole = ",".join(f'"n{number}":{number}' for number in range(count))
    rows = installation.rows("select data, other_data from raw.usage_events order by event_id")
    assert [tuple(row.values()) for row in rows] == [
        (f"{{{whole}}}", '{"n32":32,"n33":33}'),
        ('{"n1":2,"N0":1}', '{"N0":1}'),
    ]


def test_an_older_warehouse_is_read_on(tmp_path: Path, dbt_folder: Path) -> None:
    """It kept every property in JSON, in a table under the name of the view."""
    installation = Installation(tmp_path, dbt_folder)
    with duckdb.connect(str(installation.warehouse)) as connection:
        create_raw_tables(connection)
        connection.execute("drop view raw.usage_events")
        connection.execute("alter table raw.stored_events rename to usage_events")
        connection.execute(
            "insert into raw.usage_events select 1, 1, 1, hash('test', 'old'), 'test', 'old',"
            " 'use', 'a', timestamp '2026-01-10 12:00', '{\"n\":1}'"
        )
        connection.execute(
            "insert into raw.load_files select 1, 1, 'old', 'usage', 1, 1, 1, 0, $1",
            [LOADED_AT],
        )
    write_parquet(
        installation,
        "a.parquet",
        f"select unnest(['old', 'new']) as id, {USE}, 1 as n",
    )
    installation.ingest()
    rows = installation.rows(
        "select event_id, data from raw.usage_events order by file_id, position"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("old", '{"n":1}'),
        ("old", '{"n":1}'),
        ("new", '{"n":1}'),
    ]
    repeats = installation.rows("select file_id, is_conflict from raw.repeated_events")
    assert [tuple(row.values()) for row in repeats] == [(2, False)]
