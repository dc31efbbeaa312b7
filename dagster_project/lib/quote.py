"""Prices hypothetical usage with the models that bill: files in, a few models, tables out.

What belongs here: an installation of one made-up customer in a temporary folder, and reading
its draft. No arithmetic; the steps shown are rows of the marts. Usage is stated as the meter
would report it, so each meter is replaced by one that takes the stated quantity as it is.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from dagster_project.lib.dbt_project import link_dbt_project
from dagster_project.lib.dbt_run import DbtRunError, environment, run_dbt
from dagster_project.lib.documents.records import previous_period
from dagster_project.lib.exact_numbers import exact_number, plain_number
from dagster_project.lib.ingest import ingest_landing
from dagster_project.lib.price_book import check_price_book
from dagster_project.lib.price_book.showing import Plan, read_plan
from dagster_project.lib.settings import DBT_PROJECT_DIR, Settings
from dagster_project.lib.text_table import TextTable
from dagster_project.lib.warehouse import open_warehouse

NAME = "quote"
MONTHS = {"month": 1, "quarter": 3, "year": 12}
MARTS = ("fct_invoices", "fct_invoice_lines", "fct_invoice_line_tiers", "fct_invoice_taxes")
# Stated usage is not looked at for its size or its time of day: its dimensions are stated too.
_READ_FROM_EVENTS = ("dimension_bands.csv", "time_bands.csv", "holidays.csv")
# Nor is it filtered, rounded or turned into larger units, which the meter has done.
_NOT_OF_A_QUANTITY = ("filter", "rounding_increment", "minimum_quantity", "unit_quantity")


Rows = list[dict[str, Any]]
Money = Callable[[Decimal], str]


class QuoteError(ValueError):
    """A quote that cannot be given; the message is one sentence for who asked for it."""


@dataclass(frozen=True)
class QuoteRequest:
    """What is to be priced: one customer on a plan for one period.

    ``usage`` maps charge or meter codes to quantities, as text, in the meter's unit. An empty
    ``currency_code`` is the plan's.
    """

    plan_code: str
    period: str
    country_code: str
    currency_code: str = ""
    usage: Mapping[str, str] = field(default_factory=dict)
    dimensions: Mapping[str, str] = field(default_factory=dict)


def quote(request: QuoteRequest, settings: Settings) -> list[TextTable]:
    """Price hypothetical usage; nothing of the installation is read but its price book.

    Returns: The lines, their tiers, the taxes and the totals, in the plan's currency.
    Raises: QuoteError if the price book is not sound, has no such charge, or no price that
        takes the usage; ValueError if it has no such plan.
    """
    defects = check_price_book(settings.pricing_dir)
    if defects:
        raise QuoteError(f"The price book is not sound: {defects[0]}")
    plan = read_plan(settings.pricing_dir, request.plan_code)
    with TemporaryDirectory(prefix="meterhouse-quote-") as name:
        folder = Path(name)
        own = replace(
            settings,
            data_dir=folder,
            landing_dir=folder / "landing",
            warehouse=folder / "warehouse.duckdb",
            documents_dir=folder / "documents",
            publish_dir=folder / "published",
            pricing_dir=folder / "pricing",
            # The embedded engine is at hand everywhere, and every engine bills the same.
            target="duckdb",
            first_period=min(settings.first_period, request.period),
        )
        _write_price_book(settings.pricing_dir, own.pricing_dir)
        _write_landing(request, plan, own.landing_dir)
        with open_warehouse(own.warehouse) as connection:
            ingest_landing(connection, own.landing_dir, _start(request.period))
        # A longer period is owed in full once its last month is billed.
        end = _end(request.period, plan.row["billing_interval"])
        _run_models(own, previous_period(end[:7]))
        with open_warehouse(own.warehouse, read_only=True) as connection:
            return _read_draft(connection, request, plan)


def _start(period: str) -> datetime:
    return datetime.combine(date.fromisoformat(f"{period}-01"), datetime.min.time(), UTC)


def _end(period: str, interval: str) -> str:
    year, month = map(int, period.split("-"))
    months = year * 12 + month - 1 + MONTHS[interval]
    return f"{months // 12:04}-{months % 12 + 1:02}-01"


def _write_price_book(source: Path, target: Path) -> None:
    """Copy the price book; every meter adds up the stated quantity of a type of its own."""
    target.mkdir()
    for file in source.glob("*.csv"):
        if file.name not in _READ_FROM_EVENTS:
            shutil.copyfile(file, target / file.name)
    with (source / "meters.csv").open(encoding="utf-8-sig", newline="") as handle:
        reader = csv.DictReader(handle)
        columns, meters = list(reader.fieldnames or []), list(reader)
    stated = {"aggregation": "sum", "value_property": "quantity"}
    unused = {name: "" for name in _NOT_OF_A_QUANTITY if name in columns}
    rows = [meter | stated | unused | {"event_type": meter["meter_code"]} for meter in meters]
    _write_csv(target / "meters.csv", columns, rows)


def _write_landing(request: QuoteRequest, plan: Plan, landing: Path) -> None:
    customer = {"customer_id": NAME, "customer_name": NAME, "timezone": "UTC", "locale": "en"}
    unknown = dict.fromkeys(
        ("email", "address_line", "city", "postal_code", "tax_id", "parent_customer_id"), ""
    )
    place = {
        "country_code": request.country_code,
        "currency_code": request.currency_code or plan.currency_code,
    }
    subscription = {
        "subscription_id": NAME,
        "customer_id": NAME,
        "plan_code": request.plan_code,
        "started_at": f"{request.period}-01",
        "ended_at": _end(request.period, plan.row["billing_interval"]),
        "billing_anchor": "calendar",
    }
    for name, row in (
        ("customers", customer | unknown | place),
        ("subscriptions", subscription),
    ):
        _write_csv(landing / "accounts" / f"{name}.csv", list(row), [row])
    events = [
        {
            "specversion": "1.0",
            "id": str(number),
            "source": NAME,
            "type": _meter(plan, code),
            "subject": NAME,
            "time": _start(request.period).isoformat(),
            "data": {"quantity": _quantity(code, quantity)} | dict(request.dimensions),
        }
        for number, (code, quantity) in enumerate(request.usage.items())
    ]
    usage = landing / "usage" / "stated.ndjson"
    usage.parent.mkdir(parents=True)
    usage.write_text("".join(f"{json.dumps(event)}\n" for event in events), encoding="utf-8")


def _meter(plan: Plan, code: str) -> str:
    """The meter of a charge of the plan, or a meter that the plan sells.

    Raises: QuoteError if it is neither.
    """
    charges = {
        row["charge_code"]: row["meter_code"] for row in plan.prices if row["meter_code"]
    }
    if code not in charges and code not in charges.values():
        raise QuoteError(
            f"{code!r} is neither a charge of {plan.row['plan_code']} nor a meter of one; "
            f"it has {', '.join(charges)}."
        )
    return charges.get(code, code)


def _quantity(code: str, text: str) -> str:
    if exact_number(text) is None:
        raise QuoteError(f"The quantity {text!r} of {code} is not a number.")
    return plain_number(text)


def _write_csv(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, columns)
        writer.writeheader()
        writer.writerows(rows)


def _run_models(settings: Settings, period: str) -> None:
    """Run the seeds and models above the marts that are read, and no tests."""
    project = link_dbt_project(DBT_PROJECT_DIR, settings.pricing_dir, settings.dbt_target_dir)
    models = [f"+{mart}" for mart in (*MARTS, "fct_event_exceptions")]
    arguments = ["build", "--select", *models, "--exclude-resource-type", "test", "unit_test"]
    try:
        with environment(settings.as_environment()):
            run_dbt(arguments, project, settings.target, settings.warehouse, period)
    except DbtRunError as error:
        raise QuoteError(f"The models did not run: {str(error)[-400:]}") from error


def _read_draft(
    connection: duckdb.DuckDBPyConnection, request: QuoteRequest, plan: Plan
) -> list[TextTable]:
    lost = _rows(connection, "select * from marts.fct_event_exceptions")
    if lost:
        row = lost[0]
        dimensions = ", ".join(f"{k}={v}" for k, v in request.dimensions.items()) or "none"
        raise QuoteError(
            f"The usage of {row['event_type']} is {row['fate']}: no price takes it "
            f"in {request.period} (dimensions: {dimensions})."
        )
    draft = "select invoice_id from marts.fct_invoices where billing_period = ?"
    marts = {
        mart: _rows(
            connection,
            f"select * from marts.{mart} where invoice_id in ({draft}) order by all",
            [request.period],
        )
        for mart in MARTS
    }
    codes = [row["currency_code"] for row in marts["fct_invoices"]]

    def money(amount: Decimal) -> str:
        return plan.money(amount, *codes[:1])

    tables = [
        _lines(money, plan, request, marts["fct_invoice_lines"]),
        _tiers(money, plan, marts["fct_invoice_line_tiers"], marts["fct_invoice_lines"]),
        _taxes(money, plan, marts["fct_invoice_taxes"]),
        _totals(money, marts["fct_invoices"]),
    ]
    return [table for table in tables if table.rows]


def _lines(money: Money, plan: Plan, request: QuoteRequest, rows: Rows) -> TextTable:
    table = TextTable(
        f"{plan.row['plan_name']} in {request.period}",
        ("Line", "What", "Quantity", "Price", "Exact amount", "Net amount"),
    )
    for row in sorted(rows, key=lambda row: row["line_number"]):
        kind, quantity, price = f"({row['line_type']})", "", ""
        if row["line_type"] == "charge":
            values = json.loads(row["dimension_values"]).items()
            kind = ", ".join(f"{name}: {value}" for name, value in values if value is not None)
            quantity = f"{plan.number(row['quantity'])} {row['unit'] or ''}"
            if row["included_quantity"]:
                quantity += f"\n{plan.number(row['included_quantity'])} free"
            price = row["pricing_model"]
            if row["unit_price"] is not None:
                price += f"\n{money(row['unit_price'])}{plan.per_quantity(row['price_id'])}"
        amounts = (money(row["exact_amount"]), money(row["net_amount"]))
        what = "\n".join(filter(None, (row["description"], kind)))
        table.rows.append((str(row["line_number"]), what, quantity, price, *amounts))
    return table


def _tiers(money: Money, plan: Plan, rows: Rows, lines: Rows) -> TextTable:
    prices = {row["line_number"]: row["price_id"] for row in lines}
    table = TextTable("Tiers", ("Line", "Tier", "Quantity", "Price", "Flat", "Exact amount"))
    for row in sorted(rows, key=lambda row: (row["line_number"], row["tier_number"])):
        up_to = (
            f" to {plan.number(row['tier_up_to'])}" if row["tier_up_to"] is not None else ""
        )
        table.rows.append(
            (
                str(row["line_number"]),
                f"above {plan.number(row['tier_from'] or Decimal(0))}{up_to}",
                plan.number(row["quantity"]),
                money(row["unit_price"]) + plan.per_quantity(prices[row["line_number"]]),
                money(row["flat_amount"]) if row["flat_amount"] else "",
                money(row["exact_amount"]),
            )
        )
    return table


def _taxes(money: Money, plan: Plan, rows: Rows) -> TextTable:
    return TextTable(
        "Taxes",
        ("Tax", "Rate", "On", "Tax amount"),
        [
            (
                row["tax_code"],
                plan.language.percent(row["tax_rate"]),
                money(row["taxable_amount"]),
                money(row["tax_amount"]),
            )
            for row in rows
        ],
    )


def _totals(money: Money, rows: Rows) -> TextTable:
    """Totals, and what somebody should look at before such an invoice is issued."""
    table = TextTable("Total", ("", "Amount"))
    for row in rows:
        for name in ("net_amount", "tax_amount", "total_amount"):
            words = name.removesuffix("_amount").capitalize()
            table.rows.append((words, money(row[name])))
        table.rows.extend(("Note", flag) for flag in row["flags"].split("; ") if flag)
    return (
        table
        if rows
        else TextTable(table.title, table.columns, [("Total", money(Decimal(0)))])
    )


def _rows(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Iterable[Any] = ()
) -> Rows:
    cursor = connection.execute(sql, list(parameters))
    names = [column[0] for column in cursor.description or []]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
