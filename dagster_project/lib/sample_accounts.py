"""Who uses the sample: its customers, their subscriptions and the subjects of their usage.

What belongs here: rows of the accounts files and when a subscription may be used. What is used
is made in sample.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dagster_project.lib.sample_bills import example_customers, example_subscriptions

_CUSTOMERS_PER_PLAN = 15
_CUSTOMER_COLUMNS = (
    "customer_id customer_name email address_line city postal_code country_code tax_id "
    "currency_code locale timezone parent_customer_id"
)


@dataclass(frozen=True)
class Market:
    """A plan of the shipped price book and where its sample customers are."""

    plan_code: str
    industry: str
    currency_code: str
    # (country, city, postal code, locale, time zone), taken in turns
    places: tuple[tuple[str, str, str, str, str], ...]


_US_EAST = ("US", "New York", "10001", "en-US", "America/New_York")
_US_WEST = ("US", "Seattle", "98101", "en-US", "America/Los_Angeles")
_US_MID = ("US", "Chicago", "60601", "en-US", "America/Chicago")
_JP = ("JP", "Tokyo", "100-0001", "ja-JP", "Asia/Tokyo")
_GB = ("GB", "Leeds", "LS1 1AA", "en-GB", "Europe/London")
_FR = ("FR", "Lyon", "69001", "fr-FR", "Europe/Paris")
_BR = ("BR", "São Paulo", "01000-000", "pt-BR", "America/Sao_Paulo")
_DE = ("DE", "München", "80331", "de-DE", "Europe/Berlin")
_ES = ("ES", "Málaga", "29001", "es-ES", "Europe/Madrid")
_KW = ("KW", "Kuwait City", "13001", "en-GB", "Asia/Kuwait")
_MARKETS = (
    Market("ai_usd", "ai", "USD", (_US_EAST, _US_WEST)),
    Market("ai_jpy", "ai", "JPY", (_JP,)),
    Market("seats_usd", "seats", "USD", (_US_WEST,)),
    Market("seats_gbp", "seats", "GBP", (_GB,)),
    Market("cloud_eur", "cloud", "EUR", (_FR, _DE)),
    Market("cloud_usd", "cloud", "USD", (_US_MID,)),
    Market("telecom_brl", "telecom", "BRL", (_BR,)),
    Market("telecom_gbp", "telecom", "GBP", (_GB,)),
    Market("energy_eur", "energy", "EUR", (_DE, _ES)),
    Market("energy_kwd", "energy", "KWD", (_KW,)),
)


@dataclass(frozen=True)
class SampleSubscription:
    """A sample subscription; its usage lies in ``[used_from, used_to)``, inside its term.

    ``number`` counts the customers of a plan from 0 and decides what is special about it.
    """

    subscription_id: str
    customer_id: str
    market: Market
    number: int
    started_at: str
    ended_at: str
    billing_anchor: str
    used_from: datetime
    used_to: datetime
    is_only_one: bool

    @property
    def alias(self) -> str:
        """Another subject of the same subscription."""
        return self.subscription_id.replace("sub_", "key-").replace("_", "-")


_FIRST_NAMES = (
    *("Amber", "Birch", "Cedar", "Delta", "Ember", "Fjord", "Granite", "Harbor"),
    *("Indigo", "Juniper", "Kestrel", "Lumen", "Maple", "Nimbus", "Opal"),
)
_LAST_NAMES = {
    "ai": "Intelligence",
    "seats": "Studios",
    "cloud": "Archives",
    "telecom": "Logistics",
    "energy": "Foods",
}


def sample_subscriptions() -> list[SampleSubscription]:
    """Fifteen customers with one subscription for each plan, and one with two."""
    subscriptions: list[SampleSubscription] = []
    counts: dict[str, int] = {}
    for market_index, market in enumerate(_MARKETS):
        for number in range(_CUSTOMERS_PER_PLAN):
            customer = f"cus_{market_index * _CUSTOMERS_PER_PLAN + number + 1:04}"
            counts[market.industry] = counts.get(market.industry, 0) + 1
            name = f"sub_{market.industry}_{counts[market.industry]:04}"
            has_two = market.plan_code == "cloud_eur" and number == 7
            subscriptions.append(_subscription(name, customer, market, number, not has_two))
            if has_two:
                subscriptions.append(
                    _subscription("sub_cloud_0099", customer, market, number, False)
                )
    return subscriptions


def _subscription(
    name: str, customer: str, market: Market, number: int, is_only_one: bool
) -> SampleSubscription:
    """Decide term and anchor by number; usage keeps a day away from local midnights."""
    started, ended = "2026-01-01", ""
    anchor = "anniversary" if number % 5 == 0 else "calendar"
    used_from, used_to = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 3, 31, tzinfo=UTC)
    if number == 3:
        started, used_from = "2026-01-15", datetime(2026, 1, 16, tzinfo=UTC)
    elif number == 4:
        ended, used_to = "2026-03-10", datetime(2026, 3, 9, tzinfo=UTC)
    elif number == 6:
        started, anchor = "2026-02-10T08:30:00Z", "anniversary"
        used_from = datetime(2026, 2, 11, tzinfo=UTC)
    elif number == 10:
        started, used_from = "2026-01-31", datetime(2026, 2, 1, tzinfo=UTC)
    elif anchor == "anniversary":
        started, used_from = "2026-01-09", datetime(2026, 1, 10, tzinfo=UTC)
    return SampleSubscription(
        name, customer, market, number, started, ended, anchor, used_from, used_to, is_only_one
    )


def account_files(
    subscriptions: list[SampleSubscription],
) -> Iterator[tuple[str, str, Sequence[tuple[str, ...]]]]:
    """Name, columns and rows of each accounts file, the example customers last."""
    customers: dict[str, tuple[str, ...]] = {}
    for subscription in subscriptions:
        market, number = subscription.market, subscription.number
        country, city, postal_code, locale, timezone = market.places[
            number % len(market.places)
        ]
        # The second team of the first workspace is billed to the first.
        has_parent = market.plan_code == "seats_usd" and number == 1
        parent = f"cus_{int(subscription.customer_id[4:]) - 1:04}" if has_parent else ""
        customers[subscription.customer_id] = (
            subscription.customer_id,
            f"{_FIRST_NAMES[number]} {_LAST_NAMES[market.industry]} {country}",
            f"billing@{subscription.customer_id.replace('_', '-')}.example",
            f"{number + 1} Sample Street",
            city,
            postal_code,
            country,
            f"{country}{100000000 + int(subscription.customer_id[4:])}",
            market.currency_code,
            locale,
            timezone,
            parent,
        )
    yield (
        "customers.csv",
        _CUSTOMER_COLUMNS,
        [*customers.values(), *example_customers()],
    )
    yield (
        "subscriptions.csv",
        "subscription_id customer_id plan_code started_at ended_at billing_anchor",
        [
            *(
                (
                    subscription.subscription_id,
                    subscription.customer_id,
                    subscription.market.plan_code,
                    subscription.started_at,
                    subscription.ended_at,
                    subscription.billing_anchor,
                )
                for subscription in subscriptions
            ),
            *example_subscriptions(),
        ],
    )
    aliases = [(sub.alias, sub.subscription_id, "", "") for sub in subscriptions]
    aliases += [
        ("line-shared", "sub_telecom_0001", "", "2026-02-10"),
        ("line-shared", "sub_telecom_0002", "2026-02-10", ""),
    ]
    yield "subjects.csv", "subject subscription_id valid_from valid_to", aliases
