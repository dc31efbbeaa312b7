"""Runs Dagster jobs in this process for the command: progress out, one sentence on failure.

What belongs here: starting a job and reading how it ended. Not here: what a job does, and how
a result is shown.
"""

import logging
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dagster_project.lib import living_runs
from dagster_project.lib.dagster_home import prepare_dagster_home
from dagster_project.lib.failure_webhook import RunFailure, send_failure
from dagster_project.lib.first_period import note_period
from dagster_project.lib.price_book import refuse_unsound
from dagster_project.lib.settings import Settings
from dagster_project.lib.spark_session import prepare_spark
from dagster_project.lib.warehouse import writer_lock

if TYPE_CHECKING:
    import dagster as dg

# What Dagster and dagster-dbt say about themselves
_CHATTER = (
    "Running dbt command",
    "Finished dbt command",
    "Logging an",
    "Dependencies for step",
    "A dbt subsetted",
)
_PERIOD_TAG = "dagster/partition"
# Of a run that died, where a command that found it has told of it
TOLD_TAG = "meterhouse/told"
# What these checks find ends a run as failed after it has done all that it could.
_UNREAD_CHECKS = {
    "ingest": "every_landed_file_was_loaded",
    "bill": "drafts_hold_every_landed_file",
}
# So many old runs are deleted after a run, that nobody has to wait for it.
_DELETED_AT_MOST = 20


class RunFailedError(Exception):
    """A job that did not succeed; the message is one sentence for its user."""


class UnreadFilesError(RunFailedError):
    """A job that did all it could, without the files that could not be opened.

    ``warnings`` are the checks that failed besides.
    """

    def __init__(self, message: str, warnings: list["FailedCheck"]) -> None:
        super().__init__(message)
        self.warnings = warnings


@dataclass(frozen=True)
class FailedCheck:
    """A check that failed in a run: where, what, and whether it stops the invoices."""

    asset: str
    name: str
    is_blocking: bool
    description: str

    def __str__(self) -> str:
        """The check as a clause of a sentence."""
        gap = f": {self.description}" if self.description else ""
        return f"{self.name} on {self.asset}{gap}"


def prepare(settings: Settings) -> None:
    """Point this process, and the dbt it starts, at the installation; imports come after."""
    prepare_spark(settings)
    os.environ.update(settings.as_environment())
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(settings))


def open_instance() -> "dg.DagsterInstance":
    """Dagster's own records of this installation, in which no dead run counts as running.

    Two processes that make their tables at the same time would leave them unusable.
    """
    import dagster as dg

    with writer_lock(Path(os.environ["DAGSTER_HOME"]) / ".start.lock"):
        instance = dg.DagsterInstance.get()
        webhook = Settings.from_environment().failure_webhook
        told = {TOLD_TAG: "true"} if webhook else {}
        dead = living_runs.end_dead_runs(instance, told)
    for run in dead if webhook else []:
        _say(tell_of_failure(instance, run, webhook))
    return instance


def refuse_early(settings: Settings, name: str, period: str) -> None:
    """Refuse what would be refused by its run, before Dagster starts or anything is loaded.

    Args:
        settings: Of the installation.
        name: ``bill`` or ``issue``.
        period: Billing period, ``YYYY-MM``.
    Raises: RunFailedError for a period that cannot be billed, UnsoundPriceBookError for a
        price book that cannot be rated with.
    """
    refuse_period(name, period, settings.first_period, f"{datetime.now(UTC):%Y-%m}")
    refuse_unsound(settings.pricing_dir)


def refuse_period(name: str, period: str, first: str, last: str) -> None:
    """Refuse a period that does not lie between two others, or to issue the last one.

    Raises: RunFailedError, in one sentence.
    """
    if period < first:
        raise RunFailedError(
            f"{period} lies before the first billing period {first};"
            " set METERHOUSE_FIRST_PERIOD to bill it."
        )
    if period > last:
        raise RunFailedError(f"{period} has not begun; the last billing period is {last}.")
    if name == "issue" and period == last:
        raise RunFailedError(f"{period} has not ended; it can be billed, and issued later.")


