"""The dbt project as assets, grouped by the stage each model belongs to."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from dagster_project.defs.partitions import billing_months, one_run
from dagster_project.defs.resources import (
    OWNERS,
    WAREHOUSE_POOL,
    WarehouseResource,
    dbt_project_dir,
    make_dbt_resource,
    settings,
)
from dagster_project.lib.dbt_run import PERIOD_VARIABLE, environment
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
        if all(dep.asset_key.path[0] == "ledger" for dep in spec.deps):
            spec = spec.replace_attributes(deps=[*spec.deps, "price_book"])
        return spec


def manifest_path() -> Path:
    """The dbt manifest, parsed anew when a model, macro or seed file is younger than it."""
    manifest = DBT_TARGET / "manifest.json"
    with writer_lock(settings.dbt_target_dir / ".parse.lock"):
        inputs = [*DBT_PROJECT_DIR.rglob("*.sql"), *DBT_PROJECT_DIR.rglob("*.yml")]
        inputs += (PROJECT_ROOT / "pricing_seeds").glob("*.yml")
        inputs += settings.pricing_dir.glob("*.csv")
        newest = max((path.stat().st_mtime for path in inputs), default=0)
        if not manifest.exists() or manifest.stat().st_mtime < newest:
            make_dbt_resource().cli(["parse", "--quiet"], target_path=DBT_TARGET).wait()
            manifest.touch()
    return manifest


@dbt_assets(
    manifest=manifest_path(),
    dagster_dbt_translator=StageTranslator(),
    name="dbt_build",
    pool=WAREHOUSE_POOL,
    backfill_policy=one_run,
)
def dbt_build(
    context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: WarehouseResource
) -> Iterator[Any]:
    """Build and test every model, stage by stage; a failed test stops what is below it."""
    # Anew for each run: the price book may have been edited since this process was started.
    dbt_project_dir()
    with environment({PERIOD_VARIABLE: max(context.partition_keys)}):
        invocation = dbt.cli(
            ["build", *NO_UNIT_TESTS], context=context, target_path=DBT_TARGET
        )
    results = []
    failure: Exception | None = None
    try:
        for result in invocation.stream():
            results.append(result)
            # Dagster keeps each line in a transaction of its own.
            if len(results) % 10 == 0:
                context.log.info(f"dbt: {len(results)} models and tests done.")
    except Exception as error:
        failure = error
    # Rows are counted once dbt has ended: while it writes, nobody else can open the file.
    with warehouse.get_connection() as connection:
        row_counts = count_all_rows(connection)
    for result in results:
        name = _asset_name(context, result)
        if name in row_counts:
            yield result.with_metadata(
                {**(result.metadata or {}), "dagster/row_count": row_counts[name]}
            )
        else:
            yield result
    if failure is not None:
        raise failure


def _asset_name(context: dg.AssetExecutionContext, result: Any) -> str | None:
    if isinstance(result, dg.Output):
        return context.asset_key_for_output(result.output_name).path[-1]
    return None


def count_all_rows(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Rows of every table that dbt makes and of every mart, by name."""
    return {
        name: count_rows(connection, schema, name)
        for schema, name in table_names(connection)
        if schema not in ("raw", "ledger", "main")
    }
