"""Ingestion: files of the landing directory into the append-only schema `raw`.

Only what outside callers need is exported here; the work is in the modules:
`landing` (finding and opening files), `records` (what makes a record usable),
`times` (what a record's time is), `staging` (bulk reading of text formats), `parquet`,
`repeats` (what landed before), `raw_tables` and `load` (the transaction).
"""

from dagster_project.lib.ingest.landing import file_kind, new_files
from dagster_project.lib.ingest.load import IngestReport, ingest_landing
from dagster_project.lib.ingest.raw_tables import ACCOUNT_COLUMNS, create_raw_tables
from dagster_project.lib.ingest.times import TimeRule

__all__ = [
    "ACCOUNT_COLUMNS",
    "IngestReport",
    "TimeRule",
    "create_raw_tables",
    "file_kind",
    "ingest_landing",
    "new_files",
]
