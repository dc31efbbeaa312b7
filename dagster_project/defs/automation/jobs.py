"""Jobs, and what is done without a person: on new files, month ends, failures, old runs."""

from datetime import timedelta

import dagster as dg

from dagster_project.defs.partitions import billing_months
from dagster_project.defs.resources import INGEST_JOB, ISSUE_JOB, settings
from dagster_project.lib.landing_cursor import decide_load, list_landing
from dagster_project.lib.living_runs import GONE
from dagster_project.lib.run_history import delete_old_runs
from dagster_project.runner import TOLD_TAG, tell_of_failure

_landed = dg.AssetSelection.groups("ingest")

ingest = dg.define_asset_job(
    INGEST_JOB,
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
    """Look at the files from outside only; the ledger decides which of them a load takes."""
    decision = decide_load(context.cursor, list_landing(settings.landing_dir))
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


@dg.sensor(
    minimum_interval_seconds=3600,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Deletes runs that are older than METERHOUSE_RUN_HISTORY_DAYS.",
)
def old_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Delete some and leave the rest to the next tick, which may not take long."""
    count = delete_old_runs(context.instance, settings.run_history_days, at_most=100)
    return dg.SkipReason(f"{count} runs older than {settings.run_history_days} days deleted.")


if settings.failure_webhook:

    @dg.run_failure_sensor(
        monitor_all_code_locations=True,
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Posts failed runs to METERHOUSE_FAILURE_WEBHOOK.",
    )
    def failed_runs(context: dg.RunFailureSensorContext) -> dg.SkipReason | None:
        """Tell of every run that will not be tried again.

        A command tells of its own runs, unless it was killed; whoever found that has said so.
        """
        run = context.dagster_run
        is_told = run.remote_job_origin is None and GONE not in (
            context.failure_event.message or ""
        )
        if is_told or run.tags.get(TOLD_TAG) or run.tags.get("dagster/will_retry") == "true":
            return None
        reason = tell_of_failure(context.instance, run, settings.failure_webhook)
        return dg.SkipReason(reason) if reason else None
