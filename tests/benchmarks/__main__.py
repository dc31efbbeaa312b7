"""The benchmarks and their table: `python -m tests.benchmarks`.

The first two take a quarter of an hour on two cores, the third twenty minutes. What they
compare runs in turn, three times, and the shortest time counts: other machines share the
processors.

1. From landing to drafted invoices, against a hand-written DuckDB script doing load +
   deduplicate + aggregate + rate on the same files under the same memory limit.
2. A day of usage added to twelve months, against a day added to one month.
3. The month on Spark with one and with two cores, against DuckDB.
4. One invoice of 200,000 lines, issued with its documents.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.table import Table

from dagster_project.lib.engines import DuckDBWarehouse
from dagster_project.lib.spark_warehouse import SparkWarehouse
from tests.benchmarks.worker import REPOSITORY
from tests.benchmarks.workload import Usage, write_accounts, write_price_book, write_usage
from tests.harness import Scenario, build

GIB = 1024**3
TIME_AIM = 1.5
MEMORY_AIM_BYTES = 4 * GIB
GROWTH_AIM = 1.2
DOCUMENT_AIM_BYTES = GIB
ROUNDS = 3
FIRST_DAY = date(2025, 1, 1)


@dataclass(frozen=True)
class Measured:
    """One run: seconds, processor seconds, peak resident bytes, seconds by phase and model."""

    name: str
    seconds: float
    processor_seconds: float
    peak_bytes: int
    phases: dict[str, float]
    models: dict[str, float]
    net_amount: Decimal


@dataclass(frozen=True)
class Job:
    """One thing to measure: what a worker does, with which files and warehouse."""

    name: str
    kind: str
    landing: Path
    period: str
    warehouse: Path
    master: str = ""

    @property
    def before(self) -> Path:
        """Copy of the warehouse from before the job."""
        return self.warehouse.with_suffix(".before")


@dataclass(frozen=True)
class Bench:
    """Where a benchmark works and under which memory limit."""

    folder: Path
    memory_limit: str
    console: Console

    def shortest(self, jobs: list[Job]) -> list[Measured]:
        """Measure all in turn, several times over, each from the same state of its warehouse.

        What is compared is measured side by side, since the speed of a shared machine changes
        within minutes.

        Returns: The shortest run of each job.
        Raises: RuntimeError if the worker fails.
        """
        for job in jobs:
            if job.warehouse.exists():
                shutil.copy(job.warehouse, job.before)
        runs: list[list[Measured]] = [[] for _ in jobs]
        for _ in range(ROUNDS):
            for job, measured in zip(jobs, runs, strict=True):
                job.warehouse.unlink(missing_ok=True)
                if job.before.exists():
                    shutil.copy(job.before, job.warehouse)
                os.sync()
                measured.append(self.measure(job))
        return [min(measured, key=lambda run: run.seconds) for measured in runs]

    def measure(self, job: Job) -> Measured:
        """Run one worker process.

        Raises: RuntimeError if the worker fails.
        """
        path = self.folder / "job.json"
        path.write_text(
            json.dumps(
                {
                    "landing": str(job.landing),
                    "warehouse": str(job.warehouse),
                    "pricing": str(self.folder / "pricing"),
                    "folder": str(self.folder / "work"),
                    "memory_limit": self.memory_limit,
                    "period": job.period,
                    "master": job.master,
                }
            )
        )
        before = os.times().elapsed
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.worker", job.kind, str(path)],
            cwd=REPOSITORY,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = os.times().elapsed - before
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{job.name}: the worker ended with {process.returncode}")
        outcome = json.loads(path.read_text())
        engine = SparkWarehouse if job.kind == "spark" else DuckDBWarehouse
        store = engine(job.warehouse)
        with store.connect(read_only=True) as connection:
            row = connection.execute(
                "select coalesce(sum(net_amount), 0) from marts.fct_invoices"
                " where billing_period = ?",
                [job.period],
            ).fetchone()
        # Linux counts ru_maxrss in KiB, macOS in bytes.
        unit = 1 if sys.platform == "darwin" else 1024
        measured = Measured(
            job.name,
            seconds,
            usage.ru_utime + usage.ru_stime,
            usage.ru_maxrss * unit,
            outcome["phases"],
            outcome.get("models", {}),
            Decimal(row[0] if row else 0),
        )
        phases = ", ".join(f"{key} {value:.1f} s" for key, value in measured.phases.items())
        self.console.print(
            f"{job.name}: {seconds:.1f} s ({phases}),"
            f" processor {measured.processor_seconds:.1f} s"
        )
        for model, spent in sorted(measured.models.items(), key=lambda item: -item[1])[:5]:
            self.console.print(f"    {model} {spent:.1f} s", highlight=False)
        return measured


def bench_month(bench: Bench, parquet_count: int, ndjson_count: int) -> list[Measured]:
    """Measure a month of usage: start-up, the product and the script, and compare the money.

    Raises: RuntimeError if the two do not bill the same.
    """
    landing, empty = bench.folder / "month", bench.folder / "empty"
    write_accounts(empty, FIRST_DAY)
    write_accounts(landing, FIRST_DAY)
    bench.console.print(f"writing {parquet_count + ndjson_count:,} events")
    parquet = Usage("parquet", parquet_count, FIRST_DAY, 30, "p")
    write_usage(landing, parquet)
    write_usage(
        landing, replace(parquet, file_format="ndjson", event_count=ndjson_count, prefix="n")
    )
    runs = bench.shortest(
        [
            Job(name, kind, files, "2025-01", bench.folder / f"{kind}-{files.name}.duckdb")
            for name, kind, files in (
                ("start-up", "product", empty),
                ("DuckDB script", "reference", landing),
                ("Meterhouse", "product", landing),
            )
        ]
    )
    if runs[1].net_amount != runs[2].net_amount:
        raise RuntimeError(
            f"{runs[2].net_amount} billed, the script says {runs[1].net_amount}"
        )
    return runs


def bench_spark(bench: Bench, parquet_count: int, ndjson_count: int) -> list[Measured]:
    """Measure the month on DuckDB and on Spark with one and two cores.

    Raises: RuntimeError if the engines do not bill the same.
    """
    landing = bench.folder / "month"
    if not landing.exists():
        write_accounts(landing, FIRST_DAY)
        bench.console.print(f"writing {parquet_count + ndjson_count:,} events")
        parquet = Usage("parquet", parquet_count, FIRST_DAY, 30, "p")
        write_usage(landing, parquet)
        write_usage(
            landing,
            replace(parquet, file_format="ndjson", event_count=ndjson_count, prefix="n"),
        )
    runs = [
        bench.measure(Job(name, kind, landing, "2025-01", bench.folder / place, master))
        for name, kind, place, master in (
            ("DuckDB", "product", "engines.duckdb", ""),
            ("Spark, 1 core", "spark", "one.spark", "local[1]"),
            ("Spark, 2 cores", "spark", "two.spark", "local[2]"),
        )
    ]
    if len({run.net_amount for run in runs}) > 1:
        raise RuntimeError(f"the engines bill {[str(run.net_amount) for run in runs]}")
    return runs


def bench_day(bench: Bench, daily_count: int) -> list[Measured]:
    """Measure the load and build of one day more, on one month and on twelve.

    The twelve are measured twice: eleven issued, as they are in use, and none.
    """
    month, year = (history(bench, months, daily_count) for months in (1, 12))
    drafted = replace(
        year, name="12 months, none issued", warehouse=bench.folder / "drafted.duckdb"
    )
    shutil.copy(year.warehouse, drafted.warehouse)
    store = DuckDBWarehouse(year.warehouse)
    for number in range(1, 12):
        issued_at = datetime(2025, 12, 1, tzinfo=UTC)
        store.issue(f"2025-{number:02}", issued_at, lambda _connection, _table: {})
    bench.measure(replace(year, name="eleven months issued"))
    for job in (month, year):
        last_day = date.fromisoformat(f"{job.period}-31")
        write_usage(job.landing, Usage("parquet", daily_count, last_day, 1, "d"))
    return bench.shortest([month, replace(year, name="12 months, 11 issued"), drafted])


def history(bench: Bench, months: int, daily_count: int) -> Job:
    """Bill months that lack their last day; the job is to add it."""
    name = f"{months} month" if months == 1 else f"{months} months"
    landing = bench.folder / f"history-{months}"
    day_count = (date(2025, months, 31) - FIRST_DAY).days
    write_accounts(landing, FIRST_DAY)
    usage = Usage("parquet", daily_count * day_count, FIRST_DAY, day_count, "h")
    bench.console.print(f"writing {usage.event_count:,} events of {name}")
    write_usage(landing, usage)
    job = Job(
        name,
        "product",
        landing,
        f"2025-{months:02}",
        bench.folder / f"history-{months}.duckdb",
    )
    bench.measure(replace(job, name=f"{name} less a day"))
    return job


def bench_documents(bench: Bench, line_count: int) -> Measured:
    """Measure the issue of one invoice with a line for each value of a dimension.

    Raises: RuntimeError if it is not issued whole.
    """
    world = Scenario()
    world.meter("used", "use", dimensions="model")
    world.subscriber("long", "0.01")
    for number in range(line_count):
        world.event("long", "100", data={"model": f"model-{number}"})
    folder = bench.folder / "documents"
    installation = build(
        folder, world, dbt_folder=folder / "dbt", period="2026-01", tested=False
    )
    name = f"issue of {line_count:,} lines"
    job = Job(name, "documents", installation.landing, "2026-01", installation.warehouse)
    measured = bench.measure(job)
    if measured.net_amount != line_count:
        raise RuntimeError(f"{measured.net_amount} issued of {line_count}")
    return measured


def mark(is_met: bool) -> str:
    """Say whether an aim is met."""
    return "met" if is_met else "missed"


def month_table(runs: list[Measured], title: str) -> Table:
    """Compare the product with the script, start-up apart.

    Wall time tells what a user waits; processor time stays the same on a busy machine.
    """
    start_up, script, product = runs
    table = Table("", "wall time", "processor time", "peak memory", title=title)
    for run in runs:
        table.add_row(
            run.name,
            f"{run.seconds:.1f} s",
            f"{run.processor_seconds:.1f} s",
            f"{run.peak_bytes / GIB:.2f} GiB",
        )
    beyond = product.seconds - start_up.seconds
    processor = product.processor_seconds - start_up.processor_seconds
    table.add_row("beyond start-up", f"{beyond:.1f} s", f"{processor:.1f} s", "")
    table.add_row(
        "ratio to the script",
        f"{beyond / script.seconds:.2f} × (aim {TIME_AIM}:"
        f" {mark(beyond <= TIME_AIM * script.seconds)})",
        f"{processor / script.processor_seconds:.2f} ×",
        f"{product.peak_bytes / script.peak_bytes:.2f} ×"
        f" (aim 4 GiB: {mark(product.peak_bytes < MEMORY_AIM_BYTES)})",
    )
    return table


def spark_table(runs: list[Measured], title: str) -> Table:
    """Compare the engines, and Spark with itself on twice the cores."""
    duck, one, two = runs
    table = Table(
        "", "wall time", "ingest", "build", "processor time", "peak memory", title=title
    )
    for run in runs:
        table.add_row(
            run.name,
            f"{run.seconds:.1f} s",
            f"{run.phases['ingest']:.1f} s",
            f"{run.phases['dbt']:.1f} s",
            f"{run.processor_seconds:.1f} s",
            f"{run.peak_bytes / GIB:.2f} GiB",
        )
    table.add_row(
        "Spark on 2 cores to DuckDB",
        f"{two.seconds / duck.seconds:.2f} ×",
        f"{two.phases['ingest'] / duck.phases['ingest']:.2f} ×",
        f"{two.phases['dbt'] / duck.phases['dbt']:.2f} ×",
        f"{two.processor_seconds / duck.processor_seconds:.2f} ×",
        f"{two.peak_bytes / duck.peak_bytes:.2f} ×",
    )
    table.add_row(
        "quicker on 2 cores than on 1",
        f"{one.seconds / two.seconds:.2f} ×",
        "",
        f"{one.phases['dbt'] / two.phases['dbt']:.2f} ×",
        "",
        "",
    )
    return table


def document_table(run: Measured) -> Table:
    """Set the memory of a long document against its aim."""
    table = Table("", "wall time", "processor time", "peak memory", title="A long invoice")
    is_met = mark(run.peak_bytes < DOCUMENT_AIM_BYTES)
    table.add_row(
        run.name,
        f"{run.seconds:.1f} s",
        f"{run.processor_seconds:.1f} s",
        f"{run.peak_bytes / GIB:.2f} GiB (aim 1 GiB: {is_met})",
    )
    return table


def day_table(runs: list[Measured], title: str) -> Table:
    """Compare a day added to a short history with one added to long ones."""
    table = Table(
        "",
        "wall time",
        "ingest",
        "build",
        "processor time",
        "peak memory",
        "ratio",
        title=title,
    )
    short = runs[0]
    for run in runs:
        ratio = run.seconds / short.seconds
        table.add_row(
            run.name,
            f"{run.seconds:.1f} s",
            f"{run.phases['ingest']:.1f} s",
            f"{run.phases['dbt']:.1f} s",
            f"{run.processor_seconds:.1f} s",
            f"{run.peak_bytes / GIB:.2f} GiB",
            f"{ratio:.2f} × (aim {GROWTH_AIM}: {mark(ratio <= GROWTH_AIM)})"
            if run is not short
            else "",
        )
    return table


def main() -> None:
    """Parse the sizes, run the benchmarks and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--parquet-events", type=int, default=20_000_000)
    parser.add_argument("--ndjson-events", type=int, default=2_000_000)
    parser.add_argument("--daily-events", type=int, default=100_000)
    parser.add_argument("--document-lines", type=int, default=200_000)
    parser.add_argument("--memory-limit", default="3GB")
    parser.add_argument("--only", choices=["month", "day", "spark", "documents"])
    parser.add_argument(
        "--folder", type=Path, help="where files go; a temporary one if absent"
    )
    options = parser.parse_args()
    console = Console()
    tables: list[Table] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        bench = Bench(Path(name), options.memory_limit, console)
        write_price_book(REPOSITORY / "pricing_seeds", bench.folder / "pricing")
        (bench.folder / "work").mkdir()
        if options.only in (None, "month"):
            runs = bench_month(bench, options.parquet_events, options.ndjson_events)
            title = (
                f"{options.parquet_events:,} Parquet + {options.ndjson_events:,} NDJSON events"
            )
            tables.append(month_table(runs, title))
        if options.only in (None, "spark"):
            runs = bench_spark(bench, options.parquet_events, options.ndjson_events)
            events = options.parquet_events + options.ndjson_events
            tables.append(spark_table(runs, f"{events:,} events on both engines"))
        if options.only in (None, "day"):
            runs = bench_day(bench, options.daily_events)
            title = f"A day of {options.daily_events:,} events added to"
            tables.append(day_table(runs, title))
        if options.only in (None, "documents"):
            tables.append(document_table(bench_documents(bench, options.document_lines)))
    for table in tables:
        console.print(table)


if __name__ == "__main__":
    main()
