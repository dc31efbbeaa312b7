"""One customer per industry whose usage is so little that the bill can be worked out by hand.

What belongs here: their accounts and usage, written beside the sample. Their plans are in the
shipped price book, what they owe in tests/golden/test_demo_bills.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple


class ExampleBill(NamedTuple):
    """A customer of the sample, its plan, the type of its events and their data by time."""

    name: str
    plan_code: str
    currency_code: str
    place: tuple[str, str, str, str, str]
    event_type: str
    usage: tuple[tuple[str, dict[str, str]], ...]

    @property
    def customer_id(self) -> str:
        """Identifies the customer."""
        return f"cus_example_{self.name}"

    @property
    def subscription_id(self) -> str:
        """Identifies the subscription; the subject of the events."""
        return f"sub_example_{self.name}"


_DE = ("DE", "Berlin", "10115", "de-DE", "Europe/Berlin")
_US = ("US", "New York", "10001", "en-US", "America/New_York")

EXAMPLE_BILLS = (
    # Calls at home are billed 60/1, abroad 30/6 at the price of the longest prefix.
    ExampleBill(
        *("phone", "mobile_eur", "EUR", _DE, "mobile.call"),
        (
            ("2026-01-07T09:00:00Z", {"zone": "home", "seconds": "45"}),
            ("2026-01-08T09:00:00Z", {"zone": "home", "seconds": "61.2"}),
            (
                "2026-01-09T09:00:00Z",
                {"zone": "abroad", "number": "552133445566", "seconds": "31"},
            ),
            (
                "2026-01-10T09:00:00Z",
                {"zone": "abroad", "number": "551199887766", "seconds": "10"},
            ),
            (
                "2026-01-11T09:00:00Z",
                {"zone": "abroad", "number": "442071234567", "seconds": "65"},
            ),
        ),
    ),
    # Two tariffs; on 29 March the clock goes from 02:00 to 03:00.
    ExampleBill(
        *("power", "two_tariff_eur", "EUR", _DE, "power.interval"),
        (
            ("2026-03-28T04:30:00Z", {"kwh": "2"}),
            ("2026-03-28T12:00:00Z", {"kwh": "4"}),
            ("2026-03-29T00:30:00Z", {"kwh": "1.5"}),
            ("2026-03-29T01:30:00Z", {"kwh": "1.5"}),
            ("2026-03-29T04:30:00Z", {"kwh": "3"}),
        ),
    ),
    # 100 GiB free, tiers beyond, and 150.00 committed a month.
    ExampleBill(
        *("cloud", "transfer_eur", "EUR", _DE, "transfer.sent"),
        (
            ("2026-01-06T10:00:00Z", {"gib": "700"}),
            ("2026-01-20T10:00:00Z", {"gib": "500"}),
            ("2026-02-10T10:00:00Z", {"gib": "2600"}),
        ),
    ),
    # A request of more than 200,000 input tokens costs more, with all of its tokens.
    ExampleBill(
        *("ai", "requests_usd", "USD", _US, "llm.completion"),
        (
            (
                "2026-01-12T15:00:00Z",
                {"input": "200000", "cached": "100000", "output": "2000"},
            ),
            (
                "2026-01-13T15:00:00Z",
                {"input": "200001", "cached": "50000", "output": "4000"},
            ),
        ),
    ),
    # Ten seats from the first on, four from the 11th.
    ExampleBill(
        *("seats", "seats_eur", "EUR", _DE, "seats.changed"),
        (
            ("2025-12-31T23:00:00Z", {"seats": "10"}),
            ("2026-01-10T23:00:00Z", {"seats": "4"}),
        ),
    ),
)


def example_customers() -> Iterator[tuple[str, ...]]:
    """Rows of customers.csv, in the order of the sample's columns."""
    for bill in EXAMPLE_BILLS:
        country, city, postal_code, locale, timezone = bill.place
        yield (
            bill.customer_id,
            f"Example {bill.name.upper() if bill.name == 'ai' else bill.name.title()}",
            f"billing@{bill.name}.example",
            "1 Example Street",
            *(city, postal_code, country),
            f"{country}199999999",
            *(bill.currency_code, locale, timezone, ""),
        )


def example_subscriptions() -> Iterator[tuple[str, ...]]:
    """Rows of subscriptions.csv, in the order of the sample's columns."""
    for bill in EXAMPLE_BILLS:
        ids = (bill.subscription_id, bill.customer_id, bill.plan_code)
        yield (*ids, "2026-01-01", "", "calendar")


def example_events() -> Iterator[str]:
    """Lines of an NDJSON file; decimals are strings."""
    for bill in EXAMPLE_BILLS:
        for number, (at, data) in enumerate(bill.usage, start=1):
            event = {
                "specversion": "1.0",
                "id": f"example-{bill.name}-{number}",
                "source": "https://examples.example/meters",
                "type": bill.event_type,
                "subject": bill.subscription_id,
                "time": at,
                "data": data,
            }
            yield json.dumps(event) + "\n"