def run_job(name: str, period: str | None, report: Callable[[str], None]) -> list[FailedCheck]:
    """Run one job to its end.

    Args:
        name: ``ingest``, ``bill`` or ``issue``.
        period: Billing period of a partitioned job, ``YYYY-MM``.
        report: Told what is going on, one short line at a time.
    Returns: The checks that failed, which only warn.
    Raises: RunFailedError if a step or a blocking check failed.
    """
    settings = Settings.from_environment()
    if period is not None:
        refuse_period(name, period, settings.first_period, f"{datetime.now(UTC):%Y-%m}")
        # A month that a person asks for is in the list of months from then on.
        note_period(settings, period)
    from dagster_project.definitions import defs
    from dagster_project.lib.run_history import delete_old_runs

    job = defs().resolve_job_def(name)
    logger = logging.getLogger("meterhouse.progress")
    handler = _Progress(report)
    logger.addHandler(handler)
    try:
        with open_instance() as instance:
            # Before it is among Dagster's records, where whoever looks would take it for dead.
            run_id = str(uuid.uuid4())
            living_runs.keep_alive(Path(instance.root_directory), run_id)
            result = job.execute_in_process(
                instance=instance,
                run_id=run_id,
                partition_key=period,
                raise_on_error=False,
                run_config={"loggers": {"progress": {}}},
            )
            checks = _failed(result.get_asset_check_evaluations())
            if not result.success and settings.failure_webhook:
                _say(tell_of_failure(instance, result.dagster_run, settings.failure_webhook))
            delete_old_runs(instance, settings.run_history_days, _DELETED_AT_MOST)
            if not result.success:
                blocking = [check for check in checks if check.is_blocking]
                if [check.name for check in blocking] == [_UNREAD_CHECKS.get(name)]:
                    raise UnreadFilesError(
                        f"Could not be opened, will be tried again: {blocking[0].description}",
                        [check for check in checks if not check.is_blocking],
                    )
                raise RunFailedError(_sentence(result.all_events, blocking))
            return checks
    finally:
        logger.removeHandler(handler)


def failed_checks(instance: "dg.DagsterInstance", run_id: str) -> list[FailedCheck]:
    """The checks that failed in a run, in the order in which they ran."""
    import dagster as dg

    records = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ).records
    events = [record.event_log_entry.dagster_event for record in records]
    return _failed(
        [event.asset_check_evaluation_data for event in events if event is not None]
    )


def _failed(evaluations: Iterable["dg.AssetCheckEvaluation"]) -> list[FailedCheck]:
    import dagster as dg

    return [
        FailedCheck(
            asset=evaluation.asset_key.to_user_string(),
            name=evaluation.check_name,
            is_blocking=evaluation.severity == dg.AssetCheckSeverity.ERROR,
            description=_one_line(evaluation.description or ""),
        )
        for evaluation in evaluations
        if not evaluation.passed
    ]


def last_failed_checks(instance: "dg.DagsterInstance", period: str) -> list[FailedCheck]:
    """The checks that failed in the last run of a period, those that only warn included."""
    import dagster as dg

    runs = instance.get_runs(filters=dg.RunsFilter(tags={_PERIOD_TAG: period}), limit=1)
    return [check for run in runs for check in failed_checks(instance, run.run_id)]


def tell_of_failure(
    instance: "dg.DagsterInstance", run: "dg.DagsterRun", webhook: str
) -> str | None:
    """Post a failed run to the webhook.

    Returns: None, or a sentence that says why that could not be done.
    """
    import dagster as dg

    checks = failed_checks(instance, run.run_id)
    events = [
        record.event_log_entry.dagster_event
        for kind in (dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE)
        for record in instance.get_records_for_run(run.run_id, of_type=kind).records
    ]
    return send_failure(
        webhook,
        RunFailure(
            run_id=run.run_id,
            job=run.job_name,
            period=_periods(run.tags),
            error=_sentence(
                [event for event in events if event is not None],
                [check for check in checks if check.is_blocking],
            ),
            failed_checks=[str(check) for check in checks],
        ),
    )


def _periods(tags: Mapping[str, str]) -> str | None:
    """The billing month of a run, or the first and the last of its months."""
    first, last = (
        tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end")
    )
    return tags.get(_PERIOD_TAG) or (f"{first}...{last}" if first and last else None)


def _say(reason: str | None) -> None:
    if reason is not None:
        click.echo(f"Warning: {reason}", err=True)


def _sentence(events: Sequence["dg.DagsterEvent"], checks: list[FailedCheck]) -> str:
    if any(living_runs.GONE in (event.message or "") for event in events):
        return living_runs.GONE
    if checks:
        more = f" (and {len(checks) - 1} more)" if len(checks) > 1 else ""
        return f"A check stands between this data and the customer: {checks[0]}{more}"
    for event in events:
        if not event.is_step_failure:
            continue
        data = event.step_failure_data
        if data.user_failure_data is not None and data.user_failure_data.description:
            return _one_line(data.user_failure_data.description)
        error = data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            if "DagsterExecutionInterruptedError" in error.message:
                return "The run was interrupted; run it again."
            return f"{event.step_key} failed: {_one_line(error.message)}"
    return "The run did not succeed; run it again with --verbose to see why."


def _one_line(text: str) -> str:
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()]
    line = " ".join(line for line in lines if line)
    return line if len(line) <= 400 else line[:397] + "..."


class _Progress(logging.Handler):
    """Turns what Dagster logs into short lines."""

    def __init__(self, report: Callable[[str], None]) -> None:
        super().__init__()
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Report steps as they start, and whatever an asset says about its work."""
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            text = str(meta.get("orig_message", record.getMessage()))
            if record.levelno >= logging.INFO and not text.startswith(_CHATTER):
                self._report(text.splitlines()[0] if text else "")
        elif event.event_type_value == "STEP_START":
            self._report(f"{event.step_key.replace('_', ' ')} ...")
