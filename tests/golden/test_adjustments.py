"""What reaches a customer after a period is issued: adjustments, credit notes, nothing twice.

Three customers are billed for January at 1 per unit plus 19 % tax, and issued. Then usage,
withdrawals and an end of contract arrive late. After February is issued as well, more usage of
January arrives, and a price that has been 1.10 since 1 February.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from dagster_project.lib.documents import render_period
from tests.harness import REPOSITORY, Installation, Scenario, build

ISSUED = "select * from ledger.{} order by all"
DRAFT_LINES = """
    select lines.*, invoices.customer_id, invoices.document_type, invoices.billing_period
    from marts.fct_invoice_lines as lines
    inner join marts.fct_invoices as invoices using (invoice_id)
    where invoice_status = 'draft' order by customer_id, line_number
"""
LEDGER = ("issued_invoices", "issued_invoice_lines", "issued_invoice_taxes")


@dataclass(frozen=True)
class History:
    """The same installation as it was read at three moments."""

    installation: Installation
    first_issue: int
    second_issue: int
    january: dict[str, list[dict[str, Any]]]
    february_lines: list[dict[str, Any]]
    february_invoices: list[dict[str, Any]]
    last_issue: int
    last_ledger: dict[str, list[dict[str, Any]]]
    ledger_after_all: dict[str, list[dict[str, Any]]]
    open_lines: list[dict[str, Any]]


def january() -> Scenario:
    """Three customers: one gets more usage later, one less, one is gone by February."""
    world = Scenario()
    world.meter("used", "use")
    world.tax_rates.append(
        {"tax_category": "standard", "country_code": "DE", "tax_code": "DE-19", "rate": "19"}
    )
    world.plan("plan")
    world.price("plan", "per_unit", meter_code="used", unit_price="1", tax_category="standard")
    for name, ended_at in [("gone", "2026-02-01"), ("less", ""), ("more", "")]:
        world.customer(name)
        world.subscription(name, plan_code="plan", ended_at=ended_at)
        world.event(name, "10", event_id=f"{name}-january")
        world.event(name, "2", event_id=f"{name}-wrong")
        if name != "gone":
            world.event(name, "100", event_id=f"{name}-february", at="2026-02-10T00:00:00Z")
    return world


def ledger(installation: Installation) -> dict[str, list[dict[str, Any]]]:
    return {table: installation.rows(ISSUED.format(table)) for table in LEDGER}


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> History:
    world = january()
    folder = tmp_path_factory.mktemp("adjustments")
    installation = build(folder, world, dbt_folder=dbt_folder, period="2026-02", tested=False)
    first_issue = installation.issue("2026-01")
    issued = ledger(installation)

    # Without a build in between the marts still show drafts; they are issued all the same.
    second_issue = installation.issue("2026-01")

    late = Scenario(customers=world.customers, subscriptions=world.subscriptions)
    late.event("more", "0.255", event_id="late", at="2026-01-31T23:59:59Z")
    late.void("less-wrong")
    late.void("gone-wrong")
    installation.land(late, batch="2")
    installation.bill("2026-02")
    lines = installation.rows(DRAFT_LINES)
    invoices = installation.rows(
        "select * from marts.fct_invoices where invoice_status = 'draft' order by customer_id"
    )
    last_issue = installation.issue("2026-02")
    last_ledger = ledger(installation)

    later = Scenario(customers=world.customers, subscriptions=world.subscriptions)
    later.event("more", "1", event_id="later", at="2026-01-31T23:59:59Z")
    installation.land(later, batch="3")
    world.prices.clear()
    terms = {"meter_code": "used", "tax_category": "standard"}
    world.price("plan", "per_unit", unit_price="1", valid_to="2026-02-01", **terms)
    world.price("plan", "per_unit", unit_price="1.10", valid_from="2026-02-01", **terms)
    installation.write_price_book(world)
    installation.bill("2026-02", "--full-refresh")
    open_lines = installation.rows(DRAFT_LINES)
    return History(
        installation,
        first_issue,
        second_issue,
        issued,
        lines,
        invoices,
        last_issue,
        last_ledger,
        ledger(installation),
        open_lines,
    )


def test_issuing_again_issues_nothing(history: History) -> None:
    assert (history.first_issue, history.second_issue) == (3, 0)


def test_january_was_billed_in_full(history: History) -> None:
    """12 x 1 = 12, and 12 x 19 % = 2.28: 14.28 for each of the three."""
    totals = [row["total_amount"] for row in history.january["issued_invoices"]]
    assert totals == [Decimal("14.28")] * 3


def adjustment(history: History, customer: str) -> dict[str, Any]:
    [line] = [
        line
        for line in history.february_lines
        if line["customer_id"] == customer and line["line_type"] == "adjustment"
    ]
    return line


def test_late_usage_is_an_adjustment_on_the_next_invoice(history: History) -> None:
    """12.255 x 1 rounds to 12.26; 12.00 were invoiced: 0.26 more."""
    line = adjustment(history, "more")
    assert line["net_amount"] == Decimal("0.26")
    assert line["adjusted_billing_period"] == "2026-01"
    assert line["document_type"] == "invoice"
    assert line["billing_period"] == "2026-02"


def test_the_next_invoice_adds_the_adjustment_to_its_charges(history: History) -> None:
    """100 + 0.26 = 100.26; 19 % of it is 19.0494, 19.05: 119.31."""
    [invoice] = [row for row in history.february_invoices if row["customer_id"] == "more"]
    amounts = [invoice[f"{kind}_amount"] for kind in ("net", "tax", "total")]
    assert amounts == [Decimal("100.26"), Decimal("19.05"), Decimal("119.31")]


def test_a_withdrawal_is_a_negative_adjustment(history: History) -> None:
    """10 of 12 stay: -2 on the invoice over 100."""
    line = adjustment(history, "less")
    assert (line["net_amount"], line["document_type"]) == (Decimal(-2), "invoice")


def test_a_credit_that_stands_alone_is_a_credit_note(history: History) -> None:
    """The contract has ended: -2 and 19 % of it, -0.38, are a document of their own."""
    line = adjustment(history, "gone")
    [invoice] = [row for row in history.february_invoices if row["customer_id"] == "gone"]
    assert line["net_amount"] == Decimal(-2)
    assert invoice["document_type"] == "credit_note"
    assert invoice["total_amount"] == Decimal("-2.38")


def test_numbers_have_no_gaps(history: History) -> None:
    numbers = sorted(row["invoice_number"] for row in history.last_ledger["issued_invoices"])
    assert history.last_issue == 3
    assert numbers == ["CN-000001", *(f"INV-{number:06}" for number in range(1, 6))]


def test_issued_invoices_survive_a_full_refresh(history: History) -> None:
    assert history.ledger_after_all == history.last_ledger
    for table, rows in history.january.items():
        assert [row for row in history.last_ledger[table] if row in rows] == rows
    hashes = {row["content_hash"] for row in history.january["issued_invoices"]}
    assert len(hashes) == 3


def test_only_what_changed_since_is_adjusted_again(history: History) -> None:
    """13.255 x 1 is 13.26, less 12.00 and 0.26 invoiced: 1. 100 x 1.10 - 100 = 10."""
    shown = [
        (line["customer_id"], line["adjusted_billing_period"], line["net_amount"])
        for line in history.open_lines
    ]
    assert sorted(shown) == [
        ("less", "2026-02", Decimal(10)),
        ("more", "2026-01", Decimal(1)),
        ("more", "2026-02", Decimal(10)),
    ]
    assert {line["document_type"] for line in history.open_lines} == {"invoice"}


def test_issued_documents_say_what_the_ledger_says(history: History) -> None:
    documents = history.installation.folder / "documents"
    templates = REPOSITORY / "invoice_templates"
    with history.installation.read() as connection:
        rendered = [
            document
            for period in ("2026-01", "2026-02")
            for document in render_period(connection, period, documents, templates)
        ]
    issued = {row["invoice_id"]: row for row in history.last_ledger["issued_invoices"]}
    numbered = [document for document in rendered if document.invoice_number]
    assert {document.invoice_id for document in numbered} == set(issued)
    for document in numbered:
        row = issued[document.invoice_id]
        form = json.loads(document.json_path.read_text(encoding="utf-8"))
        assert document.json_path.stem == form["invoice_number"] == row["invoice_number"]
        assert form["content_hash"] == row["content_hash"]
        for column in ("net_amount", "tax_amount", "total_amount", "due_amount"):
            assert Decimal(form[column]) == row[column]
