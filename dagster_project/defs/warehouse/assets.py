"""The dbt project as assets, grouped by the stage each model belongs to."""

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DbtProject
from dagster_dbt.asset_utils import build_dbt_specs
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from dbt_common.invocation import get_invocation_id

from dagster_project.defs.partitions import billing_months, one_run
from dagster_project.defs.resources import (
    OWNERS,
    WAREHOUSE_POOL,
    WarehouseResource,
    dbt_project_dir,
    settings,
)
from dagster_project.lib.dbt_run import DbtRunError, run_dbt
from dagster_project.lib.kept_build import (
    KeptBuild,
    NodeResult,
    keep_build,
    kept_build,
    made_from,
)
from dagster_project.lib.settings import DBT_PROJECT_DIR, PROJECT_ROOT
from dagster_project.lib.warehouse import count_rows, table_names, writer_lock

DBT_TARGET = settings.dbt_target_dir / "target"
# They say nothing about data; `make test` runs them.
NO_UNIT_TESTS = ("--exclude-resource-type", "unit_test")


class StageTranslator(DagsterDbtTranslator):
    """Names an asset after its model and groups it by its stage."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """The model's name; a source keeps its schema, which is what tells it apart."""
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return dg.AssetKey(dbt_resource_props["name"])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str | None:
        """The stage: the model's folder, or pricing for a seed."""
        if dbt_resource_props["resource_type"] == "seed":
            return "pricing"
        if dbt_resource_props["resource_type"] == "source":
            return str(dbt_resource_props["source_name"])
        return str(dbt_resource_props["fqn"][1])

    def get_owners(self, _dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """The team that answers for every stage."""
        return OWNERS

    def get_partitions_def(
        self, dbt_resource_props: Mapping[str, Any]
    ) -> dg.PartitionsDefinition | None:
        """A billing month for everything that dbt builds."""
        return billing_months if dbt_resource_props["resource_type"] != "source" else None

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """As dagster-dbt has it; a seed also waits for the price book to be found sound.

        So does what only reads the ledger: a backfill would make it in a run of its own,
        before the load, and then all that rests on it in another one.
        """
        spec = super().get_asset_spec(manifest, unique_id, project)
        # What the run before left behind is made later in the same run: here a circle.
        deps = [dep for dep in spec.deps if not dep.asset_key.path[0].endswith("_before")]
        spec = spec.replace_attributes(deps=deps)
        if all(dep.asset_key.path[0] == "ledger" for dep in spec.deps):
            spec = spec.replace_attributes(deps=[*spec.deps, "price_book"])
        return spec


def manifest_path() -> Path:
    """The dbt manifest, parsed anew when a file that it is made of has changed.

    Told by name, size and time of each: what is installed may be older than the manifest of
    the release before.
    """
    manifest, key_file = DBT_TARGET / "manifest.json", DBT_TARGET / "manifest.key"
    with writer_lock(settings.dbt_target_dir / ".parse.lock"):
        inputs = [*DBT_PROJECT_DIR.rglob("*.sql"), *DBT_PROJECT_DIR.rglob("*.yml")]
        inputs += (PROJECT_ROOT / "pricing_seeds").glob("*.yml")
        inputs += settings.pricing_dir.glob("*.csv")
        stats = [(str(path), path.stat()) for path in sorted(inputs)]
        text = "".join(f"{path} {stat.st_size} {stat.st_mtime_ns}\n" for path, stat in stats)
        key = hashlib.sha256(f"{version('dbt-core')}\n{text}".encode()).hexdigest()
        if not (manifest.exists() and key_file.exists() and key_file.read_text() == key):
            run_dbt(["parse"], dbt_project_dir(), settings.target, settings.warehouse, "")
            key_file.write_text(key)
    return manifest


MANIFEST: Mapping[str, Any] = json.loads(manifest_path().read_text("utf-8"))
TRANSLATOR = StageTranslator()
ROWS_CHECK = "rows_are_sound"
_UNSOUND = re.compile(r"The rows of \S+ are not sound: (.*)")


def _what_dbt_makes() -> dict[str, Any]:
    """Every model and seed, its tests, and a check of what it promises of its rows.

    Handed to the decorator; of lists in the module Dagster would make assets once more.
    """
    specs, tests = build_dbt_specs(
        translator=TRANSLATOR,
        manifest=MANIFEST,
        select="fqn:*",
        exclude="",
        selector="",
        io_manager_key=None,
        project=None,
    )
    promising = {
        node["name"]
        for node in MANIFEST["nodes"].values()
        if node["config"].get("meta", {}).get("rows")
    }
    row_checks = [
        dg.AssetCheckSpec(
            ROWS_CHECK,
            asset=spec.key,
            description="Each key once, nothing missing, known codes only (macros/rows.sql).",
            blocking=True,
            partitions_def=billing_months,
        )
        for spec in specs
        if spec.key.path[-1] in promising
    ]
    return {"specs": specs, "check_specs": [*tests, *row_checks]}


@dg.multi_asset(
    **_what_dbt_makes(),
    name="dbt_build",
    can_subset=True,
    pool=WAREHOUSE_POOL,
    backfill_policy=one_run,
)
def dbt_build(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Iterator[Any]:
    """Build and test every model, stage by stage; a failed test stops what is below it."""
    period = max(context.partition_keys)
    kept_file = settings.dbt_target_dir / "kept_build.json"
    failure: DbtRunError | None = None
    kept: KeptBuild | None = None
    key = made_from(settings, dbt_project_dir(), period)
    if not context.is_subset:
        with warehouse.get_connection() as connection:
            kept = kept_build(kept_file, key, connection)
    if kept is not None:
        context.log.info("Nothing has changed since the last build, which stands.")
        results = kept.results
    else:
        results, failure = _build(context, warehouse, period)
    # For the log of the step; dbt would format its own line by line, also where nobody reads.
    sys.stdout.writelines(
        f"{result.resource_type} {result.name}: {result.status}, {result.seconds:.2f} s"
        f" {result.message or ''}\n"
        for result in results
    )
    # Rows are counted once dbt has ended: while it writes, nobody else can open the file.
    with warehouse.get_connection() as connection:
        row_counts = count_all_rows(connection)
        if kept is None and failure is None and not context.is_subset:
            keep_build(kept_file, key, context.run.run_id, results, connection)
    since = {} if kept is None else {"unchanged_since_run": kept.run_id}
    for event in _events(context, results):
        name = _asset_name(context, event)
        count = {"dagster/row_count": row_counts[name]} if name in row_counts else {}
        yield event.with_metadata({**(event.metadata or {}), **count, **since})
    if failure is not None:
        raise failure


def _build(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource, period: str
) -> tuple[list[NodeResult], DbtRunError | None]:
    """Run dbt over what was chosen: what it says of each node, and what failed."""

    def report(count: int) -> None:
        if count % 50 == 0:
            context.log.info(f"dbt: {count} models and tests done.")

    command = ["build", *NO_UNIT_TESTS]
    if context.is_subset:
        checks = context.selected_asset_check_keys
        # What is promised of rows is asked where they are made.
        chosen = {key.path[-1] for key in context.selected_asset_keys}
        chosen |= {key.asset_key.path[-1] for key in checks if key.name == ROWS_CHECK}
        chosen |= {key.name for key in checks if key.name != ROWS_CHECK}
        command += ["--select", " ".join(sorted(chosen)), "--indirect-selection", "empty"]
    failure: DbtRunError | None = None
    try:
        results = warehouse.run_dbt(command, period, report)
    except DbtRunError as error:
        results, failure = error.results, error
    return [NodeResult.of(result) for result in results], failure


def _events(context: dg.AssetExecutionContext, results: Iterable[NodeResult]) -> Iterator[Any]:
    """What Dagster shows of the nodes that were chosen."""
    for result in results:
        asset = dg.AssetKey(result.name)
        message = _as_message(result)
        if result.resource_type == "test" or asset in context.selected_asset_keys:
            yield from message.to_default_asset_events(MANIFEST, TRANSLATOR, context)
        unsound = _UNSOUND.search(" ".join((result.message or "").split()))
        is_made = unsound is not None or result.status == "success"
        if (
            is_made
            and dg.AssetCheckKey(asset, ROWS_CHECK) in context.selected_asset_check_keys
        ):
            yield dg.AssetCheckResult(
                asset_key=asset,
                check_name=ROWS_CHECK,
                passed=unsound is None,
                description=unsound[1] if unsound else None,
            )


def _as_message(result: NodeResult) -> DbtCoreCliEventMessage:
    """The result of a node as dagster-dbt would have read it from the log of a command."""
    node = {
        "unique_id": result.unique_id,
        "node_status": result.status,
        "node_started_at": result.started_at,
        "node_finished_at": result.finished_at,
    }
    # By its name dagster-dbt knows a result; of what it is, the node tells.
    return DbtCoreCliEventMessage(
        {
            "info": {"name": "LogTestResult", "invocation_id": get_invocation_id()},
            "data": {"node_info": node, "num_failures": result.failures},
        },
        {},
    )


def _asset_name(context: dg.AssetExecutionContext, event: Any) -> str | None:
    if isinstance(event, dg.Output):
        return context.asset_key_for_output(event.output_name).path[-1]
    return None


def count_all_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table that dbt makes and of every mart, by name."""
    return {
        name: count_rows(connection, schema, name)
        for schema, name in table_names(connection)
        if schema not in ("raw", "ledger", "main")
    }
