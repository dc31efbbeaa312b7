"""Published cases of a price and what is used: models, tiers, packages, bounds, late readings.

What belongs here: one function per shape of case. What they may not do is in cases.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.golden.published.bills import Bill, Reading
from tests.golden.published.cases import Translation

UNLIMITED = "99999999999999999999999999"
MODELS = {
    "per_unit": "per_unit",
    "graduated": "tiered",
    "volume": "volume",
    "package": "package",
    "dynamic": "dynamic",
    "free_units": "per_unit",
}


def _columns(params: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Columns of prices.csv, and tiers, for the parameters of a price."""
    unit_price = [
        params.get(k) for k in ("unit_amount", "package_amount", "multiplier", "amount")
    ]
    columns = {
        "unit_price": next(filter(None, unit_price), "1"),
        "package_size": params.get("package_size", ""),
        "included_quantity": _allowance(params.get("free_units", "0")),
        "minimum_amount": params.get("minimum_spend", ""),
        "maximum_amount": params.get("maximum_spend", ""),
        "tiers": [
            (t["up_to"] or "", t["unit_amount"], t["flat_amount"])
            for t in params.get("tiers", ())
        ],
    }
    if convert := params.get("convert"):
        columns |= _converted(columns, convert["factor"], model)
    used = {name: value for name, value in columns.items() if value not in ("", "0", [])}
    if columns["tiers"]:
        del used["unit_price"]
    return used


def _allowance(free_units: str) -> str:
    return {"unlimited": UNLIMITED, "disabled": "0"}.get(free_units, free_units)


def _converted(columns: dict[str, Any], factor: str, model: str) -> dict[str, Any]:
    """Units that are divided by a factor and rounded up are packages of the factor."""
    if model == "graduated":
        return {
            "tiers": [
                (str(Decimal(up_to) * Decimal(factor)) if up_to else "", price, flat, factor)
                for up_to, price, flat in columns["tiers"]
            ]
        }
    return {"package_size": factor}


def _priced(t: Translation) -> None:
    """A price, and usage in one of the ways in which cases have it."""
    model = MODELS[t.case["model"]]
    columns = _columns(t.params, t.case["model"])
    if "package_size" in columns and model == "per_unit":
        model = "package"
    if percent := t.params.get("percent_discount"):
        t.discount("percentage", percent)
    for number, credit in enumerate(t.params.get("credits", ())):
        t.loads[0].grant(f"{t.name}-{number}", t.name, credit, currency_code=t.currency)
    if t.params.get("per_bucket"):
        t.price(model, meter_code="parts", **columns)
        for number, quantity in enumerate(t.usage["bucket_quantities"]):
            t.use(quantity, event_type="part", data={"part": str(number)})
        t.expect(_exact, "amount")
    elif "already_used_quantity" in t.params:
        _split_line(t, model, columns)
    elif "cumulative_quantities" in t.usage:
        t.price(model, **columns)
        _readings_that_replace_each_other(t)
    elif "already_billed_quantity" in t.params:
        t.price(model, **columns)
        t.use(t.params["already_billed_quantity"])
        t.use(t.usage["quantity"], load=1)
        t.expect(lambda bills: bills[1].net(), "amount")
    else:
        t.price(model, **columns)
        if "quantity" in t.usage:
            t.use(t.usage["quantity"])
        _expect_one_bill(t)


def _exact(bills: list[Bill]) -> Decimal:
    return bills[0].exact()


def _is_rounded(t: Translation) -> bool:
    return "rounding" in t.params or "places" in t.params or t.case["kind"] != "rating"


def _expect_one_bill(t: Translation) -> None:
    """Figures of a bill that comes out at once; converted units have no column."""
    known: dict[str, Reading] = {
        "amount": (lambda b: b[0].net()) if _is_rounded(t) else _exact,
        "usage_amount": lambda b: b[0].net("charge"),
        "gross": lambda b: b[0].net("charge", "minimum"),
        "true_up": lambda b: b[0].net("minimum"),
        "discount": lambda b: -b[0].net("maximum", "discount"),
        "percent_discount": lambda b: -b[0].net("discount"),
        "max_spend_discount": lambda b: -b[0].net("maximum"),
        "packages": lambda b: b[0].net(),
        "credits_applied": lambda b: b[0].credit(),
        "breakdown": lambda b: b[0].tiers(),
    }
    if "credits" in t.params:
        known["amount"] = lambda b: b[0].due()
    for key in t.case["expected"]:
        if key != "units":
            t.expect(known[key], key)


