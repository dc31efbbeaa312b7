"""What sqlfluff sees of dbt's ``flags``."""

FULL_REFRESH = False
