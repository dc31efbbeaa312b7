"""What a command costs before it does anything: `python -m tests.benchmarks.start`.

The demo is billed once; then `bill` and `ingest` run with nothing new, in turns with those of
another release where one is given, and `bill` after a file of one event has landed. The
shortest of each counts. The floor is the SQL of all models and tests of the build, as dbt
compiled it, run one after the other in one connection.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from tests.benchmarks.worker import REPOSITORY

PERIOD = "2026-03"
ROUNDS = 3
Times = tuple[float, float]


def command(checkout: Path, data: Path, *arguments: str) -> Times:
    """Wall and processor seconds of one command of a release.

    Raises: RuntimeError if it fails.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("METERHOUSE_", "DBT_", "DAGSTER_"))
    }
    process = subprocess.Popen(
        [str(checkout / ".venv/bin/meterhouse"), *arguments],
        env=environment | {"METERHOUSE_DATA_DIR": str(data)},
        stdout=subprocess.DEVNULL,
        cwd=checkout,
    )
    start = time.perf_counter()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{arguments} of {checkout} ended with {process.returncode}")
    return seconds, usage.ru_utime + usage.ru_stime


def land_one(data: Path, number: int) -> None:
    """Land one event of the demo's last month."""
    event = {
        "specversion": "1.0",
        "id": f"bench-{number}",
        "source": "bench",
        "type": "llm.request",
        "subject": "sub_ai_0026",
        "time": "2026-03-15T12:00:00Z",
        "data": {"model": "small", "input_tokens": 1, "output_tokens": 1, "cached_tokens": 0},
    }
    path = data / "landing" / "usage" / f"bench-{number}.ndjson"
    path.write_text(json.dumps(event) + "\n", "utf-8")


def floor(data: Path) -> float:
    """Seconds of the compiled SQL of the last build, one statement after the other."""
    target = data / "dbt" / "target" / "compiled" / "meterhouse"
    statements = [path.read_text("utf-8") for path in sorted(target.rglob("*.sql"))]
    with duckdb.connect(str(data / "warehouse.duckdb"), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        start = time.perf_counter()
        for statement in statements:
            # A unit test of an earlier run may lie there, over tables that are gone.
            try:
                connection.execute(f"create or replace temp table made as {statement}")
            except duckdb.Error:
                continue
        return time.perf_counter() - start


def shortest(times: list[Times]) -> Times:
    """The run that waited least."""
    return min(times)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, help="checkout of a release, with its .venv")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument(
        "--folder", type=Path, help="where files go; a temporary one if absent"
    )
    options = parser.parse_args()
    console = Console()
    releases = {"this": REPOSITORY} | ({"beside": options.beside} if options.beside else {})
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        data = {release: Path(name, release) for release in releases}
        for release, checkout in releases.items():
            console.print(f"the demo of {release}")
            command(checkout, data[release], "demo", "--events", str(options.events))
        numbers = iter(range(1_000_000))
        jobs: dict[str, tuple[tuple[str, ...], Callable[[Path], None]]] = {
            "bill, nothing new": (("bill", "--period", PERIOD), lambda _data: None),
            "ingest, nothing new": (("ingest",), lambda _data: None),
            "bill, one event new": (
                ("bill", "--period", PERIOD),
                lambda folder: land_one(folder, next(numbers)),
            ),
        }
        table = Table("", *(f"{release}, wall and processor" for release in releases), "ratio")
        for title, (arguments, before) in jobs.items():
            times: dict[str, list[Times]] = {release: [] for release in releases}
            for _ in range(ROUNDS):
                for release, checkout in releases.items():
                    before(data[release])
                    times[release].append(command(checkout, data[release], *arguments))
            best = {release: shortest(times[release]) for release in releases}
            console.print(title, times)
            ratio = f"{best['this'][0] / best['beside'][0]:.2f} ×" if options.beside else ""
            cells = [f"{wall:.1f} s, {processor:.1f} s" for wall, processor in best.values()]
            table.add_row(title, *cells, ratio)
        table.add_row(
            "floor: DuckDB alone", *(f"{floor(data[r]):.1f} s" for r in releases), ""
        )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
