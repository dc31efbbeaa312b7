"""A plan of the price book in words and figures, as a person reads it.

What belongs here: turning rows into text. A figure is shown with all its digits, and with the
decimals of its currency at least. Nothing is priced.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from dagster_project.lib.documents.formatting import Language, choose_language
from dagster_project.lib.price_book.filters import conditions_of
from dagster_project.lib.price_book.meters import ADDED_UP
from dagster_project.lib.price_book.records import Row, Tables, read_tables
from dagster_project.lib.text_table import TextTable

_ENGLISH: dict[str, dict[str, str]] = {"en": {}}


class Plan:
    """One plan: its rows, and how its figures are written."""

    def __init__(self, tables: Tables, plan_code: str) -> None:
        """Find the plan.

        Raises: ValueError, in one sentence, if the price book has no such plan.
        """
        plans = {row["plan_code"]: row for row in tables["plans.csv"]}
        if plan_code not in plans:
            raise ValueError(
                f"There is no plan {plan_code!r}; the price book has {', '.join(plans)}."
            )
        self.tables = tables
        self.row = plans[plan_code]
        self.currency_code = self.row["currency_code"]
        self.minor_units = {
            row["currency_code"]: int(Decimal(row["minor_units"]))
            for row in tables["currencies.csv"]
        }
        self.language: Language = choose_language("en", _ENGLISH)
        self.prices = [row for row in tables["prices.csv"] if row["plan_code"] == plan_code]
        self.meters = {row["meter_code"]: row for row in tables["meters.csv"]}

    def money(self, amount: str | Decimal, currency_code: str = "") -> str:
        """Write an amount in a currency, by default the plan's."""
        code = currency_code or self.currency_code
        return self.language.money(Decimal(amount), code, self.minor_units[code])

    def number(self, value: str | Decimal) -> str:
        """Write a number with its thousands apart."""
        return self.language.number(Decimal(value))

    def per_quantity(self, price_id: str) -> str:
        """Write how many units a price is for, where that is said."""
        quantities = (p["price_quantity"] for p in self.prices if p["price_id"] == price_id)
        return "".join(f" per {self.number(quantity)}" for quantity in quantities if quantity)

    def tiers(self, price: Row) -> list[Row]:
        """The tiers of a price, from the lowest up."""
        rows = self.tables["price_tiers.csv"]
        return [row for row in rows if row["price_id"] == price["price_id"]]


def read_plan(folder: Path, plan_code: str) -> Plan:
    """Read the price book and find a plan in it.

    Args:
        folder: Holds the csv files of a sound price book.
        plan_code: The plan.
    Raises: ValueError if a file cannot be read, or has no such plan.
    """
    reading = read_tables(folder)
    if reading.broken:
        raise ValueError(f"The price book cannot be read: {reading.broken[0]}")
    return Plan(reading.tables, plan_code)


def show_plan(plan: Plan) -> list[TextTable]:
    """Show the charges of a plan and what is agreed about it, in tables that have rows."""
    row = plan.row
    tax = ", tax included" if row["tax_included"].lower() == "true" else ""
    charges = TextTable(
        f"{row['plan_name']} ({row['plan_code']}): {plan.currency_code}, billed by the "
        f"{row['billing_interval']}{tax}",
        ("Charge", "Price", "Terms"),
        [_charge(plan, price) for price in plan.prices],
    )
    tables = [charges, _bands(plan), _discounts(plan), _commitments(plan)]
    return [table for table in tables if table.rows]


def _charge(plan: Plan, price: Row) -> tuple[str, ...]:
    """Three cells, because a terminal is 80 columns wide."""
    name = (price["charge_name"], f"({price['charge_code']})", *_validity(price))
    sold = (*_sold(plan, price), *_price(plan, price))
    return "\n".join(name), "\n".join(sold), "\n".join(_terms(plan, price))


