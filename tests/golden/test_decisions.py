"""The worked examples of docs/billing_decisions.md that are no bill of test_golden_bills.

Every example is one customer, or a few, with a plan of its own; all are billed by one build.
"""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.lib.documents import render_period
from tests.harness import REPOSITORY, Installation, Scenario, build

TEMPLATES = REPOSITORY / "invoice_templates"


# Whatever a name or a value holds, it is text, and not a part of what it is put into.
HOSTILE = {
    'mo"del': 'a"b',
    "back\\slash": "c:\\new\\",
    "{{ this }}": "{% raw %}",
    "größe/~1": "<b>#panic(1)$x$</b>",
    "it's ${env:HOME}": "it's -- ${HOME}; \n\r\t \x00\x1b \u202eevil\u2028",
    "عربي": "مرحبا",
    "long": "w" * 5000,
}


def _sold(world: Scenario, name: str, **price: str) -> None:
    """Sell a plan at 1 per unit of `used`, unless the price says otherwise."""
    terms = {"pricing_model": "per_unit", "meter_code": "used", "unit_price": "1"} | price
    world.plan(name)
    world.price(name, terms.pop("pricing_model"), **terms)
    world.customer(name)
    world.subscription(name)


def shared_world() -> Scenario:
    """A customer for each decision."""
    scenario = Scenario()
    scenario.meter("used", "use")
    scenario.meter("input", "tokens", value_property="input_tokens")
    scenario.meter("output", "tokens", value_property="output_tokens")
    scenario.meter("call", "call", rounding_increment="1", minimum_quantity="60")
    scenario.meter("by_model", "llm", dimensions="model")
    # Properties have the names that the sender gave them.
    scenario.meter(
        "sent", "send", value_property="kb/s~1.é $", filter="to=b", dimensions="a/~0"
    )
    for rate, dates in {"10": ("", "2026-01-31"), "20": ("2026-01-31", "")}.items():
        scenario.tax_rates.append(
            {"tax_category": "standard", "country_code": "DE", "tax_code": "DE", "rate": rate}
            | dict(zip(("valid_from", "valid_to"), dates, strict=True))
        )
    scenario.tax_rates.append(
        {"tax_category": "zero", "country_code": "DE", "tax_code": "DE-0", "rate": "0"}
    )

    _sold(scenario, "missing", meter_code="input")
    for event_id, data in {
        "one": {"input_tokens": "7"},
        "none": {},
        "wrong": {"input_tokens": "7", "output_tokens": "x"},
    }.items():
        scenario.event(
            "missing", event_type="tokens", data=data, event_id=f"missing-{event_id}"
        )

    _sold(scenario, "order")
    scenario.event("order", '"x"', event_id="order-voided")
    scenario.void("order-voided")
    scenario.event("nobody", event_type="other", event_id="order-unmetered")
    scenario.event("order", "3", event_id="order-twice", file="b")
    scenario.event("order", "3", event_id="order-twice", file="c")
    scenario.void("order-twice")

    _sold(scenario, "subject")
    scenario.subscription("other", customer_id="subject", plan_code="subject")
    scenario.subjects += [
        {"subject": "other", "subscription_id": "subject"},
        {"subject": "both", "subscription_id": "subject"},
        {"subject": "both", "subscription_id": "other"},
        {"subject": "order", "subscription_id": "other"},
    ]
    scenario.customer("pair")
    for name in ("pair-1", "pair-2"):
        scenario.subscription(name, customer_id="pair", plan_code="subject")
    for subject, quantity in (("other", "1"), ("both", "2"), ("pair", "4")):
        scenario.event(subject, quantity, event_id=f"subject-{subject}")

    _sold(scenario, "reversal", meter_code="call")
    for quantity in ("-7", "0"):
        scenario.event("reversal", quantity, event_type="call")

    _sold(scenario, "models", meter_code="by_model", included_quantity="100")
    for model, quantity in (("a", "130"), ("b", "110")):
        scenario.event("models", quantity, event_type="llm", data={"model": model})

    _sold(scenario, "sender", meter_code="sent")
    for place, size in (("b", "5"), ("c", "9")):
        names = {"kb/s": "1", "kb/s~1.é $": size, "to": place, "a": "x", "a/~0": "y"}
        scenario.event("sender", event_type="send", data=names)

    text = "".join(HOSTILE) + "|;="
    scenario.meter(
        "hostile", text, meter_name=text, unit=text, dimensions="|".join(HOSTILE),
        filter='back\\slash=c:\\new\\;mo"del=a"b|x',
    )  # fmt: skip
    by_name = {"meter_code": "hostile", "charge_name": text, "maximum_amount": "3"}
    _sold(scenario, "hostile", dimension_filter='mo"del=a"b;{{ this }}={%*', **by_name)
    scenario.price("hostile", "per_unit", unit_price="5", **by_name)
    named = {"customer_name": text, "address_line": text, "timezone": "x" * 300}
    scenario.customers[-1] = {**scenario.customers[-1], **named}
    for quantity, model in (("4", 'a"b'), ("1", "x")):
        data = HOSTILE | {'mo"del': model}
        scenario.event("hostile", quantity, event_type=text, data=data)

    fee = {"charge": "fee", "pricing_model": "flat", "meter_code": ""}
    taxed = {"tax_category": "standard"}
    _sold(scenario, "fee", **fee, unit_price="10", valid_to="2026-01-15", **taxed)
    late = {"unit_price": "99", "valid_from": "2026-01-15"} | taxed
    scenario.price("fee", "flat", charge="fee", **late)
    _sold(scenario, "taxed", **fee, unit_price="10", tax_category="standard")
    _sold(scenario, "untaxed", **fee, unit_price="10", tax_category="zero")

    _sold(scenario, "horizon", **fee, unit_price="10")
    scenario.subscriptions[-1] = scenario.subscriptions[-1] | {"ended_at": ""}
    scenario.event("horizon", "1", at="2026-03-01T00:00:00Z", event_id="horizon-late")

    _sold(scenario, "credit")
    scenario.event("credit", "-5")

    _sold(scenario, "mended")
    # Sent whole on another day, then wrongly again, then both of these again.
    for file, quantity, day in (
        ("b", '"abc"', "10"),
        ("c", "5", "12"),
        ("d", "7", "12"),
        ("e", "5.0", "12"),
        ("f", '"abc"', "10"),
        ("g", "7", "12"),
    ):
        at = f"2026-01-{day}T12:00:00Z"
        scenario.event("mended", quantity, at=at, event_id="mended-late", file=file)
    for event_id, quantities in {
        "mended-never": ('"uvw"', '"xyz"', '"xyz"'),
        "mended-withdrawn": ('"abc"', "100"),
        "mended-never-withdrawn": ('"abc"', '"xyz"'),
        "mended-in-vain": ("40", '"abc"'),
    }.items():
        for file, quantity in zip("bcd", quantities, strict=False):
            scenario.event("mended", quantity, event_id=event_id, file=file)
        if event_id.endswith("withdrawn"):
            scenario.void(event_id)

    _sold(scenario, "numbers")
    for quantity in NUMBERS:
        scenario.event("numbers", quantity)
    scenario.event("numbers", '"1"', data={"quantity ": "9", "note": " 5 "})
    for number, quantity in enumerate(UNUSABLE):
        scenario.event("numbers", quantity, event_id=f"numbers-{number}")
    return scenario


