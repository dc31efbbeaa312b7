"""Rules for what is agreed beside the prices: discounts and commitments."""

from __future__ import annotations

from collections.abc import Iterator

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import (
    MONEY_DIGITS,
    QUANTITY_DIGITS,
    decimal,
    empty,
    number,
    one_of,
    refers,
    required,
    unique,
    whole,
)
from dagster_project.lib.price_book.records import Row, Tables, codes
from dagster_project.lib.price_book.versions import check_validity

# By kind of discount: the one column that says how much.
DISCOUNT_COLUMNS = {
    "percentage": "discount_percent",
    "fixed": "discount_amount",
    "free_units": "free_quantity",
}
FACTOR_DIGITS, FACTOR_PLACES = 6, 6


def check_discounts(tables: Tables) -> Iterator[Defect]:
    """Check discounts.csv, which a price book may leave out."""
    rows = tables.get("discounts.csv", [])
    yield from unique(rows, "discount_code")
    for row in rows:
        yield from required(row, "discount_name")
        yield from one_of(row, "discount_kind", DISCOUNT_COLUMNS)
        yield from _check_discount_size(row)
        yield from _check_scope(row, tables)
        yield from check_validity(row)
        if row["period_count"] and not whole(row, "period_count", 5):
            message = f"{row['period_count']!r} is not a whole number of periods"
            yield row.defect("period_count", message)


def _check_discount_size(row: Row) -> Iterator[Defect]:
    """Check that a discount says how much in the column of its kind, and in no other."""
    kind = row["discount_kind"]
    yield from decimal(row, "discount_percent", FACTOR_DIGITS, above="0", places=FACTOR_PLACES)
    yield from decimal(row, "discount_amount", MONEY_DIGITS, above="0", places=4)
    yield from decimal(row, "free_quantity", QUANTITY_DIGITS, above="0")
    percent = number(row, "discount_percent")
    if percent is not None and percent > 100:
        yield row.defect("discount_percent", f"{percent} takes off more than everything")
    if kind not in DISCOUNT_COLUMNS:
        return
    for other, column in DISCOUNT_COLUMNS.items():
        if other == kind:
            yield from required(row, column)
        else:
            yield from empty(row, f"for a {kind} discount", column)
    if kind == "fixed":
        yield from required(row, "currency_code")
    if kind == "free_units":
        yield from required(row, "charge_code")


def check_commitments(tables: Tables) -> Iterator[Defect]:
    """Check commitments.csv, which a price book may leave out."""
    rows = tables.get("commitments.csv", [])
    charges = frozenset(price["charge_code"] for price in tables["prices.csv"])
    yield from unique(rows, "commitment_code")
    for row in rows:
        yield from required(row, "commitment_name", "commitment_amount", "currency_code")
        yield from one_of(row, "commitment_interval", ("period", "term"))
        yield from decimal(row, "commitment_amount", MONEY_DIGITS, above="0")
        yield from decimal(
            row, "overage_factor", FACTOR_DIGITS, at_least="0", places=FACTOR_PLACES
        )
        yield from refers(row, "tax_category", codes(tables, "tax_rates"), "tax_rates.csv")
        yield from _check_scope(row, tables)
        yield from check_validity(row)
        if row["commitment_code"] in charges:
            message = f"{row['commitment_code']!r} is the code of a charge in prices.csv too"
            yield row.defect("commitment_code", message)
        if not row["subscription_id"] and not row["plan_code"]:
            yield row.defect("subscription_id", "neither a subscription nor a plan commits")
        if row["commitment_interval"] == "term":
            yield from required(row, "valid_from", "valid_to")


def _check_scope(row: Row, tables: Tables) -> Iterator[Defect]:
    """Check that the currency, plan and charge of an agreement exist together."""
    yield from refers(row, "currency_code", codes(tables, "currencies"), "currencies.csv")
    yield from refers(row, "plan_code", codes(tables, "plans"), "plans.csv")
    charges = {
        price["charge_code"]
        for price in tables["prices.csv"]
        if row["plan_code"] in ("", price["plan_code"])
    }
    # A discount may be on what commitments add as well, which are charges of their own.
    if row.file == "discounts.csv":
        charges |= {other["commitment_code"] for other in tables.get("commitments.csv", [])}
    where = f"plan {row['plan_code']}" if row["plan_code"] else "prices.csv"
    yield from refers(row, "charge_code", frozenset(charges), where)
