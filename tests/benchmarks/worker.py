"""One measured run in a process of its own: the product, or the script it is compared with.

Usage: python -m tests.benchmarks.worker product|spark|reference|documents JOB.json
The job is read from, and the outcome with its phases written back to, the same file.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = ["build", "--exclude-resource-types", "test", "unit_test"]


@contextmanager
def timed(phases: dict[str, float], name: str) -> Iterator[None]:
    """Record the wall seconds of a phase."""
    start = time.perf_counter()
    yield
    phases[name] = time.perf_counter() - start


def run_product(job: dict[str, Any]) -> dict[str, Any]:
    """Ingest what is new in the landing directory and build every model, without tests."""
    from dagster_project.lib.dbt_project import link_dbt_project
    from dagster_project.lib.dbt_run import run_dbt
    from dagster_project.lib.ingest import ingest_landing
    from dagster_project.lib.warehouse import open_warehouse

    folder = Path(job["folder"])
    phases: dict[str, float] = {}
    with timed(phases, "ingest"), open_warehouse(Path(job["warehouse"])) as connection:
        connection.execute(f"set memory_limit = '{job['memory_limit']}'")
        ingest_landing(connection, Path(job["landing"]), datetime.now(UTC))
    os.environ["DUCKDB_MEMORY_LIMIT"] = job["memory_limit"]
    project = link_dbt_project(REPOSITORY / "dbt", Path(job["pricing"]), folder / "dbt")
    with timed(phases, "dbt"):
        results = run_dbt(BUILD, project, "duckdb", Path(job["warehouse"]), job["period"])
    models = {result.node.name: result.execution_time for result in results}
    return {"phases": phases, "models": models}


def run_spark(job: dict[str, Any]) -> dict[str, Any]:
    """The same as the product on an embedded Spark with the master of the job."""
    from dagster_project.lib.dbt_project import link_dbt_project
    from dagster_project.lib.dbt_run import run_dbt
    from dagster_project.lib.spark_session import write_spark_conf
    from dagster_project.lib.spark_warehouse import SparkWarehouse

    folder, warehouse = Path(job["folder"]) / "spark", SparkWarehouse(Path(job["warehouse"]))
    # The master limits tasks only: compiler, planner and collector would take the other core.
    if job["master"] == "local[1]" and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    phases: dict[str, float] = {}
    with timed(phases, "ingest"):
        warehouse.ingest(Path(job["landing"]), datetime.now(UTC), lambda _message: None)
    memory = job["memory_limit"].lower().removesuffix("b")
    write_spark_conf(folder / "conf", warehouse.path, job["master"], memory)
    os.environ["SPARK_CONF_DIR"] = str(folder / "conf")
    project = link_dbt_project(REPOSITORY / "dbt", Path(job["pricing"]), folder / "dbt")
    with timed(phases, "dbt"):
        results = run_dbt(BUILD, project, "spark", warehouse.path, job["period"])
    # Waited for, so that its processor time and memory are counted with this process.
    from pyspark import SparkContext

    virtual_machine = SparkContext._gateway.proc
    virtual_machine.stdin.close()
    virtual_machine.wait()
    return {
        "phases": phases,
        "models": {result.node.name: result.execution_time for result in results},
    }


def run_reference(job: dict[str, Any]) -> dict[str, Any]:
    """Load, deduplicate, aggregate and rate, as short as DuckDB allows."""
    import duckdb

    from tests.benchmarks.workload import INPUT_PRICE, OUTPUT_PRICE

    usage = Path(job["landing"]) / "usage"
    phases: dict[str, float] = {}
    with duckdb.connect(job["warehouse"]) as connection:
        connection.execute(f"set memory_limit = '{job['memory_limit']}'")
        with timed(phases, "load"):
            connection.execute(
                f"""
                create table events as
                select id, source, subject, time, model, input_tokens, output_tokens
                from read_parquet('{usage}/*.parquet')
                union all
                select
                    id, source, subject, time, data.model, data.input_tokens,
                    data.output_tokens
                from read_json('{usage}/*.ndjson', format = 'newline_delimited', columns = {{
                    id: 'varchar', source: 'varchar', subject: 'varchar', time: 'timestamp',
                    data: 'struct(model varchar, input_tokens bigint, output_tokens bigint)'
                }})
                """
            )
        with timed(phases, "deduplicate, aggregate and rate"):
            connection.execute("create schema marts")
            connection.execute(
                f"""
                create table marts.fct_invoices as
                with usage as (
                    select
                        subject, model, strftime(time, '%Y-%m') as billing_period,
                        sum(input_tokens) as input_tokens, sum(output_tokens) as output_tokens
                    from (select distinct on (source, id) * from events)
                    group by all
                )
                select
                    subject, billing_period,
                    round(sum(input_tokens)::decimal(26, 0) * {INPUT_PRICE}, 2)
                    + round(sum(output_tokens)::decimal(26, 0) * {OUTPUT_PRICE}, 2)
                        as net_amount
                from usage group by all
                """
            )
    return {"phases": phases}


def run_documents(job: dict[str, Any]) -> dict[str, Any]:
    """Issue the drafts of a period, documents and all."""
    from dagster_project.lib.documents import DocumentsOfIssue
    from dagster_project.lib.engines import DuckDBWarehouse
    from dagster_project.lib.settings import TEMPLATES_DIR

    documents = DocumentsOfIssue(Path(job["folder"]) / "documents", TEMPLATES_DIR)
    phases: dict[str, float] = {}
    with timed(phases, "issue"):
        store = DuckDBWarehouse(Path(job["warehouse"]))
        issue = store.issue(job["period"], datetime.now(UTC), documents.render)
        documents.put_in_place()
    if issue.left_out or not issue.count:
        raise RuntimeError(f"issued {issue.count}, left out {issue.left_out}")
    return {"phases": phases}


def main() -> None:
    """Run the job named on the command line."""
    kind, path = sys.argv[1], Path(sys.argv[2])
    job = json.loads(path.read_text())
    runs = {
        "product": run_product,
        "spark": run_spark,
        "reference": run_reference,
        "documents": run_documents,
    }
    outcome = runs[kind](job)
    path.write_text(json.dumps(job | outcome))


if __name__ == "__main__":
    main()
