"""Rules for plans, prices and their tiers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise

from dagster_project.lib.price_book.defects import Defect
from dagster_project.lib.price_book.fields import (
    MONEY_DIGITS,
    QUANTITY_DIGITS,
    decimal,
    empty,
    not_below_zero,
    number,
    one_of,
    refers,
    required,
    truth,
    unique,
    whole,
)
from dagster_project.lib.price_book.meters import ADDED_UP
from dagster_project.lib.price_book.phases import check_phases
from dagster_project.lib.price_book.records import Row, Tables, codes
from dagster_project.lib.price_book.versions import check_versions

PRICING_MODELS = (
    *("flat", "per_unit", "tiered", "volume", "package"),
    *("percentage", "dynamic"),
)
EVENT_COLUMNS = (
    *("event_fee", "free_event_count"),
    *("event_minimum_amount", "event_maximum_amount"),
)
# A hundredth of a percentage is held exactly in a price of twelve places.
PERCENT_PLACES = 10
TIERED_MODELS = ("tiered", "volume")
# A package has its size, a percentage and a metered amount are of money, a fee is of nothing.
MODELS_BY_QUANTITY = ("per_unit", *TIERED_MODELS)
INTERVALS = ("month", "quarter", "year")
VERSION_KEY = (
    *("plan_code", "charge_code", "subscription_id", "dimension_filter", "currency_code"),
    *("phase_from_month", "phase_to_month"),
)


def check_plans(tables: Tables) -> Iterator[Defect]:
    """Check plans.csv."""
    rows, currencies = tables["plans.csv"], codes(tables, "currencies")
    yield from unique(rows, "plan_code")
    for row in rows:
        yield from required(row, "plan_name", "currency_code")
        yield from refers(row, "currency_code", currencies, "currencies.csv")
        yield from one_of(row, "billing_interval", INTERVALS)
        yield from truth(row, "tax_included")


def check_prices(tables: Tables) -> Iterator[Defect]:
    """Check prices.csv: each row, and the versions of each charge."""
    rows = tables["prices.csv"]
    plans, meters = codes(tables, "plans"), codes(tables, "meters")
    categories, currencies = codes(tables, "tax_rates"), codes(tables, "currencies")
    tiered = codes(tables, "price_tiers")
    aggregations = {row["meter_code"]: row["aggregation"] for row in tables["meters.csv"]}
    yield from unique(rows, "price_id")
    for row in rows:
        yield from required(row, "plan_code", "charge_code", "charge_name")
        yield from refers(row, "plan_code", plans, "plans.csv")
        yield from refers(row, "meter_code", meters, "meters.csv")
        yield from refers(row, "tax_category", categories, "tax_rates.csv")
        yield from one_of(row, "billed", ("arrears", "advance"))
        if row["billed"] == "advance" and row["meter_code"]:
            yield row.defect("billed", "usage cannot be billed before it happens")
        if row["billing_interval"]:
            yield from one_of(row, "billing_interval", INTERVALS)
        yield from truth(row, "prorated")
        yield from _check_proration(row, aggregations.get(row["meter_code"], ""))
        yield from refers(row, "currency_code", currencies, "currencies.csv")
        yield from _check_bounds(row)
        yield from _check_price_model(row, row["price_id"] in tiered)
        yield from _check_event_columns(row, aggregations.get(row["meter_code"], ""))
    yield from check_versions(rows, VERSION_KEY)
    yield from check_phases(rows)
    yield from _check_currencies_of_plans(rows, tables["plans.csv"])


def _check_proration(row: Row, aggregation: str) -> Iterator[Defect]:
    """Refuse days that are not counted: a sum has its share of the period by itself."""
    if row["prorated"].lower() == "true" and aggregation in ADDED_UP:
        message = (
            f"prorated has no effect on a {aggregation}, which is that of its days already"
            f" (meter {row['meter_code']!r})"
        )
        yield row.defect("prorated", message)


def _check_currencies_of_plans(rows: list[Row], plans: list[Row]) -> Iterator[Defect]:
    """Check that a plan has all its charges in each of its currencies."""
    usual = {plan["plan_code"]: plan["currency_code"] for plan in plans}
    charges: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        currency = row["currency_code"] or usual.get(row["plan_code"], "")
        charges[row["plan_code"], currency].add(row["charge_code"])
    for row in rows:
        for (plan, currency), priced in charges.items():
            if plan == row["plan_code"] and row["charge_code"] not in priced:
                message = (
                    f"{row['charge_code']!r} has no price in {currency}, other charges do"
                )
                yield row.defect("currency_code", message)


def _check_bounds(row: Row) -> Iterator[Defect]:
    """Check the least and the most that a charge comes to."""
    yield from decimal(row, "minimum_amount", MONEY_DIGITS, at_least="0")
    yield from decimal(row, "maximum_amount", MONEY_DIGITS, at_least="0")
    least, most = number(row, "minimum_amount"), number(row, "maximum_amount")
    if least is not None and most is not None and most < least:
        message = f"{row['maximum_amount']} is below minimum_amount {row['minimum_amount']}"
        yield row.defect("maximum_amount", message)


def _check_price_model(row: Row, has_tiers: bool) -> Iterator[Defect]:
    """Check that a price carries what its pricing model needs and nothing it ignores."""
    model = row["pricing_model"]
    yield from one_of(row, "pricing_model", PRICING_MODELS)
    yield from decimal(row, "unit_price", MONEY_DIGITS)
    yield from not_below_zero(row, "unit_price", "event_fee")
    yield from decimal(row, "price_quantity", QUANTITY_DIGITS, above="0")
    yield from decimal(row, "package_size", QUANTITY_DIGITS, above="0")
    yield from decimal(row, "included_quantity", QUANTITY_DIGITS, at_least="0")
    if model not in PRICING_MODELS:
        return
    if model == "flat":
        yield from empty(
            row, "for a flat price", "meter_code", "included_quantity", "dimension_filter"
        )
    elif not row["meter_code"]:
        yield row.defect("meter_code", f"a {model} price needs a meter")
    if model in TIERED_MODELS or (model == "percentage" and has_tiers):
        yield from empty(row, f"for a {model} price, its tiers carry it", "unit_price")
    elif model != "dynamic":
        yield from required(row, "unit_price")
    if model not in MODELS_BY_QUANTITY:
        yield from empty(row, f"for a {model} price", "price_quantity")
    if model == "package":
        yield from required(row, "package_size")
    else:
        yield from empty(row, f"for a {model} price", "package_size")


def _check_event_columns(row: Row, aggregation: str) -> Iterator[Defect]:
    """Check what a percentage may ask of each event."""
    if row["pricing_model"] == "percentage":
        yield from _percent(row, "unit_price")
    yield from decimal(row, "event_fee", MONEY_DIGITS)
    for column in ("event_minimum_amount", "event_maximum_amount"):
        yield from decimal(row, column, MONEY_DIGITS, at_least="0")
    if row["free_event_count"] and whole(row, "free_event_count", 18) is None:
        message = f"{row['free_event_count']!r} is not a whole number of events"
        yield row.defect("free_event_count", message)
    asked = [column for column in EVENT_COLUMNS if row[column]]
    if asked and row["pricing_model"] != "percentage":
        yield from empty(row, f"for a {row['pricing_model']} price", *asked)
    elif asked:
        reason = "where events are priced one by one"
        yield from empty(row, reason, "included_quantity")
        yield from required(row, "unit_price")
        if aggregation not in ("", "sum"):
            message = f"the meter {row['meter_code']!r} does not add up its events"
            yield row.defect(asked[0], message)
    lowest, highest = number(row, "event_minimum_amount"), number(row, "event_maximum_amount")
    if lowest is not None and highest is not None and highest < lowest:
        message = f"{highest} is below the event_minimum_amount {lowest}"
        yield row.defect("event_maximum_amount", message)


def _percent(row: Row, column: str) -> Iterator[Defect]:
    yield from decimal(row, column, MONEY_DIGITS, places=PERCENT_PLACES)


def check_tiers(tables: Tables) -> Iterator[Defect]:
    """Check price_tiers.csv: each row, and the tiers of each price."""
    rows, prices = tables["price_tiers.csv"], tables["prices.csv"]
    models = {price["price_id"]: price["pricing_model"] for price in prices}
    by_quantity = {price["price_id"] for price in prices if price["price_quantity"]}
    price_ids = frozenset(models)
    tiers: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        yield from required(row, "price_id", "unit_price")
        yield from refers(row, "price_id", price_ids, "prices.csv")
        yield from decimal(row, "up_to", QUANTITY_DIGITS, above="0")
        yield from decimal(row, "unit_price", MONEY_DIGITS)
        yield from decimal(row, "flat_amount", MONEY_DIGITS)
        yield from not_below_zero(row, "unit_price", "flat_amount")
        yield from decimal(row, "package_size", QUANTITY_DIGITS, above="0")
        if row["price_id"] in by_quantity:
            yield from empty(row, "where the price has a price_quantity", "package_size")
        model = models.get(row["price_id"], "")
        if model == "percentage":
            yield from _percent(row, "unit_price")
            yield from empty(row, "for a percentage", "package_size")
        elif model in PRICING_MODELS and model not in TIERED_MODELS:
            yield row.defect("price_id", f"{row['price_id']!r} is {model} and takes no tiers")
        tiers[row["price_id"]].append(row)
    for price in prices:
        if price["pricing_model"] in TIERED_MODELS and price["price_id"] not in tiers:
            message = f"the {price['pricing_model']} price has no tiers in price_tiers.csv"
            yield price.defect("pricing_model", message)
    for group in tiers.values():
        yield from check_tier_order(group)


def check_tier_order(rows: list[Row]) -> Iterator[Defect]:
    """Tiers are written from the lowest up, and only the last is open."""
    for lower, upper in pairwise(rows):
        low, high = number(lower, "up_to"), number(upper, "up_to")
        if not lower["up_to"]:
            message = f"the tier comes after the open one on row {lower.line}"
            yield upper.defect("up_to", message)
        elif low is not None and high is not None and high == low:
            yield upper.defect("up_to", f"{upper['up_to']} is already on row {lower.line}")
        elif low is not None and high is not None and high < low:
            message = f"{upper['up_to']} is below the tier before it, {lower['up_to']}"
            yield upper.defect("up_to", message)
    if rows[-1]["up_to"]:
        message = "the last one is closed, and what is above it has no price"
        yield rows[-1].defect("up_to", message)
