"""Asset checks over usage. Reconciliation in SQL is in dbt/tests/reconciliation.

A check that stands between wrong data and a customer blocks; the others warn.
"""

from collections.abc import Collection, Iterator

import dagster as dg

from dagster_project.defs.partitions import billing_months
from dagster_project.defs.quality.data_docs import write_index
from dagster_project.defs.quality.suites import run_suites
from dagster_project.defs.quality.verdict import UNREAD_FILES, verdict
from dagster_project.defs.resources import INGEST_JOB, ISSUE_JOB, WarehouseResource, settings
from dagster_project.lib.findings import FINDINGS, read_findings
from dagster_project.lib.usage_frames import read_usage_frames

MAX_RETRIES_TAG = "dagster/max_retries"
# Name of the check, its suite, whether it blocks, and the sentence that is true when green.
_CHECKS = (
    (
        "usage_has_no_outage",
        "completeness",
        True,
        "No event type falls silent for a day in the middle of steady usage.",
    ),
    (
        "usage_has_no_silent_hour",
        "hourly_completeness",
        True,
        "No event type falls silent for an hour in the middle of dense usage.",
    ),
    ("usage_volume_is_usual", "volume", False, "Volume is half to twice the months before."),
    ("usage_counts_are_in_range", "ranges", False, "Every day has one positive count."),
    (
        "meter_quantities_are_plausible",
        "quantities",
        False,
        "No meter grows tenfold in a day, and no subscription's day is below zero.",
    ),
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
    """Run the Great Expectations suites of each billing month and build its Data Docs."""
    periods = context.partition_keys
    frames, results = {}, {}
    for period in periods:
        with warehouse.get_connection() as connection:
            frames[period] = read_usage_frames(connection, period)
        site = settings.data_docs_dir / period
        results[period] = run_suites(frames[period], period, site)
    write_index(settings.data_docs_dir)
    for name, suite, is_blocking, _ in _CHECKS:
        failures = [
            failure if len(periods) == 1 else f"{period}: {failure}"
            for period in periods
            for failure in results[period][suite].failures
        ]
        yield dg.AssetCheckResult(
            asset_key="fct_usage_daily",
            check_name=name,
            passed=not failures,
            severity=(
                dg.AssetCheckSeverity.ERROR if is_blocking else dg.AssetCheckSeverity.WARN
            ),
            description="; ".join(failures) or None,
            metadata={
                "expectations": sum(results[p][suite].expectation_count for p in periods),
                "failures": failures,
                "acknowledged": [text for p in periods for text in frames[p].acknowledged],
                "data_docs": dg.MetadataValue.path(
                    settings.data_docs_dir / periods[-1] / "index.html"
                ),
            },
        )


@dg.asset_check(
    asset=["raw", "load_files"],
    blocking=True,
    description="Every landed file could be opened; those that could not are retried.",
)
def every_landed_file_was_loaded(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Name the files that could not be opened: usage or a correction may be in them.

    A load ends as failed, once it has loaded the others. A bill goes on, and ends as failed
    by the check of ``published_marts``.
    """
    result = _guard(context, warehouse, UNREAD_FILES, stopped=(ISSUE_JOB, INGEST_JOB))
    if not result.passed:
        # The load itself went well. The file is tried again when it or another one changes.
        context.instance.add_run_tags(context.run.run_id, {MAX_RETRIES_TAG: "0"})
    return result


@dg.asset_check(
    asset="fct_account_exceptions",
    blocking=True,
    partitions_def=billing_months,
    description="Every row of the newest accounts files can be used, and no name is misspelt.",
)
def account_rows_are_usable(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Name file, row and field; blocks where what was invoiced would be given back."""
    return _guard(
        context,
        warehouse,
        "select source_file || ', row ' || row_in_file || ', column ' || field || ': '"
        " || field || ' ' || finding, is_blocking"
        " from marts.fct_account_exceptions where severity <> 'note'"
        " order by is_blocking desc, source_file, row_in_file, field",
    )


@dg.asset_check(
    asset="fct_charge_exceptions",
    blocking=True,
    partitions_def=billing_months,
    description="Every charge, and what is agreed about it, has an amount that fits its type.",
)
def charges_are_in_range(
    context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
) -> dg.AssetCheckResult:
    """Name customer and charge; the charge is on no invoice until it is put right."""
    return _guard(
        context,
        warehouse,
        "select 'customer ' || customer_id || ', subscription ' || subscription_id"
        " || ', charge ' || charge_code || ', ' || billing_period"
        " || ': the amount of ' || coalesce('quantity ' || quantity,"
        " 'the ' || replace(line_type, '_', '-')) || ' is 10^14 or more', true"
        " from marts.fct_charge_exceptions"
        " order by customer_id, subscription_id, charge_code, period_from, line_type",
    )


def _finding_checks(mart: str) -> dg.AssetChecksDefinition:
    """One check for each kind of finding in a mart; checks.csv says which stop an issue."""
    kinds = {code: kind for code, kind in FINDINGS.items() if kind.mart == mart}

    @dg.multi_asset_check(
        name=mart.replace("fct_", "no_"),
        specs=[
            dg.AssetCheckSpec(
                name=kind.check,
                asset=mart,
                blocking=True,
                description=kind.description,
                partitions_def=billing_months,
            )
            for kind in kinds.values()
        ],
    )
    def no_findings(
        context: dg.AssetCheckExecutionContext, warehouse: WarehouseResource
    ) -> Iterator[dg.AssetCheckResult]:
        with warehouse.get_connection() as connection:
            every = [
                findings
                for period in context.partition_keys
                for findings in read_findings(connection, period, 1000)
            ]
        for code, kind in kinds.items():
            found = [findings for findings in every if findings.code == code]
            texts = [str(finding) for findings in found for finding in findings.shown]
            count = sum(findings.count for findings in found)
            is_blocking = any(findings.is_blocking for findings in found)
            stops = is_blocking and context.run.job_name == ISSUE_JOB
            more = [f"and {count - 5:,} more"] if count > 5 else []
            yield dg.AssetCheckResult(
                asset_key=mart,
                check_name=kind.check,
                passed=not found,
                severity=dg.AssetCheckSeverity.ERROR if stops else dg.AssetCheckSeverity.WARN,
                description="; ".join([*texts[:5], *more]) or None,
                metadata={"findings": texts, "finding_count": count},
            )

    return no_findings


usage_findings_are_none = _finding_checks("fct_usage_findings")
invoice_findings_are_none = _finding_checks("fct_invoice_findings")


def _guard(
    context: dg.AssetCheckExecutionContext,
    warehouse: WarehouseResource,
    query: str,
    stopped: Collection[str] = (ISSUE_JOB,),
) -> dg.AssetCheckResult:
    """A check that stops an issue, and warns elsewhere.

    What it finds is left out of invoices. What landed can be loaded and drafts can be made and
    read; nothing is issued until somebody has looked.

    Args:
        context: Of the check; names the job.
        warehouse: Where the query is run.
        query: What is wrong, a text for each, and whether that stops an issue.
        stopped: The jobs that it stops.
    """
    with warehouse.get_connection() as connection:
        rows = connection.execute(query).fetchall()
    stops = context.run.job_name in stopped and any(is_blocking for _, is_blocking in rows)
    return verdict([text for text, _ in rows], stops=stops)