def _split_line(t: Translation, model: str, columns: dict[str, Any]) -> None:
    """A second line of the same period: the version of the price from 15 January on."""
    t.price(model, valid_to="2026-01-15", **columns)
    t.price(model, valid_from="2026-01-15", **columns)
    t.use(t.params["already_used_quantity"])
    t.use(t.usage["quantity"], at="2026-01-20T00:00:00Z")
    readings: dict[str, Reading] = {
        "amount": lambda b: b[0].exact("2026-01-15"),
        "units": lambda b: b[0].charged_quantity("2026-01-15"),
        "free_units": lambda b: b[0].free_quantity("2026-01-15"),
    }
    if "convert" in t.params:
        del readings["units"]
    for key in readings.keys() & t.case["expected"].keys():
        t.expect(readings[key], key)


def _readings_that_replace_each_other(t: Translation) -> None:
    """Each reading withdraws the one before, which has been invoiced by then."""
    quantities = t.usage["cumulative_quantities"]
    for load, quantity in enumerate(quantities):
        if load:
            t.loads[load].void(f"{t.name}-{load - 1}", source=f"load-{load - 1}")
        t.use(quantity, load=load, event_id=f"{t.name}-{load}")
    t.expect(lambda bills: [bill.net() for bill in bills[: len(quantities)]], "amounts")


def _rounded_conversion(t: Translation) -> None:
    """Units as an amount at a price of 1 for each of them."""
    factor = t.params["factor"]
    if t.params["round"] == "ceil":
        t.price("package", package_size=factor)
    elif t.params["operation"] == "divide":
        t.price(unit_price=str(1 / Decimal(factor)))
    else:
        t.price("dynamic", unit_price=factor)
    t.use(t.usage["quantity"])
    t.expect(_exact, "units")


def _free_of_converted(t: Translation) -> None:
    """Rounded up, then less what is free: a meter of its own that rounds up to the factor."""
    convert = t.params["convert"]
    world = t.loads[0]
    world.meter(t.name, t.name, rounding_increment=convert["factor"])
    factor = Decimal(convert["factor"])
    t.price(
        meter_code=t.name,
        unit_price=str(Decimal(t.params["unit_amount"]) / factor),
        included_quantity=str(Decimal(t.params["free_units"]) * factor),
    )
    t.use(t.usage["quantity"], event_type=t.name)
    t.expect(_exact, "amount")


def _per_unit(t: Translation) -> None:
    (_free_of_converted if {"convert", "free_units"} <= t.params.keys() else _priced)(t)


def _spend_over_the_maximum(t: Translation) -> None:
    """What was spent before and the line are one charge; its maximum caps both."""
    t.price(maximum_amount=t.params["maximum_spend"])
    t.use(t.params["already_billed_amount"])
    t.use(t.params["line_amount"])
    t.expect(lambda bills: -bills[0].net("maximum"), "discount")


def _matrix(t: Translation) -> None:
    dimension = t.params["dimension"]
    t.loads[0].meter(t.name, t.name, dimensions=dimension)
    for value, unit_price in t.params["rates"].items():
        price = {"unit_price": unit_price, "dimension_filter": f"{dimension}={value}"}
        t.price(meter_code=t.name, **price)
    for value, quantity in t.usage["quantities"].items():
        t.use(quantity, event_type=t.name, data={dimension: value})
    t.expect(_exact, "amount")


HANDLERS: dict[str, Callable[[Translation], None]] = {
    "per_unit": _per_unit,
    "graduated": _priced,
    "volume": _priced,
    "package": _priced,
    "dynamic": _priced,
    "free_units": _priced,
    "unit_conversion": _rounded_conversion,
    "max_spend_overage": _spend_over_the_maximum,
    "matrix": _matrix,
}