# Together 1006.250000625 and the 1 of the event beside them.
NUMBERS = (
    ".5",
    '".25"',
    "+1",
    "5.",
    '" 1e3 "',
    '"6.25E-07"',
    '"\\u00a0-.5\\t"',
)
# Each with what is said of it.
UNUSABLE = {
    '"1 000"': "quantity: '1 000' is no number",
    '"1,5"': "quantity: '1,5' is no number",
    '"e5"': "quantity: 'e5' is no number",
    '"  "': "quantity: '  ' is no number",
    "true": "quantity: 'true' is no number",
    '""': "missing or empty: quantity",
    "0.30000000000000004": (
        "quantity: '0.30000000000000004' has more than 12 places, as a number held in binary"
        " has; send it as a decimal or as text"
    ),
    "1e26": "quantity: '1e26' has more than 26 digits before the point",
    '"1e99999999999"': "quantity: '1e99999999999' has more than 26 digits before the point",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    folder = tmp_path_factory.mktemp("decisions")
    return build(folder, shared_world(), dbt_folder=dbt_folder, period="2026-01")


MENDED = {
    "mended-late": [
        ("rejected", "quantity: 'abc' is no number", True),
        ("conflicting_duplicate", None, False),
        ("duplicate", None, False),
        ("duplicate", None, False),
        ("conflicting_duplicate", None, False),
    ],
    "mended-never": [
        ("rejected", "quantity: 'uvw' is no number", False),
        ("rejected", "quantity: 'xyz' is no number", False),
        ("duplicate", None, False),
    ],
    "mended-withdrawn": [
        ("rejected", "quantity: 'abc' is no number", True),
        ("voided", None, False),
    ],
    # Otherwise nobody could say that nothing will come of it.
    "mended-never-withdrawn": [("voided", None, False), ("voided", None, False)],
    "mended-in-vain": [("conflicting_duplicate", None, False)],
}


@pytest.mark.parametrize("event_id", MENDED)
def test_the_first_that_is_not_rejected_takes_the_id(
    world: Installation, event_id: str
) -> None:
    """What was sent again whole would not be billed, or a copy of it twice."""
    rows = world.rows(
        "select fate, detail, is_mended from marts.fct_event_exceptions"
        " where event_id = ? order by source_file",
        [event_id],
    )
    assert [tuple(row.values()) for row in rows] == MENDED[event_id]


def test_what_is_rejected_names_property_value_and_customer(world: Installation) -> None:
    """Nobody could mend, or ask for, what is not billed."""
    rows = world.rows(
        "select detail, subject, customer_id from marts.fct_event_exceptions"
        " where event_id like 'numbers-%' and fate = 'rejected' order by event_id"
    )
    assert [tuple(row.values()) for row in rows] == [
        (detail, "numbers", "numbers") for detail in UNUSABLE.values()
    ]


FATES = {
    "missing-none": ("rejected", "invalid_quantity"),
    "missing-wrong": ("rejected", "invalid_quantity"),
    # A withdrawn event is withdrawn, whatever else is wrong with it.
    "order-voided": ("voided", ""),
    # Usage that no meter takes could not be billed to anybody.
    "order-unmetered": ("unmetered", ""),
    "subject-both": ("ambiguous_subscription", ""),
    "subject-pair": ("ambiguous_subscription", ""),
}


@pytest.mark.parametrize("event_id", FATES)
def test_the_fate_is_the_one_decided(world: Installation, event_id: str) -> None:
    rows = world.rows(
        "select fate, coalesce(reason, '') as reason from marts.fct_event_exceptions"
        " where event_id = ?",
        [event_id],
    )
    assert [tuple(row.values()) for row in rows] == [FATES[event_id]]


def test_a_void_withdraws_the_first_and_its_repeat_stays_one(world: Installation) -> None:
    rows = world.rows(
        "select fate from marts.fct_event_exceptions where event_id = 'order-twice'"
        " order by fate"
    )
    assert [row["fate"] for row in rows] == ["duplicate", "voided"]


# Customer: quantity and net amount of each line, by subscription and quantity.
LINES = {
    # The event without output tokens is 7 input tokens.
    "missing": [("7", "7")],
    # The subscription "other" goes before the alias of the same text.
    "subject": [("1", "1")],
    # -7 seconds under 60/1 are -60, and 0 stays 0.
    "reversal": [("-60", "-60")],
    # Each model has 100 free units of its own.
    "models": [("110", "10"), ("130", "30")],
    # What was sent to b, read from the property of that name and of no similar one.
    "sender": [("5", "5")],
    # Owed once, at the price in force when the month starts.
    "fee": [("1", "10")],
    # 5 sent again whole, and 40 that was whole from the start.
    "mended": [("45", "45")],
    "numbers": [("1007.250000625", "1007.25")],
}


@pytest.mark.parametrize("customer", LINES)
def test_the_lines_are_those_decided(world: Installation, customer: str) -> None:
    rows = world.rows(
        "select lines.quantity, lines.net_amount from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
        " where customer_id = ? order by subscription_id, quantity",
        [customer],
    )
    expected = [tuple(Decimal(text) for text in line) for line in LINES[customer]]
    assert [tuple(row.values()) for row in rows] == expected


# Customer: tax, total, type of document and flags.
INVOICES = {
    # The rate of 31 January, the last day of the line, not that of the first.
    "taxed": ("2", "12", "invoice", ""),
    # It is for all of January, whose last day is the 31st.
    "fee": ("2", "12", "invoice", ""),
    "untaxed": ("0", "10", "invoice", ""),
    "credit": ("0", "-5", "invoice", "The net amount is negative"),
}


@pytest.mark.parametrize("customer", INVOICES)
def test_the_invoice_is_the_one_decided(world: Installation, customer: str) -> None:
    (row,) = world.rows(
        "select tax_amount, total_amount, document_type, flags from marts.fct_invoices"
        " where customer_id = ?",
        [customer],
    )
    tax, total, *texts = INVOICES[customer]
    assert list(row.values()) == [Decimal(tax), Decimal(total), *texts]


def test_drafts_reach_to_the_latest_usage(world: Installation) -> None:
    """Billed is January, and the last event is of March."""
    rows = world.rows(
        "select billing_period from marts.fct_invoices where customer_id = 'horizon'"
        " order by billing_period"
    )
    assert [row["billing_period"] for row in rows] == ["2026-01", "2026-02", "2026-03"]


def test_names_and_values_are_text_whatever_they_hold(
    world: Installation, tmp_path: Path
) -> None:
    """They made JSON that nobody could read: invoices had numbers and no documents.

    4 at 1 by their own filter, of which 3 are the most, and 1 at 5, of which 3 are.
    """
    rows = world.rows(
        "select dimension_values, line_type, lines.net_amount"
        " from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices using (invoice_id)"
        " where customer_id = 'hostile' order by line_number"
    )
    shown = [
        (json.loads(row["dimension_values"]), row["line_type"], row["net_amount"])
        for row in rows
    ]
    assert shown == [
        (HOSTILE, "charge", Decimal(4)),
        (HOSTILE | {'mo"del': "x"}, "charge", Decimal(5)),
        ({'mo"del': 'a"b', "{{ this }}": "{%*"}, "maximum", Decimal(-1)),
        ({}, "maximum", Decimal(-2)),
    ]
    with world.read() as connection:
        documents = render_period(connection, "2026-01", tmp_path, TEMPLATES)
    assert [document.reason for document in documents if document.reason] == []
    (document,) = [found for found in documents if found.customer_id == "hostile"]
    form = json.loads(document.json_path.read_text(encoding="utf-8"))
    assert form["lines"][0]["dimension_values"] == HOSTILE
    assert form["lines"][0]["charge_name"] == "".join(HOSTILE) + "|;="
    page = document.html_path.read_text(encoding="utf-8")
    assert "&lt;b&gt;#panic(1)$x$&lt;/b&gt;" in page
    assert "\u202e" not in page
