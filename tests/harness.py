"""What tests need to bill made-up customers: a landing directory, a price book, one dbt build.

What belongs here: writing inputs with defaults, so that a test states only what matters to it,
and running the real pipeline over them. No test rests on another's warehouse.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.lib.dbt_project import link_dbt_project
from dagster_project.lib.dbt_run import run_dbt
from dagster_project.lib.engines import DuckDBWarehouse, Warehouse
from dagster_project.lib.price_book import check_price_book
from dagster_project.lib.price_book.sources import read_time_rules
from dagster_project.lib.settings import TARGETS
from dagster_project.lib.spark_warehouse import SparkWarehouse

REPOSITORY = Path(__file__).resolve().parents[1]
LOADED_AT = datetime(2026, 6, 1, tzinfo=UTC)


def _header(text: str) -> list[str]:
    return text.split(",")


METER_COLUMNS = _header(
    "meter_code,meter_name,event_type,aggregation,value_property,unit,filter,dimensions,"
    "rounding_increment,minimum_quantity"
)
PLAN_COLUMNS = _header("plan_code,plan_name,currency_code,billing_interval,tax_included")
PRICE_COLUMNS = _header(
    "price_id,plan_code,charge_code,charge_name,meter_code,pricing_model,unit_price,"
    "package_size,included_quantity,minimum_amount,maximum_amount,dimension_filter,billed,"
    "prorated,tax_category,subscription_id,valid_from,valid_to,currency_code"
)
TIER_COLUMNS = _header("price_id,up_to,unit_price,flat_amount")
CURRENCY_COLUMNS = _header("currency_code,minor_units")
TAX_COLUMNS = _header("tax_category,country_code,tax_code,rate,valid_from,valid_to")
DISCOUNT_COLUMNS = _header(
    "discount_code,discount_name,discount_kind,discount_percent,discount_amount,"
    "free_quantity,currency_code,customer_id,plan_code,charge_code,subscription_id,"
    "valid_from,valid_to,period_count"
)
COMMITMENT_COLUMNS = _header(
    "commitment_code,commitment_name,subscription_id,plan_code,charge_code,"
    "commitment_interval,commitment_amount,overage_factor,currency_code,tax_category,"
    "valid_from,valid_to"
)
SELLER_COLUMNS = _header(
    "seller_name,address_line,city,postal_code,country_code,tax_id,email,"
    "payment_terms_days,payment_details,reporting_currency_code"
)
CUSTOMER_COLUMNS = _header(
    "customer_id,customer_name,email,address_line,city,postal_code,country_code,tax_id,"
    "currency_code,locale,timezone,parent_customer_id,tax_treatment"
)
SUBSCRIPTION_COLUMNS = _header(
    "subscription_id,customer_id,plan_code,started_at,ended_at,billing_anchor"
)
RATE_COLUMNS = _header("from_currency,to_currency,rate_date,rate")
GRANT_COLUMNS = _header(
    "grant_id,customer_id,currency_code,granted_amount,credit_unit,granted_quantity,"
    "unit_price,charge_code,priority,granted_at,expires_at"
)
SUBJECT_COLUMNS = _header("subject,subscription_id,valid_from,valid_to")
CORRECTION_COLUMNS = _header(
    "correction_id,source,event_id,action,reason,requested_by,requested_at"
)

Row = Mapping[str, Any]


@dataclass
class Scenario:
    """Everything that lands, and the price book it is rated by.

    Rows are in the columns of docs/input_format.md. The methods add a row and fill in what is
    not stated. ``events`` are lines of JSON by file.
    """

    meters: list[Row] = field(default_factory=list)
    plans: list[Row] = field(default_factory=list)
    prices: list[Row] = field(default_factory=list)
    tiers: list[Row] = field(default_factory=list)
    tax_rates: list[Row] = field(default_factory=list)
    customers: list[Row] = field(default_factory=list)
    subscriptions: list[Row] = field(default_factory=list)
    subjects: list[Row] = field(default_factory=list)
    corrections: list[Row] = field(default_factory=list)
    discounts: list[Row] = field(default_factory=list)
    commitments: list[Row] = field(default_factory=list)
    exchange_rates: list[Row] = field(default_factory=list)
    seller: dict[str, Any] = field(default_factory=dict)
    credit_grants: list[Row] = field(default_factory=list)
    events: dict[str, list[str]] = field(default_factory=dict)
    # Optional tables of the price book by name; the columns are those of the rows.
    tables: dict[str, list[Row]] = field(default_factory=dict)
    pauses: list[Row] = field(default_factory=list)

    def meter(
        self, code: str, event_type: str, aggregation: str = "sum", **columns: Any
    ) -> None:
        """Count the events of a type; by default the sum of their ``quantity``."""
        value = "" if aggregation == "count" else "quantity"
        defaults = {"meter_name": code, "value_property": value, "unit": "unit"}
        self.meters.append(
            defaults
            | {"meter_code": code, "event_type": event_type, "aggregation": aggregation}
            | columns
        )

    def plan(
        self, code: str, currency: str = "EUR", interval: str = "month", **columns: Any
    ) -> None:
        """Sell a plan, monthly unless said otherwise."""
        self.plans.append(
            {
                "plan_code": code,
                "plan_name": code,
                "currency_code": currency,
                "billing_interval": interval,
            }
            | columns
        )

    def price(
        self,
        plan: str,
        pricing_model: str,
        *,
        charge: str = "usage",
        tiers: Iterable[tuple[str, ...]] = (),
        **columns: Any,
    ) -> str:
        """Add a version of a charge; tiers are (up_to, unit_price[, flat_amount]).

        A fourth text of a tier is its package_size.

        Returns: Its price_id, ``<plan>-<charge>-<number>`` unless given.
        """
        number = 1 + sum(
            (row["plan_code"], row["charge_code"]) == (plan, charge) for row in self.prices
        )
        row = {
            "price_id": f"{plan}-{charge}-{number}",
            "plan_code": plan,
            "charge_code": charge,
            "charge_name": charge,
            "pricing_model": pricing_model,
            "billed": "arrears",
            "prorated": "false",
        } | columns
        self.prices.append(row)
        names = ("up_to", "unit_price", "flat_amount", "package_size")
        for tier in tiers:
            self.tiers.append(
                {"price_id": row["price_id"]} | dict(zip(names, tier, strict=False))
            )
        return str(row["price_id"])

    def discount(self, code: str, kind: str, size: str, **columns: Any) -> None:
        """Take off a percentage, a fixed amount in euro, or free units."""
        column = {
            "percentage": "discount_percent",
            "fixed": "discount_amount",
            "free_units": "free_quantity",
        }[kind]
        row = {"discount_code": code, "discount_name": code, "discount_kind": kind}
        currency = {"currency_code": "EUR"} if kind == "fixed" else {}
        self.discounts.append(row | {column: size} | currency | columns)

    def commitment(self, code: str, amount: str, **columns: Any) -> None:
        """Commit to an amount of euro per billing period, unless said otherwise."""
        self.commitments.append(
            {
                "commitment_code": code,
                "commitment_name": code,
                "commitment_interval": "period",
                "commitment_amount": amount,
                "currency_code": "EUR",
            }
            | columns
        )

    def grant(self, grant_id: str, customer_id: str, amount: str, **columns: Any) -> None:
        """Grant prepaid credit in euro on 1 January, without end unless said otherwise."""
        row = {"grant_id": grant_id, "customer_id": customer_id, "currency_code": "EUR"}
        row["granted_at"] = "2026-01-01"
        self.credit_grants.append(row | {"granted_amount": amount} | columns)

    def customer(self, customer_id: str, **columns: Any) -> None:
        """Add a customer, in Germany and on UTC unless said otherwise."""
        self.customers.append(
            {
                "customer_id": customer_id,
                "customer_name": f"Customer {customer_id}",
                "email": "billing@customer.example",
                "address_line": "Street 1",
                "city": "Town",
                "postal_code": "10115",
                "country_code": "DE",
                "currency_code": "EUR",
                "locale": "en",
                "timezone": "UTC",
            }
            | columns
        )

    def subscription(
        self,
        subscription_id: str,
        *,
        started_at: str = "2026-01-01",
        ended_at: str = "2026-02-01",
        **columns: Any,
    ) -> None:
        """Subscribe the customer to the plan of the same name, for January 2026."""
        self.subscriptions.append(
            {
                "subscription_id": subscription_id,
                "customer_id": subscription_id,
                "plan_code": subscription_id,
                "started_at": started_at,
                "ended_at": ended_at,
                "billing_anchor": "calendar",
            }
            | columns
        )

    def subscriber(self, name: str, unit_price: str = "1", **term: Any) -> None:
        """A customer whose plan charges what the meter ``used`` counts, for January 2026."""
        self.plan(name)
        self.price(name, "per_unit", meter_code="used", unit_price=unit_price)
        self.customer(name)
        self.subscription(name, **term)

    def event(
        self,
        subject: str,
        quantity: str | None = None,
        *,
        at: str = "2026-01-10T12:00:00Z",
        event_type: str = "use",
        event_id: str | None = None,
        source: str = "test",
        file: str = "a",
        data: Mapping[str, str] | None = None,
    ) -> str:
        """Land an event; ``quantity`` is written into the JSON as a number, as it stands.

        Returns: The event's id.
        """
        lines = self.events.setdefault(file, [])
        identity = event_id or f"{file}-{len(lines) + 1}"
        properties = [
            f"{json.dumps(name)}: {json.dumps(text)}" for name, text in (data or {}).items()
        ]
        if quantity is not None:
            properties.append(f'"quantity": {quantity}')
        envelope = json.dumps(
            {
                "specversion": "1.0",
                "id": identity,
                "source": source,
                "type": event_type,
                "subject": subject,
                "time": at,
            }
        )
        lines.append(f'{envelope[:-1]}, "data": {{{", ".join(properties)}}}}}')
        return identity

    def void(self, event_id: str, source: str = "test") -> None:
        """Withdraw an event."""
        self.corrections.append(
            {
                "correction_id": f"c-{event_id}",
                "source": source,
                "event_id": event_id,
                "action": "void",
                "reason": "sent in error",
                "requested_by": "finance",
                "requested_at": "2026-02-03T00:00:00Z",
            }
        )


def write_csv(path: Path, columns: list[str], rows: Iterable[Row]) -> None:
    """Write rows under the given header; a column a row lacks is empty.

    Columns beyond the header that rows have are optional ones, and stand after it.
    """
    rows = list(rows)
    optional = dict.fromkeys(name for row in rows for name in row if name not in columns)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, [*columns, *optional], restval="")
        writer.writeheader()
        writer.writerows(rows)


@dataclass(frozen=True)
class Installation:
    """A data directory of its own, and the dbt project folder it shares with its test run."""

    folder: Path
    dbt_folder: Path
    target: str = "duckdb"

    @property
    def landing(self) -> Path:
        """Where input files go."""
        return self.folder / "landing"

    @property
    def warehouse(self) -> Path:
        """The DuckDB file, or the folder of the Spark warehouse."""
        return self.folder / TARGETS[self.target]

    @property
    def store(self) -> Warehouse:
        """The warehouse as the product sees it."""
        if self.target == "spark":
            return SparkWarehouse(self.warehouse)
        return DuckDBWarehouse(self.warehouse)

    @property
    def pricing(self) -> Path:
        """The price book."""
        return self.folder / "pricing"

    def write_price_book(self, scenario: Scenario) -> None:
        """Write the price tables; the book has to be sound."""
        currencies = [("EUR", 2), ("USD", 2), ("BRL", 2), ("JPY", 0), ("KWD", 3)]
        seller = {
            "seller_name": "Seller",
            "country_code": "DE",
            "payment_terms_days": "14",
        }
        tables: dict[str, tuple[list[str], Iterable[Row]]] = {
            "meters": (METER_COLUMNS, scenario.meters),
            "plans": (PLAN_COLUMNS, scenario.plans),
            "prices": (PRICE_COLUMNS, scenario.prices),
            "price_tiers": (TIER_COLUMNS, scenario.tiers),
            "tax_rates": (TAX_COLUMNS, scenario.tax_rates),
            "currencies": (
                CURRENCY_COLUMNS,
                [{"currency_code": c, "minor_units": m} for c, m in currencies],
            ),
            "seller": (SELLER_COLUMNS, [seller | scenario.seller]),
            "exchange_rates": (RATE_COLUMNS, scenario.exchange_rates),
            "discounts": (DISCOUNT_COLUMNS, scenario.discounts),
            "commitments": (COMMITMENT_COLUMNS, scenario.commitments),
        }
        tables |= {name: ([], rows) for name, rows in scenario.tables.items()}
        for name, (columns, rows) in tables.items():
            write_csv(self.pricing / f"{name}.csv", columns, rows)
        assert [str(defect) for defect in check_price_book(self.pricing)] == []

    def land(self, scenario: Scenario, batch: str = "1") -> None:
        """Land snapshots, corrections and events under file names of the batch."""
        accounts = self.landing / "accounts"
        write_csv(accounts / f"customers-{batch}.csv", CUSTOMER_COLUMNS, scenario.customers)
        write_csv(
            accounts / f"subscriptions-{batch}.csv",
            SUBSCRIPTION_COLUMNS,
            scenario.subscriptions,
        )
        if scenario.subjects:
            write_csv(accounts / f"subjects-{batch}.csv", SUBJECT_COLUMNS, scenario.subjects)
        if scenario.pauses:
            write_csv(accounts / f"pauses-{batch}.csv", [], scenario.pauses)
        if scenario.credit_grants:
            write_csv(
                accounts / f"credit_grants-{batch}.csv", GRANT_COLUMNS, scenario.credit_grants
            )
        if scenario.corrections:
            write_csv(
                self.landing / "corrections" / f"corrections-{batch}.csv",
                CORRECTION_COLUMNS,
                scenario.corrections,
            )
        usage = self.landing / "usage"
        usage.mkdir(parents=True, exist_ok=True)
        for name, lines in scenario.events.items():
            text = "".join(f"{line}\n" for line in lines)
            (usage / f"{batch}-{name}.ndjson").write_text(text, encoding="utf-8")

    def ingest(self, loaded_at: datetime = LOADED_AT) -> None:
        """Load what is new in the landing directory."""
        rules = read_time_rules(self.pricing)
        report = self.store.ingest(self.landing, loaded_at, lambda _message: None, rules)
        assert report.failed_files == []

    def dbt_build(self, period: str = "2026-03", *arguments: str, tested: bool = True) -> None:
        """Run seeds, models and their tests, as a production run does: without unit tests.

        A world that goes on is tested where it ends: dbt's tests take as long as the models.
        """
        left_out = ["unit_test"] if tested else ["test", "unit_test"]
        # One thread, since the tests themselves run on all cores.
        command = ["build", "--threads", "1"]
        self.dbt([*command, "--exclude-resource-type", *left_out], period, *arguments)

    def dbt(self, command: list[str], period: str = "2026-03", *arguments: str) -> None:
        """Run dbt in this process, then let go of the warehouse.

        The folder of the project and the path of the warehouse stay the same through a test
        run, so that dbt parses the project once.
        """
        project = link_dbt_project(REPOSITORY / "dbt", self.pricing, self.dbt_folder)
        link = self.dbt_folder / self.warehouse.name
        link.unlink(missing_ok=True)
        link.symlink_to(self.warehouse)
        run_dbt([*command, *arguments], project, self.target, link, period)

    def bill(self, period: str = "2026-03", *arguments: str, tested: bool = True) -> None:
        """Ingest and build."""
        self.ingest()
        self.dbt_build(period, *arguments, tested=tested)

    def issue(self, period: str, issued_at: datetime = LOADED_AT) -> int:
        """Issue the drafts of a period without documents, which tests of bills do not read.

        The marts show it after the next build. Returns how many were issued.
        """
        return self.store.issue(period, issued_at, lambda _connection, _table: {}).count

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the warehouse for reading."""
        with self.store.connect() as connection:
            yield connection

    def rows(self, sql: str, parameters: Iterable[Any] = ()) -> list[dict[str, Any]]:
        """Rows of a query as dictionaries; decimals stay Decimal."""
        with self.read() as connection:
            cursor = connection.execute(sql, list(parameters))
            names = [column[0] for column in cursor.description or []]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def one_unit() -> Scenario:
    """A customer with one unit at 1.50 in January, where a test is not about the bill."""
    scenario = Scenario()
    scenario.meter("used", "use")
    scenario.plan("plan")
    scenario.price("plan", "per_unit", meter_code="used", unit_price="1.50")
    scenario.customer("a")
    scenario.subscription("a", plan_code="plan")
    scenario.event("a", "1")
    return scenario


def build(
    folder: Path,
    scenario: Scenario,
    *,
    dbt_folder: Path,
    period: str = "2026-03",
    loaded_at: datetime = LOADED_AT,
    target: str = "duckdb",
    tested: bool = True,
) -> Installation:
    """Land a scenario in an empty folder and bill it.

    Args:
        folder: Data directory of the installation, created.
        scenario: What lands and what it is rated by.
        dbt_folder: Folder of the linked dbt project, one per test run and process.
        period: Billing period up to which drafts are made, ``YYYY-MM``.
        loaded_at: UTC instant of the load.
        target: The engine.
        tested: Whether dbt's own tests run too.
    """
    installation = Installation(folder, dbt_folder, target)
    folder.mkdir(parents=True, exist_ok=True)
    installation.write_price_book(scenario)
    installation.land(scenario)
    installation.ingest(loaded_at)
    installation.dbt_build(period, tested=tested)
    return installation
