"""Published rating facts of other billing systems, put into files that land and a price book.

What belongs here: the translation of a case into rows of the price book, accounts and events,
and which figures of which bill its expectation is about. Nothing is priced, rounded or capped
here: a translation may only say the same in other columns, such as a price per thousand as a
thousandth per unit. Each case is a plan, a customer and a subscription of its own, through
January 2026 unless it has dates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.golden.published.bills import Reading
from tests.harness import Scenario

Case = Mapping[str, Any]
# Loads a case may need: the bill, and what comes in after it was issued, twice.
LOADS = 3


def shared_world() -> Scenario:
    """The meters that cases share."""
    world = Scenario()
    world.meter("used", "use")
    world.meter("events", "use", "count")
    world.meter("parts", "part", dimensions="part")
    codes = {"EUR": 2, "USD": 2, "GBP": 2, "INR": 2, "JPY": 0, "XXX": 4}
    world.tables["currencies"] = [
        {"currency_code": code, "minor_units": units} for code, units in codes.items()
    ]
    return world


@dataclass
class Translation:
    """One case on its way into the files; ``readings`` are its expectations."""

    case: Case
    loads: list[Scenario]
    terms: list[dict[str, str]] = field(default_factory=lambda: [{}])
    late_terms: list[dict[str, str]] = field(default_factory=list)
    readings: list[tuple[str, Any, Reading]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Identifier of the case, its plan, its customer and its subscription."""
        return str(self.case["id"])

    @property
    def params(self) -> dict[str, Any]:
        """Price parameters as published."""
        return dict(self.case["params"])

    @property
    def usage(self) -> dict[str, Any]:
        """Usage as published."""
        return dict(self.case["usage"])

    @property
    def currency(self) -> str:
        """Currency of the plan."""
        return str(self.case["currency"])

    def price(self, model: str = "per_unit", **columns: Any) -> None:
        """Add a price of 1 for what is used."""
        usual = {} if model == "flat" else {"meter_code": "used"}
        if not columns.get("tiers"):
            usual |= {"unit_price": "1"}
        self.loads[0].price(self.name, model, **(usual | columns))

    def use(self, quantity: str, load: int = 0, **columns: Any) -> None:
        """Send an event with one of the loads; ids count up within a load alone."""
        self.loads[load].event(self.name, quantity, **({"source": f"load-{load}"} | columns))

    def discount(self, kind: str, size: str, **columns: Any) -> None:
        """Take something off this plan."""
        scope = {"plan_code": self.name, "currency_code": self.currency}
        self.loads[0].discount(f"{self.name}-off", kind, size, **(scope | columns))

    def commit(self, amount: str, **columns: Any) -> None:
        """Commit the subscription to an amount."""
        scope = {"plan_code": self.name, "currency_code": self.currency}
        self.loads[0].commitment(f"{self.name}-deal", amount, **(scope | columns))

    def expect(self, reading: Reading, *keys: str) -> None:
        """Compare a reading of the bills with what is published under these keys."""
        for key in keys:
            self.readings.append((key, self.case["expected"][key], reading))

    def months(self, *quantities: str) -> None:
        """Use something in January and in February."""
        for month, quantity in zip(("01", "02"), quantities, strict=True):
            self.use(quantity, at=f"2026-{month}-10T00:00:00Z")

    def land(self) -> None:
        """Write plan, customer and subscription, as every load has them."""
        world = self.loads[0]
        world.plan(self.name, self.currency)
        for number, load in enumerate(self.loads):
            load.customer(self.name, currency_code=self.currency)
            for term in (number and self.late_terms) or self.terms:
                load.subscription(self.name, **term)
