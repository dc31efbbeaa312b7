"""The only definition of a billing month."""

import dagster as dg

from dagster_project.lib.settings import Settings

# The running month is a partition as well: its drafts are what a customer owes so far.
billing_months = dg.MonthlyPartitionsDefinition(
    start_date=Settings.from_environment().first_period, fmt="%Y-%m", end_offset=1
)
