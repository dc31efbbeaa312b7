"""All golden bills on both engines, issued on the way and grown: every mart is the same.

Spark is a Thrift server here, as on a cluster; the other tests run it inside the process.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from dagster_project.lib import spark_warehouse
from dagster_project.lib.dbt_run import environment
from dagster_project.lib.documents import render_period
from dagster_project.lib.engine_diff import differing_rows
from dagster_project.lib.engines import DuckDBWarehouse
from dagster_project.lib.publishing import publish_marts
from dagster_project.lib.settings import TEMPLATES_DIR, Settings
from dagster_project.lib.spark_warehouse import SparkWarehouse
from dagster_project.lib.status import last_load, period_rows
from dagster_project.lib.usage_frames import read_usage_frames
from tests.harness import Installation
from tests.spark.world import everything, what_comes_later


@pytest.fixture(scope="module")
def installations(
    tmp_path_factory: pytest.TempPathFactory,
    dbt_folders: dict[str, Path],
    thrift_server: dict[str, str],
) -> dict[str, Installation]:
    """One installation for each engine, with the same files landed at the same instants."""
    made, world = {}, everything()
    for target in ("duckdb", "spark"):
        folder = tmp_path_factory.mktemp(f"same-{target}")
        made[target] = installation = Installation(folder, dbt_folders[target], target)
        installation.write_price_book(world)
        installation.land(world)
        with environment(thrift_server):
            installation.bill("2026-03", tested=False)
            if target == "spark":
                killed_while_issuing(installation)
            assert installation.issue("2026-01") > 20
            # Says what is settled, which the usage that comes later unsettles in part.
            installation.dbt_build("2026-03", tested=False)
            installation.land(what_comes_later(world), batch="2")
            installation.ingest()
            if target == "spark":
                killed_while_metering(installation, thrift_server["METERHOUSE_SPARK_PORT"])
            installation.dbt_build("2026-03", tested=False)
    return made


def killed_while_issuing(installation: Installation) -> None:
    """End an issue before its batch is committed: no number may be lost."""
    with pytest.MonkeyPatch.context() as patch:

        def killed(_folder: Path, _committed: Path) -> None:
            raise KeyboardInterrupt

        patch.setattr(spark_warehouse, "_commit", killed)
        with pytest.raises(KeyboardInterrupt):
            installation.issue("2026-01")
    assert installation.rows("select * from ledger.issued_invoices") == []


def killed_while_metering(installation: Installation, port: str) -> None:
    """Lose a day that Spark was about to put in its place."""
    tables = installation.warehouse / "tables" / "metering"
    days = sorted((tables / "met_usage_slices").glob("event_date=2026-01-*"))
    assert len(days) > 5
    shutil.rmtree(days[3])
    from pyhive import hive

    # What a new server would see.
    with hive.connect("localhost", int(port)) as connection:
        connection.cursor().execute("refresh table metering.met_usage_slices")


def comparable(
    installations: dict[str, Installation],
) -> tuple[DuckDBWarehouse, SparkWarehouse]:
    duck, spark = installations["duckdb"].store, installations["spark"].store
    assert isinstance(duck, DuckDBWarehouse)
    assert isinstance(spark, SparkWarehouse)
    return duck, spark


def test_no_mart_differs(installations: dict[str, Installation]) -> None:
    """A customer who outgrows one machine would get other invoices, hashes included."""
    differences = differing_rows(*comparable(installations))
    assert [(row.mart, row.engine, row.text) for row in differences[:10]] == []


def test_the_same_periods_are_settled(installations: dict[str, Installation]) -> None:
    """One engine would rate what the other leaves out, and miss what the other adjusts."""
    sql = (
        "select invoiced_customer_id, currency_code, billing_period"
        " from rating.rat_period_inputs where is_settled order by all"
    )
    on_duckdb, on_spark = (installations[name].rows(sql) for name in ("duckdb", "spark"))
    assert on_duckdb == on_spark
    settled = {row["billing_period"] for row in on_spark}
    # January was issued with all that was left of the months before it.
    assert max(settled) == "2026-01"


def test_the_tests_of_the_project_pass_on_spark(
    installations: dict[str, Installation], thrift_server: dict[str, str]
) -> None:
    """Reconciliations and unit tests hold the rules; on DuckDB every other test runs them.

    So do promises of rows: of a price table, of spans, and of codes.
    """
    spark = installations["spark"]
    tests = ["resource_type:test", "resource_type:unit_test"]
    promising = ["plans", "met_active_spans", "fct_invoices"]
    with environment(thrift_server):
        spark.dbt_build("2026-03", "--select", *tests, *promising)


def test_the_sample_has_everything_that_could_differ(
    installations: dict[str, Installation],
) -> None:
    """The comparison would be green over an empty sample."""
    spark = installations["spark"]

    def texts(sql: str) -> set[str]:
        return {next(iter(row.values())) for row in spark.rows(sql)}

    assert texts("select pricing_model from marts.fct_invoice_lines") - {None} == {
        *("flat", "per_unit", "tiered", "volume", "package", "percentage", "dynamic")
    }
    assert texts("select distinct fate from marts.fct_event_fates") == {
        *("rated", "unpriced", "unmetered", "unknown_subject", "no_active_subscription"),
        *(
            "ambiguous_subscription",
            "duplicate",
            "conflicting_duplicate",
            "voided",
            "rejected",
        ),
    }
    assert texts("select distinct billing_anchor from marts.dim_subscriptions") == {
        "calendar",
        "anniversary",
    }
    assert texts("select line_type from marts.fct_invoice_lines") == {
        *("charge", "minimum", "maximum", "true_up", "overage", "discount", "rounding"),
        "adjustment",
    }
    assert {"draft", "issued"} == texts("select invoice_status from marts.fct_invoices")
    assert len(texts("select dimension_values from marts.fct_invoice_lines")) > 5


def test_invoice_numbers_have_no_gap(installations: dict[str, Installation]) -> None:
    """A tax office asks for the number that is missing."""
    numbers = [
        row["invoice_number"]
        for row in installations["spark"].rows(
            "select invoice_number from ledger.issued_invoices"
            " where document_type = 'invoice' order by invoice_number"
        )
    ]
    assert numbers == [f"INV-{number:06}" for number in range(1, len(numbers) + 1)]


def test_what_is_committed_cannot_be_written_over(
    installations: dict[str, Installation], tmp_path: Path
) -> None:
    """An issued invoice could be replaced by another under the same number."""
    spark = installations["spark"]
    for kind in ("raw/load-000001", "ledger/batch-000001"):
        again = tmp_path / Path(kind).name
        (again / "table").mkdir(parents=True)
        with pytest.raises(OSError, match="not empty"):
            spark_warehouse._commit(again, spark.warehouse / kind)
        files = list((spark.warehouse / kind).rglob("*.parquet"))
        assert files
        assert all(path.stat().st_mode & 0o222 == 0 for path in files)


def test_the_marts_are_published_as_from_duckdb(
    installations: dict[str, Installation], tmp_path: Path
) -> None:
    """A BI tool would find other tables when the engine changes."""
    counts = []
    for target, installation in installations.items():
        with installation.store.connect() as connection:
            counts.append(publish_marts(connection, tmp_path / target).row_counts)
    assert counts[0] == counts[1]
    assert counts[0]["fct_invoices"] > 50


def test_documents_and_checks_read_the_same(
    installations: dict[str, Installation], tmp_path: Path
) -> None:
    """A customer would get another document, or a check would look at nothing."""
    files, frames, states = [], [], []
    for target, installation in installations.items():
        folder = tmp_path / target
        with installation.store.connect() as connection:
            render_period(connection, "2026-01", folder, TEMPLATES_DIR, lambda _message: None)
            frames.append([frame.to_csv() for frame in usage_frames(connection)])
        files.append({p.name: p.read_bytes() for p in (folder / "2026-01").iterdir()})
        settings = Settings.from_environment(
            {"METERHOUSE_DATA_DIR": str(installation.folder), "METERHOUSE_TARGET": target}
        )
        states.append((period_rows(settings, None), last_load(settings)))
    assert len(files[0]) > 100
    assert [name for name in files[0] if files[0][name] != files[1].get(name)] == []
    assert frames[0] == frames[1]
    assert states[0] == states[1]
    assert states[0][0]


def usage_frames(connection: duckdb.DuckDBPyConnection) -> list[pd.DataFrame]:
    frames = read_usage_frames(connection, "2026-02")
    return [frames.watched_days, frames.volumes, frames.days, frames.last_days]


def test_a_difference_is_found(installations: dict[str, Installation], tmp_path: Path) -> None:
    """The comparison itself could be blind."""
    duck, spark = comparable(installations)
    copy = DuckDBWarehouse(tmp_path / "copy.duckdb")
    shutil.copy(duck.path, copy.path)
    with copy.connect() as connection:
        connection.execute(
            "update marts.fct_invoices set net_amount = net_amount + 0.000001"
            " where invoice_id = (select min(invoice_id) from marts.fct_invoices)"
        )
        connection.execute("alter table marts.dim_dates drop column iso_weekday")
    found = [(row.mart, row.engine) for row in differing_rows(copy, spark)]
    assert found == [
        ("dim_dates", "spark"),
        ("fct_invoices", "duckdb"),
        ("fct_invoices", "spark"),
    ]
