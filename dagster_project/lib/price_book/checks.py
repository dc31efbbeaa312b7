"""Rules for which findings stop an issue."""

from __future__ import annotations

from collections.abc import Iterator

from dagster_project.lib.findings import FINDINGS
from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import one_of, truth, unique
from dagster_project.lib.price_book.records import Tables


def check_checks(tables: Tables) -> Iterator[Defect]:
    """Check checks.csv, which a price book may leave out."""
    rows = tables.get("checks.csv", [])
    for row in rows:
        if row["check_code"]:
            yield from one_of(row, "check_code", FINDINGS)
        yield from truth(row, "blocks")
    yield from unique(rows, "check_code")
