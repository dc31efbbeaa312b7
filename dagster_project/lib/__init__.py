"""Pure functions: no Dagster imports, no settings read, no clock."""
