"""What one customer would be sent after one load, read from the marts.

What belongs here: picking figures from drafts. Sums of rounded lines are the only arithmetic.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.harness import Installation

LINES = """
    select lines.*, invoices.customer_id, invoices.billing_period
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices using (invoice_id)
    where invoice_status = 'draft'
    order by customer_id, period_from, charge_code, line_number
"""
TABLES = {
    "invoices": "select * from marts.fct_invoices where invoice_status = 'draft'",
    "lines": LINES,
    "taxes": """
        select taxes.*, invoices.customer_id from marts.fct_invoice_taxes as taxes
        inner join marts.fct_invoices as invoices using (invoice_id)
        where invoice_status = 'draft' order by tax_code
    """,
    "tiers": """
        select tiers.*, invoices.customer_id from marts.fct_invoice_line_tiers as tiers
        inner join marts.fct_invoices as invoices using (invoice_id)
        where invoice_status = 'draft' order by tier_number
    """,
    "days": """
        select * from marts.fct_usage_daily order by usage_date
    """,
}

Row = dict[str, Any]


@dataclass
class Bill:
    """The drafts of one customer; ``days`` is the metered usage, issued or not."""

    invoices: list[Row] = field(default_factory=list)
    lines: list[Row] = field(default_factory=list)
    taxes: list[Row] = field(default_factory=list)
    tier_rows: list[Row] = field(default_factory=list)
    days: list[Row] = field(default_factory=list)

    def net(self, *line_types: str, charge: str = "", period: str = "") -> Decimal:
        """Rounded amount of the lines, of some types, one charge or one period alone."""
        return sum(
            (
                line["net_amount"]
                for line in self.lines
                if (not line_types or line["line_type"] in line_types)
                and charge in ("", line["charge_code"])
                and period in ("", line["billing_period"])
            ),
            Decimal(0),
        )

    def exact(self, since: str = "") -> Decimal:
        """Unrounded amount of the lines, or of those from a date on."""
        return sum((line["exact_amount"] for line in self._since(since)), Decimal(0))

    def quantity(self) -> Decimal:
        """Metered quantity; a line of nothing is not printed."""
        return sum((line["quantity"] for line in self.lines), Decimal(0))

    def charged_quantity(self, since: str) -> Decimal:
        """Quantity beyond the free one, from a date on."""
        lines = self._since(since)
        return sum((row["quantity"] - row["included_quantity"] for row in lines), Decimal(0))

    def free_quantity(self, since: str) -> Decimal:
        """Free quantity from a date on."""
        return sum((row["included_quantity"] for row in self._since(since)), Decimal(0))

    def windows(self, unit: str) -> list[Row]:
        """Quantity of each line, with the minute or hour in which its span begins."""
        pattern = {"minute": "%Y-%m-%dT%H:%M:00Z", "hour": "%Y-%m-%dT%H:00:00Z"}[unit]
        return [
            {"start": line["period_from"].strftime(pattern), "units": line["quantity"]}
            for line in self.lines
        ]

    def groups(self, dimension: str) -> dict[str, Decimal]:
        """Quantity by value of a dimension."""
        return {
            json.loads(line["dimension_values"])[dimension]: line["quantity"]
            for line in self.lines
        }

    def daily(self) -> list[Row]:
        """Quantity of each day with usage."""
        return [
            {"start": f"{day['usage_date']:%Y-%m-%d}", "units": day["quantity"]}
            for day in self.days
        ]

    def tiers(self) -> list[dict[str, Decimal]]:
        """Tiers that were entered, with units and amount."""
        return [
            {
                "tier": Decimal(row["tier_number"]),
                "units": row["quantity"],
                "amount": row["exact_amount"],
            }
            for row in self.tier_rows
        ]

    def tax(self) -> Decimal:
        """Tax of the invoice."""
        return sum((row["tax_amount"] for row in self.invoices), Decimal(0))

    def tax_amounts(self) -> list[Decimal]:
        """Tax by code."""
        return [row["tax_amount"] for row in self.taxes]

    def total(self) -> Decimal:
        """Net and tax."""
        return sum((row["total_amount"] for row in self.invoices), Decimal(0))

    def credit(self) -> Decimal:
        """Prepaid credit used."""
        return sum((row["credit_amount"] for row in self.invoices), Decimal(0))

    def due(self) -> Decimal:
        """What is to be paid."""
        return sum((row["due_amount"] for row in self.invoices), Decimal(0))

    def _since(self, text: str) -> list[Row]:
        return [line for line in self.lines if f"{line['period_from']:%Y-%m-%d}" >= text]


Reading = Callable[[list[Bill]], Any]


def read_bills(installation: Installation) -> dict[str, Bill]:
    """The drafts of every customer, as they stand after a build."""
    names = {"tiers": "tier_rows"}
    bills: dict[str, Bill] = defaultdict(Bill)
    for table, sql in TABLES.items():
        for row in installation.rows(sql):
            getattr(bills[row["customer_id"]], names.get(table, table)).append(row)
    return bills
