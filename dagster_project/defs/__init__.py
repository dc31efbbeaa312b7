"""What Dagster sees: assets, checks, jobs, sensors and schedules."""