def _terms(plan: Plan, price: Row) -> Iterator[str]:
    if price["included_quantity"]:
        yield f"first {plan.number(price['included_quantity'])} free"
    for column, words in (("minimum_amount", "at least"), ("maximum_amount", "at most")):
        if price[column]:
            yield f"{words} {plan.money(price[column], price['currency_code'])}"
    interval = f" by the {price['billing_interval']}" if price["billing_interval"] else ""
    yield f"in {price['billed']}{interval}"
    if price["prorated"].lower() == "true":
        yield "by days"
    yield f"tax: {price['tax_category'] or 'none'}"


def _validity(row: Row) -> Iterator[str]:
    """Say when, and for whom, a row holds."""
    if row["subscription_id"]:
        yield f"only for {row['subscription_id']}"
    if row["valid_from"]:
        yield f"from {row['valid_from']}"
    if row["valid_to"]:
        yield f"until {row['valid_to']}"
    if "phase_from_month" in row.fields and (row["phase_from_month"] or row["phase_to_month"]):
        last = f" to {row['phase_to_month']}" if row["phase_to_month"] else " on"
        yield f"from month {row['phase_from_month'] or 0}{last} of the subscription"


def _sold(plan: Plan, price: Row) -> Iterator[str]:
    """Say what is counted, and which of it the price takes."""
    if not price["meter_code"]:
        return
    meter = plan.meters[price["meter_code"]]
    yield f"{meter['meter_name']}, in {meter['unit']}"
    if meter["aggregation"] not in ADDED_UP:
        yield f"({meter['aggregation']})"
    if meter["unit_quantity"]:
        metered = meter["value_property"] or "events"
        if meter["aggregation"] == "time_weighted":
            metered += " × hours"
        yield f"1 {meter['unit']} = {plan.number(meter['unit_quantity'])} {metered}"
    for rule in (meter["filter"], price["dimension_filter"]):
        for condition in conditions_of(rule):
            sign = {"=": "", "!=": "not "}.get(condition.operator, f"{condition.operator} ")
            yield f"{condition.name}: {sign}{' or '.join(condition.values)}"
    if meter["rounding_increment"]:
        least = f", at least {meter['minimum_quantity']}" if meter["minimum_quantity"] else ""
        yield f"each event rounded up to {meter['rounding_increment']}{least}"


def _price(plan: Plan, price: Row) -> Iterator[str]:
    model, unit_price = price["pricing_model"], price["unit_price"]
    meter = plan.meters.get(price["meter_code"])
    unit = meter["unit"] if meter else "period"
    per = f"{plan.per_quantity(price['price_id']) or ' per'} {unit}"

    def money(amount: str) -> str:
        return plan.money(amount, price["currency_code"])

    if tiers := plan.tiers(price):
        yield "all at the price of its tier:" if model == "volume" else "each in its tier:"
        yield from _tiers(plan, tiers, price, unit, per)
    elif model == "flat":
        interval = price["billing_interval"] or plan.row["billing_interval"]
        yield f"{money(unit_price)} a {interval}"
    elif model == "package":
        size = plan.number(price["package_size"])
        yield f"{money(unit_price)} for each {size} {unit} begun"
    elif model == "percentage":
        yield f"{plan.language.percent(Decimal(unit_price))} of the amount"
    elif model == "dynamic":
        yield "the amount" + (f" × {plan.number(unit_price)}" if unit_price else "")
    else:
        yield f"{money(unit_price)}{per}"
    if price["event_fee"]:
        yield f"and {money(price['event_fee'])} an event"
    if price["free_event_count"]:
        yield f"the first {price['free_event_count']} events free"
    for name, words in (("event_minimum_amount", "least"), ("event_maximum_amount", "most")):
        if price[name]:
            yield f"at {words} {money(price[name])} an event"


