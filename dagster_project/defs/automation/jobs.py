"""Jobs, and what starts them without a person: new files, the end of a month."""

from datetime import timedelta

import dagster as dg

from dagster_project.defs.partitions import billing_months
from dagster_project.defs.resources import ISSUE_JOB, settings
from dagster_project.lib.ingest import new_files
from dagster_project.lib.landing_cursor import decide_load

_landed = dg.AssetSelection.groups("ingest")

ingest = dg.define_asset_job(
    "ingest",
    selection=_landed,
    description="Load whatever is new in the landing directory.",
    # The sensor asks once for the same files. A full disk may have room a minute later.
    tags={"dagster/max_retries": "2", "dagster/retry_strategy": "ALL_STEPS"},
)
bill = dg.define_asset_job(
    "bill",
    selection=dg.AssetSelection.all() - dg.AssetSelection.assets("issued_invoices"),
    partitions_def=billing_months,
    description="Ingest, build every model, check, and draft the invoices of a month.",
)
issue = dg.define_asset_job(
    ISSUE_JOB,
    selection=dg.AssetSelection.all(),
    partitions_def=billing_months,
    description="Bill a month, then number, freeze and render its invoices.",
)


@dg.sensor(
    job=ingest,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Starts an ingest when files have landed.",
)
def landing_directory(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """Look at names only; the ledger decides which files a load takes."""
    listing = [
        path.relative_to(settings.landing_dir).as_posix()
        for path in new_files(set(), settings.landing_dir)
    ]
    decision = decide_load(context.cursor, listing)
    if decision.run_key is None:
        return dg.SensorResult(
            skip_reason=f"Nothing new among {decision.file_count} files.",
            cursor=decision.cursor,
        )
    return dg.SensorResult(
        run_requests=[dg.RunRequest(run_key=decision.run_key)], cursor=decision.cursor
    )


@dg.schedule(
    job=bill,
    cron_schedule="0 6 2 * *",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Drafts the invoices of a month when it has ended in every time zone.",
)
def drafts_after_month_end(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Bill the month before the tick; a tick that is repeated starts no second run."""
    first_of_month = context.scheduled_execution_time.replace(day=1)
    period = (first_of_month - timedelta(days=1)).strftime("%Y-%m")
    return dg.RunRequest(run_key=period, partition_key=period)
