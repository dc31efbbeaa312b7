"""The worlds of the golden bills as one, so that both engines bill every rule there is.

What belongs here: putting them side by side under names of their own, and what comes later.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields
from typing import Any

from tests.golden import (
    test_agreements,
    test_credits,
    test_decisions,
    test_filters,
    test_findings,
    test_golden_bills,
    test_handovers,
    test_issued_months,
    test_lifecycle,
    test_price_models,
)
from tests.harness import Scenario

NAMES = {
    *("meter_code", "event_type", "plan_code", "price_id", "tax_category", "discount_code"),
    *("commitment_code", "customer_id", "parent_customer_id", "subscription_id", "subject"),
    *("event_id", "correction_id", "grant_id"),
}


def everything() -> Scenario:
    """Every golden bill, and an event of each fate that none of them has."""
    whole = Scenario()
    worlds = {
        "bills": test_golden_bills.shared_world()[0],
        "agreements": test_agreements.shared_world()[0],
        "models": test_price_models.shared_world()[0],
        "filters": test_filters.shared_world()[0],
        "life": test_lifecycle.shared_world()[0],
        "credits": test_credits.customers(),
        "decisions": test_decisions.shared_world(),
        "findings": test_findings.odd_customers(),
        "issued": test_issued_months.january(),
    }
    for prefix, world in worlds.items():
        _add(whole, prefix, world)
    test_handovers.handed_plug(whole)
    subject = str(whole.subscriptions[0]["subscription_id"])
    whole.event(subject, "1", event_id="again", event_type="bills-use", file="a")
    whole.event(subject, "1", event_id="again", event_type="bills-use", file="b")
    whole.event(subject, "2", event_id="again", event_type="bills-use", file="c")
    whole.event(subject, "2", event_id="other", event_type="agreements-use")
    whole.event("nobody", "2", event_id="unknown", event_type="bills-use", file="noise")
    whole.events["noise"] += ["{", '{"id": "half", "time": "2026-01-02T00:00:00Z"}']
    return whole


def what_comes_later(whole: Scenario) -> Scenario:
    """Usage of an issued month for everybody, a withdrawal, other zones and other parents."""
    parents = {
        f"issued-{name}": {"parent_customer_id": f"issued-{after}" if after else ""}
        for name, (_, after) in test_issued_months.PARENTS.items()
    }
    moved = {"America/New_York": "Asia/Kolkata", "UTC": "Pacific/Auckland"}
    later = Scenario(
        customers=[
            {**row, "timezone": moved.get(str(row["timezone"]), row["timezone"])}
            if number % 3 == 0
            else {**row, **parents.get(row["customer_id"], {})}
            for number, row in enumerate(whole.customers)
        ],
        subscriptions=whole.subscriptions,
        subjects=whole.subjects,
        credit_grants=whole.credit_grants,
        pauses=whole.pauses,
    )
    for name, lines in whole.events.items():
        if name != "noise":
            later.events[name] = [_renamed("late", line) for line in lines[::3]]
            later.void(json.loads(lines[-1])["id"])
    return later


def _add(whole: Scenario, prefix: str, world: Scenario) -> None:
    for table in fields(Scenario):
        there, added = getattr(whole, table.name), getattr(world, table.name)
        if table.name == "events":
            for name, lines in added.items():
                there[f"{prefix}-{name}"] = [
                    _renamed(prefix, line, "type", "subject") for line in lines
                ]
        elif table.name == "tables":
            for name, rows in added.items():
                there.setdefault(name, []).extend(_named(prefix, rows))
        elif table.name == "seller":
            there.update(added)
        else:
            there.extend(_named(prefix, added))


def _named(prefix: str, rows: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for row in rows:
        yield {
            column: f"{prefix}-{value}" if column in NAMES and value else value
            for column, value in row.items()
        }


def _renamed(prefix: str, line: str, *also: str) -> str:
    """An event whose id, and what else is named, begins with the prefix.

    The text of its numbers stays as it is, which reading and writing JSON would not keep.
    """
    for key in ("id", *also):
        line = line.replace(f'"{key}": "', f'"{key}": "{prefix}-', 1)
    return line
