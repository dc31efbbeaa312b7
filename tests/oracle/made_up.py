"""How the oracles make their customers up and state prices.

What belongs here: what is the same for all of them.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.internal.conjecture.providers import HypothesisProvider

from tests.oracle.bills import Version

T = TypeVar("T", bound=Hashable)


def made_up(strategy: st.SearchStrategy[T], count: int) -> list[T]:
    """Examples of a strategy, up to a number of them, without repetitions.

    The same in every run; others where the environment has another number as `ORACLE_SEED`.
    """
    made: list[T] = []

    @seed(int(os.environ.get("ORACLE_SEED", "5")))
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: T) -> None:
        made.append(example)

    # Hypothesis would also draw from the constants of whichever modules are loaded by then.
    with patch.object(HypothesisProvider, "_maybe_draw_constant", return_value=None):
        collect()
    return list(dict.fromkeys(made))


def text(value: Decimal | date | None) -> str:
    """As written in a table."""
    return format(value, "f") if isinstance(value, Decimal) else str(value or "")


def version_columns(version: Version) -> dict[str, Any]:
    """A price version in the columns of the price book, and its tiers."""
    columns: dict[str, Any] = {
        "valid_from": text(version.starts_on),
        "valid_to": text(version.ends_on),
        "tiers": [
            (
                text(t.up_to),
                format(t.unit_price, "f"),
                text(t.flat_amount),
                text(t.package_size),
            )
            for t in version.tiers
        ],
    }
    if not version.tiers:
        columns["unit_price"] = text(version.unit_price)
    if version.model == "package":
        columns["package_size"] = text(version.package_size)
    if version.price_quantity:
        columns["price_quantity"] = text(version.price_quantity)
    if version.included:
        columns["included_quantity"] = text(version.included)
    if version.event_bounds:
        names = ("event_fee", "event_minimum_amount", "event_maximum_amount")
        columns |= dict(zip(names, map(text, version.event_bounds), strict=True))
        columns["free_event_count"] = str(version.free_events or "")
    return columns
