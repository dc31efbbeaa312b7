"""Published cases of aggregation: events in, a quantity out.

What belongs here: one function, since the cases differ in their events alone. A quantity is
sold at a price of 1; where it arrives in a later load it is the amount of that bill, because
an adjustment has no quantity of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.golden.published.bills import Reading
from tests.golden.published.cases import Translation

# The order of events without a time is the order in which they are given.
FIRST = datetime(2026, 1, 10, tzinfo=UTC)


def _aggregation(t: Translation) -> None:
    _sell(t)
    events = t.usage["events"] * int(t.usage.get("repeat", "1"))
    for number, event in enumerate(events):
        properties = dict(event["properties"])
        at = event["timestamp"] or (FIRST + timedelta(hours=number)).isoformat()
        load = _load(t, properties.pop("stored_at", ""))
        identity = {
            "event_id": properties.pop("id", f"{t.name}-{number}"),
            "source": properties.pop("source", "test"),
        }
        t.loads[load].event(t.name, at=at, event_type=t.name, data=properties, **identity)
    readings: dict[str, Reading] = {
        "units": lambda bills: bills[0].quantity(),
        "groups": lambda bills: bills[0].groups(t.params["group_by"]),
        "windows": lambda bills: bills[0].windows(t.params.get("window", "minute")),
    }
    if t.params.get("window") == "day":
        readings["windows"] = lambda bills: bills[0].daily()
    if "stored_from" in t.params:
        readings["units"] = lambda bills: bills[1].net()
    for key in t.case["expected"]:
        t.expect(readings[key], key)


def _sell(t: Translation) -> None:
    """A meter and a price; a new version of it where a window shorter than a day begins."""
    p = t.params
    values = {name for event in t.usage["events"] for name in event["properties"]}
    columns = {"dimensions": p.get("group_by", "")}
    if t.case["model"] != "count":
        columns["value_property"] = "item" if "item" in values else "value"
    if conditions := p.get("filter"):
        columns["filter"] = ";".join(f"{name}={value}" for name, value in conditions.items())
    t.loads[0].meter(t.name, t.name, t.case["model"], **columns)
    if "from" in p:
        t.terms = [{"started_at": p["from"], "ended_at": p["to"]}]
    for valid_from, valid_to in pairwise(["", *_cuts(p, t.case["expected"]), ""]):
        t.price(meter_code=t.name, valid_from=valid_from, valid_to=valid_to)


def _cuts(params: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    if params.get("window") == "minute":
        return [window["start"] for window in expected["windows"][1:]]
    return [params["split_at"]] if "split_at" in params else []


def _load(t: Translation, stored_at: str) -> int:
    """A load ends at each bound of the storage times that a case asks for."""
    bounds = [t.params[key] for key in ("stored_from", "stored_before") if key in t.params]
    return sum(bound <= stored_at for bound in bounds)


MODELS = ("count", "sum", "max", "min", "latest", "unique_count")
HANDLERS: dict[str, Callable[[Translation], None]] = dict.fromkeys(MODELS, _aggregation)
