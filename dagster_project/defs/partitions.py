"""The only definition of a billing month, and of its end."""

import dagster as dg

from dagster_project.lib.settings import Settings

# The running month is a partition as well: its drafts are what a customer owes so far.
billing_months = dg.MonthlyPartitionsDefinition(
    start_date=Settings.from_environment().first_period, fmt="%Y-%m", end_offset=1
)


def has_ended(period: str) -> bool:
    """Whether a billing month, ``YYYY-MM``, is over, so that it may be issued."""
    return period < str(billing_months.get_last_partition_key())
