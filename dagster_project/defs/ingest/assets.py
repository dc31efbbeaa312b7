"""What comes in: landed files into schema ``raw``, and the price book checked before use."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from dagster_project.defs.resources import OWNERS, WAREHOUSE_POOL, WarehouseResource, settings
from dagster_project.lib.first_period import first_month_of_usage, note_period
from dagster_project.lib.landing_cursor import changed_files
from dagster_project.lib.price_book import UnsoundPriceBookError, refuse_unsound
from dagster_project.lib.price_book.files import TABLE_ENDINGS
from dagster_project.lib.price_book.sources import UnsoundSourcesError, read_time_rules
from dagster_project.lib.warehouse import count_rows

_RAW_TABLES = {
    "load_files": "The ledger of loads: every file that was loaded, with its counts.",
    "usage_events": "Landed usage events as they came, exact to the digit.",
    "repeated_events": "Events that repeat the source and id of an earlier one, as they came.",
    "rejected_records": "Records that cannot be used, with file, position and raw text.",
    "unread_columns": "Columns of accounts and corrections files that nobody reads.",
    "customers": "Snapshots of customers, as text.",
    "subscriptions": "Snapshots of subscriptions, as text.",
    "subjects": "Snapshots of subject aliases, as text.",
    "pauses": "Snapshots of pauses of subscriptions, as text.",
    "credit_grants": "Snapshots of prepaid credit grants, as text.",
    "corrections": "Withdrawals of events, as text.",
}


@dg.multi_asset(
    name="landed_files",
    specs=[
        dg.AssetSpec(
            ["raw", table],
            description=description,
            group_name="ingest",
            kinds={"python", "duckdb"},
            owners=OWNERS,
            # Whose sources.csv says how times are read.
            deps=["price_book"],
        )
        for table, description in _RAW_TABLES.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            name="loaded_files_are_unchanged",
            asset=["raw", "load_files"],
            description="Every file has the size that it had when it was loaded.",
        )
    ],
    pool=WAREHOUSE_POOL,
)
def landed_files(
    context: dg.AssetExecutionContext, warehouse: WarehouseResource
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Load every file that landed and is not in the ledger, in one transaction."""
    settings.landing_dir.mkdir(parents=True, exist_ok=True)
    # As this run has checked it, or as it stands where the run loads alone.
    is_checked = any(node.name == "price_book" for node in context.job_def.nodes)
    book = settings.checked_book_dir if is_checked else settings.pricing_dir
    try:
        time_rules = read_time_rules(book)
    except UnsoundSourcesError as unsound:
        raise dg.Failure(description=str(unsound), allow_retries=False) from None
    report = warehouse.ingest(
        settings.landing_dir,
        datetime.now(UTC).replace(tzinfo=None),
        context.log.info,
        time_rules,
    )
    with warehouse.get_connection() as connection:
        row_counts = {table: count_rows(connection, "raw", table) for table in _RAW_TABLES}
        loaded_sizes = dict(
            connection.execute("select source_file, size_bytes from raw.load_files").fetchall()
        )
        if report.load_id is not None:
            note_period(settings, first_month_of_usage(connection))
    for path, error in report.failed_files:
        context.log.warning(f"{path} could not be opened and will be tried again: {error}")
    added: dict[str, Any] = {
        "files_loaded": report.file_count,
        "records_loaded": report.record_count,
        "records_rejected": report.rejected_count,
        "events_repeated": report.repeated_count,
        "files_failed": [f"{path}: {error}" for path, error in report.failed_files],
    }
    for table, row_count in row_counts.items():
        yield dg.MaterializeResult(
            asset_key=["raw", table],
            metadata={
                "dagster/row_count": row_count,
                **(added if table == "load_files" else {}),
            },
        )
    changed = changed_files(settings.landing_dir, loaded_sizes)
    more = [f"and {len(changed) - 5} more"] if len(changed) > 5 else []
    yield dg.AssetCheckResult(
        asset_key=["raw", "load_files"],
        check_name="loaded_files_are_unchanged",
        passed=not changed,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join([*changed[:5], *more])
        + "; what was loaded stands, what came since has to land under a new name"
        if changed
        else None,
        metadata={"changed_count": len(changed), "changed": changed[:1000]},
    )


@dg.asset(
    group_name="pricing",
    kinds={"csv"},
    owners=OWNERS,
    pool=WAREHOUSE_POOL,
    required_resource_keys={"warehouse"},
    check_specs=[
        dg.AssetCheckSpec(
            "price_book_reads_as_meant",
            asset="price_book",
            description="No price is below zero, and every table in the folder is read.",
        )
    ],
)
def price_book() -> dg.MaterializeResult:
    """The price book as it stands in the pricing directory, refused unless it is sound.

    Everything that is rated depends on it, so that an unsound book stops before a price. dbt
    reads the copy that was checked: an edit during a run waits for the next one.
    """
    checked = settings.checked_book_dir
    taken = checked.with_name("price_book.new")
    shutil.rmtree(taken, ignore_errors=True)
    taken.mkdir(parents=True)
    # Whatever may be a table: one under a name that nobody reads is a defect.
    for table in settings.pricing_dir.glob("*"):
        if table.suffix.casefold() in TABLE_ENDINGS and table.is_file():
            shutil.copyfile(table, taken / table.name)
    try:
        warnings = refuse_unsound(taken)
    except UnsoundPriceBookError as error:
        raise dg.Failure(
            description=str(error),
            metadata={"defects": [str(defect) for defect in error.defects]},
            allow_retries=False,
        ) from None
    shutil.rmtree(checked, ignore_errors=True)
    taken.rename(checked)
    files = sorted(checked.glob("*.csv"))
    rows = sum(max(len(file.read_bytes().splitlines()) - 1, 0) for file in files)
    return dg.MaterializeResult(
        metadata={"dagster/row_count": rows, "files": [file.name for file in files]},
        check_results=[
            dg.AssetCheckResult(
                passed=not warnings,
                severity=dg.AssetCheckSeverity.WARN,
                description="; ".join(map(str, warnings[:5])) or None,
                metadata={
                    "findings": [str(warning) for warning in warnings[:1000]],
                    "finding_count": len(warnings),
                },
            )
        ],
    )
