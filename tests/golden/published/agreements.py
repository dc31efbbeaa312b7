"""Published cases of fees, agreements and taxes: what is done to an amount once it is there.

What belongs here: one function per shape of case. What they may not do is in cases.py. An
amount that a case starts from is usage at a price of 1.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tests.golden.published.bills import Bill
from tests.golden.published.cases import Translation

EVERY_DAY = "mon|tue|wed|thu|fri|sat|sun"


# --- rounding -----------------------------------------------------------------------------


def _currency_rounding(t: Translation) -> None:
    t.price()
    t.use(t.usage["quantity"])
    t.expect(lambda bills: bills[0].net(), "amount")


def _lines_then_sum(t: Translation) -> None:
    """Each amount is a line, because each is of another part."""
    p = t.params
    amounts = p.get("line_amounts") or [p["line_amount"]] * int(p["repeat"])
    t.price(meter_code="parts")
    for number, amount in enumerate(amounts):
        t.use(amount, event_type="part", data={"part": str(number)})
    t.expect(lambda bills: bills[0].net(), "amount")


def _allocation(t: Translation) -> None:
    """A fixed discount, shared over fees that are as the weights."""
    charges = [f"fee-{number}" for number, _ in enumerate(t.params["weights"])]
    for charge, weight in zip(charges, t.params["weights"], strict=True):
        # Larger than the discount, in the same ratio.
        t.price("flat", charge=charge, unit_price=str(Decimal(weight) * 1000))
    t.discount("fixed", t.params["total"])
    t.expect(
        lambda bills: [-bills[0].net("discount", charge=charge) for charge in charges],
        "amounts",
    )


# --- commitments --------------------------------------------------------------------------


def _true_up(t: Translation) -> None:
    t.price()
    t.use(t.usage["used"])
    t.commit(t.params["commitment"])
    t.expect(lambda bills: bills[0].net("true_up"), "true_up")


def _commitment_overage(t: Translation) -> None:
    t.price(meter_code="events", unit_price=t.params["unit_amount"])
    for _ in range(int(t.usage["event_count"])):
        t.use("1")
    t.commit(t.params["commitment_amount"], overage_factor=t.params["overage_factor"])
    t.expect(lambda bills: bills[0].net(), "amount")


def _cumulative_commitment(t: Translation) -> None:
    """Prior periods are January, and the period is February, of a term that goes on."""
    p = t.params
    term = {
        "valid_from": "2026-01-01",
        "valid_to": "2027-01-01",
        "commitment_interval": "term",
    }
    t.commit(p["commitment_amount"], overage_factor=p["overage_factor"], **term)
    t.terms = [{"ended_at": ""}]
    t.price(meter_code="parts")
    t.use(p["prior_amount"], event_type="part", data={"part": "0"})
    amounts = t.usage.get("line_amounts") or [t.usage["amount"]]
    for number, amount in enumerate(amounts):
        part = {"part": str(number)}
        t.use(amount, event_type="part", data=part, at="2026-02-10T00:00:00Z")
    t.expect(lambda bills: bills[0].net(period="2026-02"), "amount")
    if "amounts" in t.case["expected"]:
        t.expect(
            lambda bills: [
                line["net_amount"]
                for line in bills[0].lines
                if line["billing_period"] == "2026-02"
            ],
            "amounts",
        )


def _window_commitment(t: Translation) -> None:
    (_commitment_by_hour if "windows" in t.params else _commitment_by_period)(t)


def _commitment_by_period(t: Translation) -> None:
    """A window is a billing period, with a commitment of its own: January and February."""
    p = t.params
    t.price(unit_price=p["unit_amount"])
    t.months(*t.usage["bucket_quantities"])
    t.terms = [{"ended_at": "2026-03-01"}]
    t.commit(p["commitment_amount"], overage_factor=p["overage_factor"])
    t.expect(lambda bills: bills[0].net(), "amount")


def _commitment_by_hour(t: Translation) -> None:
    """The hours of the window are a band with a charge and a commitment to that charge."""
    world, window, rest = t.loads[0], t.params["windows"][0], t.params["default"]
    start, end = (f"{hour}:00" for hour in window["hours"].split("-"))
    bands = [("00:00", start, "rest"), (start, end, "window"), (end, "24:00", "rest")]
    for from_time, to_time, band in bands:
        if from_time != to_time:
            world.tables.setdefault("time_bands", []).append(
                {
                    "dimension": t.name,
                    "days": EVERY_DAY,
                    "from_time": from_time,
                    "to_time": to_time,
                    "band": band,
                }
            )
    world.meter(t.name, t.name, dimensions=t.name)
    for band, price in (("window", window), ("rest", rest)):
        t.price(
            charge=band,
            meter_code=t.name,
            unit_price=price["unit_amount"],
            dimension_filter=f"{t.name}={band}",
        )
        committed = price.get("commitment_amount")
        if "commitment_quantity" in price:
            committed = str(
                Decimal(price["commitment_quantity"]) * Decimal(price["unit_amount"])
            )
        if committed:
            deal = {"commitment_code": f"{t.name}-{band}", "charge_code": band}
            t.commit(committed, overage_factor=price["overage_factor"], **deal)
    for event in t.usage["events"]:
        t.use(event["properties"]["value"], at=event["timestamp"], event_type=t.name)
    t.expect(lambda bills: bills[0].net(), "amount")


# --- discounts and taxes ------------------------------------------------------------------


def _coupon(t: Translation) -> None:
    """Another fee keeps what is discounted to nothing from being no invoice at all."""
    p = t.params
    charges = [f"usage-{number}" for number, _ in enumerate(p.get("fees", "1"))]
    for charge, amount in zip(charges, p.get("fees") or [p["amount"]], strict=True):
        t.price(charge=charge, unit_price=amount)
    t.price("flat", charge="other")
    t.use("1")
    for charge in charges:
        kind, size = ("percentage", p["rate"]) if "rate" in p else ("fixed", p["discount"])
        t.discount(kind, size, discount_code=f"{t.name}-{charge}", charge_code=charge)
    readings = {
        "discount": lambda bills: -bills[0].net("discount"),
        "amount": lambda bills: bills[0].net(charge=charges[0]),
        "amounts": lambda bills: [-bills[0].net("discount", charge=c) for c in charges],
    }
    for key in t.case["expected"]:
        t.expect(readings[key], key)


def _tax(t: Translation) -> None:
    p = t.params
    for number, rate in enumerate(p.get("rates") or [p["rate"]]):
        row = {"tax_category": t.name, "country_code": "DE", "tax_code": f"{t.name}-{number}"}
        t.loads[0].tax_rates.append(row | {"rate": rate})
    t.price(tax_category=t.name)
    t.use(p["amount"])
    if "discount" in p:
        t.discount("fixed", p["discount"])
    readings = {
        "amount": Bill.tax,
        "amounts": Bill.tax_amounts,
        "total": Bill.total,
    }
    for key in t.case["expected"]:
        reading = readings[key]
        t.expect(lambda bills, reading=reading: reading(bills[0]), key)


def _credit_cap(t: Translation) -> None:
    """What was paid, what was credited and what might be credited are three loads of usage.

    Usage under tiers is never below zero, so that no more is given back than was paid.
    """
    t.price("tiered", tiers=[("", "1")])
    t.use(t.params["paid"])
    for load, key in ((1, "already_credited"), (2, "potential_credit")):
        t.use(_opposite(t.params[key]), load=load)
    t.expect(lambda bills: -bills[2].net(), "amount")


def _opposite(text: str) -> str:
    return text[1:] if text.startswith("-") else f"-{text}"


# --- fees ---------------------------------------------------------------------------------


def _flat(t: Translation) -> None:
    p = t.params
    if "change" in p:
        _fees_that_change(t)
    elif "effective" in p:
        _fee_of_april(t)
    else:
        t.price(
            "flat",
            unit_price=p["amount"],
            billed="advance",
            prorated=str(t.case["kind"] == "proration" and p.get("enabled", True)).lower(),
        )
        if "percent_discount" in p:
            t.discount("percentage", p["percent_discount"])
        if days := p.get("days"):
            # So many days up to the end of January, which is the full period.
            t.terms = [{"started_at": f"2026-01-{32 - int(days[0]):02}"}]
            if days[0] == "0":
                t.terms = [{"started_at": "2026-01-10", "ended_at": "2026-01-10"}]
        elif p.get("service_period_longer_than_full"):
            t.terms = [{"started_at": "2025-12-01", "ended_at": "2026-03-01"}]
            t.expect(
                lambda bills: _fee_from(bills[0], "2026-01-01"),
                "amount",
            )
            return
        elif not p.get("enabled", True):
            t.terms = [{"started_at": "2026-01-10"}]
        t.expect(lambda bills: bills[0].net(), "amount")


def _fee_from(bill: Bill, day: str) -> Decimal:
    fees = [row["net_amount"] for row in bill.lines if f"{row['period_from']:%Y-%m-%d}" == day]
    return sum(fees, Decimal(0))


def _fees_that_change(t: Translation) -> None:
    """A plan paid for March in advance; the change to the next one on 15 March comes after."""
    p = t.params
    fee = {"billed": "advance", "prorated": "true"}
    march = {"started_at": "2024-03-01", "ended_at": "2024-04-01"}
    later = f"{t.name}-new"
    t.loads[0].plan(later, t.currency)
    if "old_amount" in p:
        t.price("flat", charge="old", unit_price=p["old_amount"], **fee)
    if "new_amount" in p:
        t.loads[0].price(later, "flat", charge="new", unit_price=p["new_amount"], **fee)
    t.terms = [march]
    t.late_terms = [
        march | {"ended_at": p["change"]},
        march | {"started_at": p["change"], "plan_code": later},
    ]
    t.expect(lambda bills: bills[1].net(), "amount")
    if "amounts" in t.case["expected"]:
        t.expect(lambda bills: [bills[1].net(charge=c) for c in ("old", "new")], "amounts")


def _fee_of_april(t: Translation) -> None:
    """A fee from some day of April on; or one that ends on it after it was billed lower."""
    p = t.params
    started_at, ended_at = p["period"]
    t.price("flat", unit_price=p["amount"], billed="advance", prorated="true")
    if "billed" in p:
        t.discount("fixed", str(Decimal(p["amount"]) - Decimal(p["billed"])))
        t.terms = [{"started_at": started_at, "ended_at": ended_at}]
        t.late_terms = [{"started_at": started_at, "ended_at": p["effective"]}]
        t.expect(lambda bills: -bills[1].net(), "amount")
    else:
        t.terms = [{"started_at": p["effective"], "ended_at": ended_at}]
        t.expect(lambda bills: bills[0].net(), "amount")


HANDLERS: dict[str, Callable[[Translation], None]] = {
    "currency_rounding": _currency_rounding,
    "line_then_sum": _lines_then_sum,
    "allocation": _allocation,
    "true_up": _true_up,
    "commitment_overage": _commitment_overage,
    "cumulative_commitment": _cumulative_commitment,
    "window_commitment": _window_commitment,
    "coupon_percentage": _coupon,
    "coupon_fixed": _coupon,
    "tax": _tax,
    "credit_cap": _credit_cap,
    "flat": _flat,
}
