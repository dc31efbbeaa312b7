"""How long Dagster's records of runs are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

PERIOD_TAG = "dagster/partition"
_FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]


def delete_old_runs(instance: dg.DagsterInstance, days: int, at_most: int) -> int:
    """Delete finished runs that nothing has changed in for so many days, the oldest first.

    Their events and logs go with them. The last run of a billing month stays: it says which
    checks stand between the month and its issue.

    Args:
        instance: Dagster's records.
        days: Age from which on a run is deleted.
        at_most: So many runs are deleted in one go, that nobody has to wait.
    Returns: How many were deleted.
    """
    old = instance.get_runs(
        filters=dg.RunsFilter(
            statuses=_FINISHED, updated_before=datetime.now(UTC) - timedelta(days=days)
        ),
        ascending=True,
    )
    deleted = 0
    for run in old:
        period = run.tags.get(PERIOD_TAG)
        if period is not None:
            last = instance.get_runs(filters=dg.RunsFilter(tags={PERIOD_TAG: period}), limit=1)
            if [other.run_id for other in last] == [run.run_id]:
                continue
        if deleted == at_most:
            break
        instance.delete_run(run.run_id)
        instance.compute_log_manager.delete_logs(prefix=[run.run_id])
        _delete_event_file(instance, run.run_id)
        deleted += 1
    return deleted


def _delete_event_file(instance: dg.DagsterInstance, run_id: str) -> None:
    """Of a storage with a file for each run, Dagster empties the file and leaves it there."""
    path_for_shard = getattr(instance.event_log_storage, "path_for_shard", None)
    if path_for_shard is not None:
        Path(path_for_shard(run_id)).unlink(missing_ok=True)
