"""Publishing: a BI tool sees one finished build, never half of one."""

from pathlib import Path

import duckdb
import pytest

from dagster_project.lib.publishing import publish_marts


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute("create schema marts")
    connection.execute("create table marts.fct_invoices (total_amount decimal(28, 6))")
    connection.execute("insert into marts.fct_invoices values (0.1), (0.2)")
    connection.execute("create table marts.dim_dates (calendar_date date)")
    return connection


def _total(publish_dir: Path) -> tuple[str, str]:
    with duckdb.connect(str(publish_dir / "meterhouse.duckdb"), read_only=True) as reader:
        table = reader.execute(
            "select sum(total_amount)::varchar from marts.fct_invoices"
        ).fetchone()
        parquet = reader.execute(
            "select sum(total_amount)::varchar from"
            f" '{publish_dir}/parquet/fct_invoices/*.parquet'"
        ).fetchone()
    assert table is not None
    assert parquet is not None
    return table[0], parquet[0]


def test_file_and_parquet_hold_the_same_build(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Two dashboards over the two forms would otherwise disagree."""
    build = publish_marts(connection, tmp_path)
    assert build.is_new
    assert build.row_counts == {"dim_dates": 0, "fct_invoices": 2}
    assert _total(tmp_path) == ("0.300000", "0.300000")


def test_publishing_the_same_marts_again_changes_nothing(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A second run that rewrote the files would look like new numbers."""
    first = publish_marts(connection, tmp_path)
    second = publish_marts(connection, tmp_path)
    assert not second.is_new
    assert second.folder == first.folder.resolve()


@pytest.mark.parametrize(
    "change",
    [
        "insert into marts.fct_invoices values (0.2)",
        "update marts.fct_invoices set total_amount = 0.3 where total_amount = 0.2",
        "alter table marts.fct_invoices rename total_amount to due_amount",
        "alter table marts.dim_dates alter calendar_date type timestamp",
    ],
)
def test_any_change_makes_a_new_build(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path, change: str
) -> None:
    """Skipping a real change would leave BI tools on old money."""
    publish_marts(connection, tmp_path)
    connection.execute(change)
    assert publish_marts(connection, tmp_path).is_new


def test_rows_that_are_there_twice_are_no_others_that_are(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Of two equal rows the bits of their hashes cancel out; only their sum tells."""
    connection.execute("insert into marts.fct_invoices values (0.5), (0.5)")
    publish_marts(connection, tmp_path)
    connection.execute(
        "update marts.fct_invoices set total_amount = 0.7 where total_amount = 0.5"
    )
    assert publish_marts(connection, tmp_path).is_new


def test_a_reader_keeps_its_build_while_the_next_is_published(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A dashboard that is open at month end must not break or mix two builds."""
    publish_marts(connection, tmp_path)
    with duckdb.connect(str(tmp_path / "meterhouse.duckdb"), read_only=True) as reader:
        connection.execute("insert into marts.fct_invoices values (10)")
        publish_marts(connection, tmp_path)
        count = reader.execute("select count(*) from marts.fct_invoices").fetchone()
    assert count == (2,)
    assert _total(tmp_path) == ("10.300000", "10.300000")


def test_only_the_last_two_builds_stay(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A daily build would otherwise fill the disk."""
    for _ in range(4):
        connection.execute("insert into marts.fct_invoices values (1)")
        publish_marts(connection, tmp_path)
    assert sorted(path.name for path in tmp_path.glob(".build-*")) == [".build-3", ".build-4"]


class KilledCopy:
    """A connection whose process ends while a table is copied."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def execute(self, query: str) -> duckdb.DuckDBPyConnection:
        """Run anything but the copy of a table."""
        if query.startswith("copy"):
            raise KeyboardInterrupt
        return self.connection.execute(query)


def test_a_build_that_was_cut_short_is_neither_seen_nor_kept(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """It would take the place of the finished build that a dashboard still reads."""
    first = publish_marts(connection, tmp_path).folder
    connection.execute("insert into marts.fct_invoices values (1)")
    with pytest.raises(KeyboardInterrupt):
        publish_marts(KilledCopy(connection), tmp_path)  # type: ignore[arg-type]
    assert _total(tmp_path) == ("0.300000", "0.300000")
    second = publish_marts(connection, tmp_path).folder
    assert _total(tmp_path) == ("1.300000", "1.300000")
    links = {"meterhouse.duckdb", "parquet", ".current"}
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == links | {first.name, second.name}


def test_sql_with_the_schema_alone_works_under_any_name(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A file called like its schema made `marts.fct_invoices` ambiguous."""
    publish_marts(connection, tmp_path)
    with duckdb.connect() as tool:
        tool.execute(f"attach '{tmp_path}/meterhouse.duckdb' as bi (read_only); use bi")
        assert tool.execute("select count(*) from marts.fct_invoices").fetchone() == (2,)


def test_the_file_of_an_earlier_release_goes_with_the_first_publish(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """A dashboard that still opens it would read old money for ever."""
    build = publish_marts(connection, tmp_path).folder
    (build / "meterhouse.duckdb").rename(build / "marts.duckdb")
    (tmp_path / "meterhouse.duckdb").rename(tmp_path / "marts.duckdb")
    # The marts are those of the last publish; only the name has changed.
    assert publish_marts(connection, tmp_path).is_new
    assert not (tmp_path / "marts.duckdb").is_symlink()
    assert _total(tmp_path) == ("0.300000", "0.300000")


def test_the_next_publish_removes_what_a_killed_one_left(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """Builds that nobody sees would fill the disk, and take the place of those being read."""
    for _ in range(2):
        connection.execute("insert into marts.fct_invoices values (1)")
        publish_marts(connection, tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    # Killed while it copied, while it swapped, and between the two.
    (tmp_path / ".build.new").mkdir()
    (tmp_path / "..current.42.new").symlink_to(".build-3")
    (tmp_path / ".build-3").mkdir()
    assert not publish_marts(connection, tmp_path).is_new
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_no_marts_is_an_error(tmp_path: Path) -> None:
    """An empty copy would read as a month without revenue."""
    with pytest.raises(ValueError, match="no tables"):
        publish_marts(duckdb.connect(), tmp_path)
