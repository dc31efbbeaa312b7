"""The soundness check of a price book, run before anything is rated.

Reads the CSV files of a price book as text and names every defect with its file, line and
column. Only what the files alone can tell belongs here: accounts and usage are not known,
and nothing is priced. A module per family of tables; a table that is added has its columns in
records.py and its check in CHECKS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from dagster_project.lib.price_book.acknowledgements import check_acknowledgements
from dagster_project.lib.price_book.agreements import check_commitments, check_discounts
from dagster_project.lib.price_book.bands import (
    check_dimension_bands,
    check_holidays,
    check_time_bands,
)
from dagster_project.lib.price_book.filters import check_dimension_filters
from dagster_project.lib.price_book.meters import check_meters
from dagster_project.lib.price_book.prices import check_plans, check_prices, check_tiers
from dagster_project.lib.price_book.records import (
    COLUMNS,
    OPTIONAL_FILES,
    Defect,
    Tables,
    read_tables,
)
from dagster_project.lib.price_book.reference import (
    check_currencies,
    check_exchange_rates,
    check_seller,
    check_tax_rates,
)

__all__ = ["COLUMNS", "OPTIONAL_FILES", "Defect", "check_price_book"]

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
    check_discounts,
    check_commitments,
    check_exchange_rates,
)


def check_price_book(folder: Path) -> list[Defect]:
    """Name everything that makes a price book unsafe to rate with.

    Args:
        folder: Holds the CSV files of the contract; other files are not looked at.
    Returns: Defects ordered by file, row and column; empty when the book is sound. Rules
        that compare files are checked only once every file and column is there.
    """
    tables, defects = read_tables(folder)
    if not defects:
        for check in CHECKS:
            defects += check(tables)
    order = list(COLUMNS)
    unique = dict.fromkeys(defects)
    return sorted(unique, key=lambda d: (order.index(d.file), d.row, d.column, d.message))
