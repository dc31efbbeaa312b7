"""Which runs of Dagster still have a process, told by a lock that each process holds.

What belongs here: the lock, and marking what is without one as failed. A run that died would
otherwise count as running for ever, and everything that waits for its place would wait too.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dagster_project.lib.replaced import replaced
from dagster_project.lib.warehouse import is_locked

if TYPE_CHECKING:
    import dagster as dg

GONE = "The process of this run is gone: it was killed, or the machine stopped."
# A run that Dagster launches has no lock before its code is loaded; older versions had none.
_START_SECONDS = 180
_FOLDER = "living"
_held: dict[Path, TextIO] = {}


def keep_alive(home: Path, run_id: str) -> None:
    """Say that this process works on a run, from now until it ends, however it ends.

    The operating system lets go of the lock, so that neither a number that another process
    has been given nor another container's view of processes can be taken for the run.

    Args:
        home: Folder of the Dagster instance that has the run.
        run_id: The run.
    """
    mark = home / _FOLDER / run_id
    if mark in _held:
        return
    mark.parent.mkdir(parents=True, exist_ok=True)
    # Locked before it has its name: whoever sees it without a lock takes the run for dead.
    with replaced(mark) as new:
        handle = new.open("w")
        fcntl.flock(handle, fcntl.LOCK_EX)
        # For a person who looks for the process of a run.
        handle.write(f"{os.getpid()}\n")
        handle.flush()
    _held[mark] = handle


def has_died(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    """Whether the process of a run that has not finished is gone."""
    mark = Path(instance.root_directory) / _FOLDER / record.dagster_run.run_id
    if mark.exists():
        return not is_locked(mark)
    began = record.start_time or record.create_timestamp.timestamp()
    return time.time() - began > _START_SECONDS


def end_dead_runs(
    instance: dg.DagsterInstance, tags: Mapping[str, str]
) -> list[dg.DagsterRun]:
    """Mark the runs that died as failed, which frees their slot of the pool.

    Args:
        instance: Dagster's records.
        tags: Put on those runs before.
    Returns: Those runs.
    """
    import dagster as dg

    unfinished = dg.RunsFilter(
        statuses=[
            dg.DagsterRunStatus.NOT_STARTED,
            dg.DagsterRunStatus.STARTING,
            dg.DagsterRunStatus.STARTED,
            dg.DagsterRunStatus.CANCELING,
        ]
    )
    records = instance.get_run_records(filters=unfinished)
    dead = [record.dagster_run for record in records if has_died(instance, record)]
    for run in dead:
        if tags:
            instance.add_run_tags(run.run_id, tags)
        instance.report_run_failed(run, GONE)
    living = {record.dagster_run.run_id for record in records}
    for mark in (Path(instance.root_directory) / _FOLDER).glob("[!.]*"):
        if mark.name not in living and not is_locked(mark):
            mark.unlink(missing_ok=True)
    return dead
