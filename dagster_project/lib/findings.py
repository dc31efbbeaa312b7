"""What somebody looks at before anybody is billed: the findings of a period, as sentences.

What belongs here: the kinds of findings, and reading them from the marts for checks and
tables.
Not here: what is a finding; the marts fct_usage_findings and fct_invoice_findings say that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb


@dataclass(frozen=True)
class FindingKind:
    """One kind: its mart, the check that is true when there is none, and what it says."""

    mart: str
    check: str
    description: str


# By code, in the order in which they are shown.
FINDINGS: Mapping[str, FindingKind] = {
    "rejected_usage": FindingKind(
        "fct_usage_findings",
        "all_usage_can_be_read",
        "Every landed record of the period can be used, or was sent again whole.",
    ),
    "unseen_property": FindingKind(
        "fct_usage_findings",
        "all_filters_name_properties_of_events",
        "Every property that a filter names has been seen in an event of its type.",
    ),
    "unpriced_values": FindingKind(
        "fct_usage_findings",
        "all_dimension_values_are_priced",
        "A plan that prices a meter has a price for all values and times of its usage.",
    ),
    "unpriced_meter": FindingKind(
        "fct_usage_findings",
        "all_metered_usage_is_priced",
        "The plan of a subscription prices a meter of each of its events.",
    ),
    "usage_of_nobody": FindingKind(
        "fct_usage_findings",
        "all_usage_has_a_subscription",
        "All metered usage has one subscription to bill.",
    ),
    "missing_tax_rate": FindingKind(
        "fct_invoice_findings",
        "all_tax_categories_have_rates",
        "Every tax category has a rate for the country of the customer.",
    ),
    "out_of_own_range": FindingKind(
        "fct_invoice_findings",
        "customers_are_in_their_own_range",
        "No customer is below a tenth or above ten times the median of his last periods.",
    ),
    "negative_draft": FindingKind(
        "fct_invoice_findings", "no_draft_is_negative", "No draft gives money."
    ),
    "rounded_to_nothing": FindingKind(
        "fct_invoice_findings",
        "no_charge_is_rounded_to_nothing",
        "Every charge with usage comes to a minor unit of its currency at least.",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One row for a person: who, which meter, how much, and what is the matter."""

    code: str
    is_blocking: bool
    customer: str
    meter: str
    quantity: str
    text: str

    def __str__(self) -> str:
        """The finding as one clause."""
        where = [f"customer {self.customer}"] if self.customer else []
        where += [f"meter {self.meter}"] if self.meter else []
        where += [self.quantity] if self.quantity else []
        return ", ".join(where) + (": " if where else "") + self.text


@dataclass(frozen=True)
class Findings:
    """Those of one kind in a period, the largest first; ``count`` is of all, shown or not."""

    code: str
    count: int
    is_blocking: bool
    shown: list[Finding]


def read_findings(
    connection: duckdb.DuckDBPyConnection, period: str, limit: int = 5, schema: str = "marts"
) -> list[Findings]:
    """Findings of what the issue of a month bills, and those of no month, by kind.

    Args:
        connection: Where the marts are; only read.
        period: Month of issue, ``YYYY-MM``.
        limit: How many of a kind are shown at the most.
        schema: Of the marts.
    Returns: One item for each kind of which there is any, in the order of FINDINGS.
    """
    found = []
    for code, kind in FINDINGS.items():
        order = (
            "event_count desc, estimated_amount desc nulls last"
            if kind.mart == "fct_usage_findings"
            else "found_count desc, abs(found_amount) desc"
        )
        reader = connection.execute(
            f"select *, count(*) over () as finding_count from {schema}.{kind.mart}"
            " where finding_code = ? and (coalesce(issue_period, ?) = ?"
            # Drafts of months that were skipped are issued with it.
            f" or issue_period in (select issue_period from {schema}.fct_invoices"
            " where invoice_status = 'draft' and issue_period < ?))"
            f" order by {order}, customer_id, subscription_id, meter_code limit ?",
            [code, period, period, period, limit],
        )
        names = [column[0] for column in reader.description or []]
        rows = [dict(zip(names, row, strict=True)) for row in reader.fetchall()]
        if rows:
            shown = [_as_finding(row, period) for row in rows]
            found.append(
                Findings(code, rows[0]["finding_count"], rows[0]["is_blocking"], shown)
            )
    return found


def _as_finding(row: Mapping[str, Any], period: str) -> Finding:
    texts = _usage_text(row) if "event_count" in row else _invoice_text(row)
    if row["billing_period"] not in (None, period):
        texts += f" ({row['billing_period']})"
    quantity = row["quantity"]
    return Finding(
        row["finding_code"],
        row["is_blocking"],
        row["customer_id"] or "",
        row["meter_code"] or "",
        f"{_plain(quantity)} {row['unit'] or ''}".strip() if quantity is not None else "",
        texts,
    )


def _usage_text(row: Mapping[str, Any]) -> str:
    events = f"{row['event_count']:,} event{'s' if row['event_count'] != 1 else ''}"
    worth = row["estimated_amount"]
    stake = f", perhaps {_plain(worth)} {row['currency_code']}" if worth else ""
    subject = f" of subject {row['subject']}" if row["subject"] else ""
    code, reason = row["finding_code"], row["reason"].replace("_", " ")
    if code == "rejected_usage":
        example = f", {row['example']}" if row["example"] else ""
        return f"{events}{subject} rejected in {row['source_file']}: {reason}{example}{stake}"
    if code == "usage_of_nobody":
        return f"{events}{subject}: {reason}{stake}"
    if code == "unseen_property":
        return (
            f"a filter names {row['example']}, which no event of type {row['event_type']} has"
            f" ({events})"
        )
    subscription = f"subscription {row['subscription_id']}"
    if code == "unpriced_meter":
        return f"{events} of {subscription}, whose plan has no price for them{stake}"
    values = ", ".join(
        f"{name}={value}" for name, value in json.loads(row["dimension_values"]).items()
    )
    what = f"no price takes {values}" if values else "no price is valid at its time"
    return f"{events} of {subscription}: {what}{stake}"


def _invoice_text(row: Mapping[str, Any]) -> str:
    amount, currency = _plain(row["found_amount"]), row["currency_code"]
    code, count = row["finding_code"], row["found_count"]
    if code == "out_of_own_range":
        return f"{amount} {currency}, where {_plain(row['usual_amount'])} is usual"
    if code == "negative_draft":
        return f"{row['example'].replace('_', ' ')} over {amount} {currency}"
    if code == "missing_tax_rate":
        country, _, category = row["example"].partition(" ")
        drafts = f"{count:,} draft{'s' if count != 1 else ''}"
        return f"no rate for {category} in {country}: {drafts} over {amount} {currency} net"
    return (
        f"charge {row['charge_code']} of subscription {row['subscription_id']} comes to"
        f" 0 {currency} ({count:,} line{'s' if count != 1 else ''}, one of"
        f" {_plain(Decimal(row['example']))})"
    )


def _plain(number: Decimal) -> str:
    """Digits without the zeros at the end, with the places of money where there are fewer."""
    text = f"{number.normalize():,f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}" if places else whole
