"""The only definition of a billing month, of its end, and of how many are billed at once."""

import dagster as dg

from dagster_project.lib.first_period import first_period
from dagster_project.lib.settings import Settings

# The running month is a partition as well: its drafts are what a customer owes so far.
billing_months = dg.MonthlyPartitionsDefinition(
    start_date=first_period(Settings.from_environment()), fmt="%Y-%m", end_offset=1
)
# A build makes the drafts of every month up to its own: a run for each would repeat it.
one_run = dg.BackfillPolicy.single_run()


def has_ended(period: str) -> bool:
    """Whether a billing month, ``YYYY-MM``, is over, so that it may be issued."""
    return period < str(billing_months.get_last_partition_key())
