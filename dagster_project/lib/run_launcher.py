"""The run launcher of ``dagster.yaml``: Dagster's own, which also sees that a run has died."""

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus

from dagster_project.lib.living_runs import GONE, has_died


class WatchedRunLauncher(DefaultRunLauncher):
    """Lets the daemon ask for every run whether its process lives, also for a command's."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes, unlike Dagster's own."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Failed when the process is gone; the daemon then marks the run as failed."""
        record = self._instance.get_run_record_by_id(run.run_id)
        if record is not None and has_died(self._instance, record):
            return CheckRunHealthResult(WorkerStatus.FAILED, GONE)
        return CheckRunHealthResult(WorkerStatus.RUNNING)
