"""The soundness check of a price book, run before anything is rated.

Reads the CSV files of a price book as text and names every defect with its file, line and
column. Only what the files alone can tell belongs here: accounts and usage are not known,
and nothing is priced. A module per family of tables; a table that is added has its columns in
records.py and its check in CHECKS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dagster_project.lib.price_book.acknowledgements import check_acknowledgements
from dagster_project.lib.price_book.agreements import check_commitments, check_discounts
from dagster_project.lib.price_book.bands import (
    check_dimension_bands,
    check_holidays,
    check_time_bands,
)
from dagster_project.lib.price_book.checks import check_checks
from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.filters import check_dimension_filters
from dagster_project.lib.price_book.meters import check_meters
from dagster_project.lib.price_book.prices import check_plans, check_prices, check_tiers
from dagster_project.lib.price_book.records import (
    COLUMNS,
    OPTIONAL_FILES,
    Tables,
    read_tables,
)
from dagster_project.lib.price_book.reference import (
    check_currencies,
    check_exchange_rates,
    check_seller,
    check_tax_rates,
)
from dagster_project.lib.price_book.sources import check_sources

__all__ = [
    "COLUMNS",
    "OPTIONAL_FILES",
    "Defect",
    "Findings",
    "UnsoundPriceBookError",
    "check_price_book",
    "examine_price_book",
    "refuse_unsound",
]

CHECKS: tuple[Callable[[Tables], Iterator[Defect]], ...] = (
    check_meters,
    check_plans,
    check_prices,
    check_dimension_filters,
    check_tiers,
    check_dimension_bands,
    check_time_bands,
    check_holidays,
    check_currencies,
    check_tax_rates,
    check_seller,
    check_acknowledgements,
    check_checks,
    check_discounts,
    check_commitments,
    check_exchange_rates,
    check_sources,
)


class UnsoundPriceBookError(ValueError):
    """A price book that nothing is rated with; the message names its first defect."""

    def __init__(self, defects: list[Defect]) -> None:
        more = f" (and {len(defects) - 1} more)" if len(defects) > 1 else ""
        super().__init__(f"The price book is not sound: {defects[0]}{more}")
        self.defects = defects


@dataclass(frozen=True)
class Findings:
    """What is wrong with a price book, and what is odd; each by file, row and column."""

    defects: list[Defect]
    warnings: list[Defect]


def examine_price_book(folder: Path) -> Findings:
    """Name everything that makes a price book unsafe to rate with, and what looks unmeant.

    Args:
        folder: Holds the CSV files of docs/input_format.md.
    Returns: Defects, none when the book is sound, and warnings, which refuse nothing. Rules
        that compare files are checked only once every file and column is there.
    """
    reading = read_tables(folder)
    found = [*reading.broken, *reading.unread]
    if not reading.broken:
        for check in CHECKS:
            found += check(reading.tables)
    order = {file: number for number, file in enumerate(COLUMNS)}
    found = sorted(
        dict.fromkeys(found),
        key=lambda d: (order.get(d.file, len(order)), d.file, d.row, d.column, d.message),
    )
    return Findings(
        [defect for defect in found if not defect.is_warning],
        [defect for defect in found if defect.is_warning],
    )


def check_price_book(folder: Path) -> list[Defect]:
    """The defects alone: empty when the book is sound."""
    return examine_price_book(folder).defects


def refuse_unsound(folder: Path) -> list[Defect]:
    """See to it that a price book can be rated with.

    Returns: What looks unmeant in it, and refuses nothing.
    Raises: UnsoundPriceBookError if it has a defect.
    """
    findings = examine_price_book(folder)
    if findings.defects:
        raise UnsoundPriceBookError(findings.defects)
    return findings.warnings