def _tiers(plan: Plan, tiers: list[Row], price: Row, unit: str, per: str) -> Iterator[str]:
    def money(amount: str) -> str:
        return plan.money(amount, price["currency_code"])

    for lower, tier in pairwise([None, *tiers]):
        assert tier is not None  # noqa: S101 - pairwise leaves none behind the first
        above = plan.number(lower["up_to"]) if lower else "0"
        if price["pricing_model"] == "percentage":
            text = plan.language.percent(Decimal(tier["unit_price"]))
        elif tier["package_size"]:
            size = plan.number(tier["package_size"])
            text = f"{money(tier['unit_price'])} for each {size} {unit} begun"
        else:
            text = f"{money(tier['unit_price'])}{per}"
        if Decimal(tier["flat_amount"] or 0):
            text += f", and {money(tier['flat_amount'])}"
        up_to = f" to {plan.number(tier['up_to'])}" if tier["up_to"] else ""
        yield f"  above {above}{up_to}: {text}"


def _bands(plan: Plan) -> TextTable:
    """What the bands mean that filters of the plan name."""
    used = {
        condition.name
        for price in plan.prices
        for condition in conditions_of(price["dimension_filter"])
    }
    # A property may be called like bands of other meters.
    named = {
        (condition.name, value)
        for price in plan.prices
        if price["meter_code"]
        for condition in conditions_of(plan.meters[price["meter_code"]]["filter"])
        for value in condition.values
    }
    table = TextTable("Bands", ("Dimension", "Band", "Means"))
    rows = plan.tables.get("dimension_bands.csv", []) + plan.tables.get("time_bands.csv", [])
    used |= {row["dimension"] for row in rows if (row["dimension"], row["band"]) in named}
    for row in rows:
        if row["dimension"] not in used:
            continue
        if row.file == "time_bands.csv":
            days = row["days"].replace("|", ", ")
            means = f"{days}: {row['from_time']} to {row['to_time']}"
        elif row["up_to"]:
            means = f"{row['property']} up to {plan.number(row['up_to'])}"
        else:
            means = f"{row['property']} above that"
        table.rows.append((row["dimension"], row["band"], means))
    return table


def _discounts(plan: Plan) -> TextTable:
    table = TextTable("Discounts", ("Discount", "Takes off", "For", "Holds"))
    for row in _agreed(plan, "discounts.csv"):
        kinds = {
            "percentage": lambda row: (
                f"{plan.language.percent(Decimal(row['discount_percent']))}"
            ),
            "fixed": lambda row: plan.money(row["discount_amount"], row["currency_code"]),
            "free_units": lambda row: f"{plan.number(row['free_quantity'])} units",
        }
        holds = [*_validity(row)]
        if row["period_count"]:
            holds.append(f"for {row['period_count']} periods")
        whom = " ".join(
            filter(None, (row["charge_code"] or "every charge", row["customer_id"]))
        )
        name = f"{row['discount_name']}\n({row['discount_code']})"
        table.rows.append((name, kinds[row["discount_kind"]](row), whom, "\n".join(holds)))
    return table


def _commitments(plan: Plan) -> TextTable:
    table = TextTable("Commitments", ("Commitment", "Amount", "Counts", "Holds"))
    for row in _agreed(plan, "commitments.csv"):
        amount = f"{plan.money(row['commitment_amount'], row['currency_code'])} a "
        amount += row["commitment_interval"]
        if row["overage_factor"]:
            amount += f", beyond it × {plan.number(row['overage_factor'])}"
        name = f"{row['commitment_name']}\n({row['commitment_code']})"
        counts = row["charge_code"] or "every charge"
        table.rows.append((name, amount, counts, "\n".join(_validity(row))))
    return table


def _agreed(plan: Plan, file: str) -> Iterator[Row]:
    """Rows of an optional table that hold for the plan, in one of its currencies."""
    known = {"", plan.currency_code, *(price["currency_code"] for price in plan.prices)}
    for row in plan.tables.get(file, []):
        if row["plan_code"] in ("", plan.row["plan_code"]) and row["currency_code"] in known:
            yield row
