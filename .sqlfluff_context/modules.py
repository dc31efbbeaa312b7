"""What sqlfluff sees of dbt's ``modules`` when it renders a model."""

from types import SimpleNamespace

pytz = SimpleNamespace(all_timezones=("UTC",))
