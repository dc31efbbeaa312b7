"""Asset checks over usage. Reconciliation in SQL is in dbt/tests/reconciliation.

A check that stands between wrong data and a customer blocks; the others warn.
"""

from collections.abc import Iterator

import dagster as dg

from dagster_project.defs.partitions import billing_months
from dagster_project.defs.quality.suites import run_suites
from dagster_project.defs.resources import WarehouseResource, settings
from dagster_project.lib.usage_frames import read_usage_frames

# Name of the check, its suite, whether it blocks, and the sentence that is true when green.
_CHECKS = (
    (
        "usage_has_no_outage",
        "completeness",
        True,
        "No event type falls silent for a day in the middle of steady usage.",
    ),
    ("usage_volume_is_usual", "volume", False, "Volume is half to twice the months before."),
    ("usage_counts_are_in_range", "ranges", False, "Every day has one positive count."),
    ("usage_subjects_are_known", "known_subjects", False, "Nearly all usage has a subject."),
    ("usage_is_fresh", "freshness", False, "Usage reaches to the end of the period."),
)


@dg.multi_asset_check(
    name="usage_quality",
    specs=[
        dg.AssetCheckSpec(
            name=name,
            asset="fct_usage_daily",
            additional_deps=["fct_invoices", "fct_event_fates", "dim_subscriptions"],
            blocking=is_blocking,
            description=description,
            partitions_def=billing_months,
        )
        for name, _, is_blocking, description in _CHECKS
    ],
)
def usage_quality(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> Iterator[dg.AssetCheckResult]:
    """Run the Great Expectations suites of one billing month and build its Data Docs."""
    period = context.partition_key
    with warehouse.get_connection() as connection:
        frames = read_usage_frames(connection, period)
    site = settings.data_docs_dir / period
    results = run_suites(frames, period, site)
    for name, suite, is_blocking, _ in _CHECKS:
        result = results[suite]
        yield dg.AssetCheckResult(
            asset_key="fct_usage_daily",
            check_name=name,
            passed=not result.failures,
            severity=(
                dg.AssetCheckSeverity.ERROR if is_blocking else dg.AssetCheckSeverity.WARN
            ),
            description="; ".join(result.failures) or None,
            metadata={
                "expectations": result.expectation_count,
                "failures": result.failures,
                "data_docs": dg.MetadataValue.path(site / "index.html"),
            },
        )
