"""Bills worked out by hand for filters of meters and prices: what each condition takes.

Written like test_golden_bills.py. Quantities are powers of two where it matters which events
were taken: no other events come to the same sum.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.golden.test_golden_bills import Case
from tests.harness import Installation, Scenario, build

Arrangement = Callable[[Case], None]
ARRANGEMENTS: list[Arrangement] = []
SHIFTS = [("00:00", "06:00", "night"), ("06:00", "22:00", "day"), ("22:00", "24:00", "night")]


def golden(arrangement: Arrangement) -> Arrangement:
    """Put a case into the world."""
    ARRANGEMENTS.append(arrangement)
    return arrangement


def sends(case: Case, event_type: str, name: str, values: list[str | None]) -> None:
    """Send 1, 2, 4, 8 and so on, each with the next of the values of a property."""
    for power, value in enumerate(values):
        data = {} if value is None else {name: value}
        case.world.event(case.name, str(2**power), event_type=event_type, data=data)


@golden
def a_band_in_the_filter(case: Case) -> None:
    """A call of no seconds is not answered, and one without a duration is neither.

    Answered are 2 + 8: by the filter of a meter, which has no such dimension, and by that of a
    price, for the meter that has it.
    """
    case.price("per_unit", charge="a", meter_code="answered", unit_price="1")
    by_price = {"meter_code": "by_answer", "dimension_filter": "answered=yes"}
    case.price("per_unit", charge="b", unit_price="1", **by_price)
    case.price("per_unit", charge="b", unit_price="0", meter_code="by_answer")
    sends(case, "dialled", "seconds", ["0", "0.000000000001", "0.0", "1e1", None, "-1"])
    case.owes("10", "10", "10.00", charge_code="a", dimension_values="{}")
    case.owes("10", "10", "10.00", charge_code="b", dimension_values='{"answered": "yes"}')


@golden
def a_band_of_the_time_in_the_filter(case: Case) -> None:
    """Night in Berlin ends at 05:00Z on 28 March, at 04:00Z on the 29th; it begins at 22:00.

    Of 1 + 2 + 4 + 8 + 16 the night has 2 and 8, of which 8 is for heating.
    """
    case.customer = {"timezone": "Europe/Berlin"}
    case.term = {"started_at": "2026-03-01", "ended_at": "2026-04-01"}
    case.price("per_unit", charge="a", meter_code="by_night", unit_price="1")
    case.price("per_unit", charge="b", meter_code="heat_by_night", unit_price="1")
    for power, at in enumerate(
        [
            "2026-03-28T05:00:00Z",
            "2026-03-28T04:59:59.999999Z",
            "2026-03-29T04:00:00Z",
            "2026-03-29T03:59:59.999999Z",
            "2026-03-29T19:59:59.999999Z",
        ]
    ):
        use = {"for": "light" if power < 3 else "heat"}
        case.world.event(case.name, str(2**power), event_type="power", at=at, data=use)
    march = {"billing_period": "2026-03"}
    case.owes("10", "10", "10.00", charge_code="a", **march)
    case.owes("8", "8", "8.00", charge_code="b", **march)


@golden
def all_but_some(case: Case) -> None:
    """Neither missed nor busy nor begun by "no": 1 + 8 + 16 + 32, with what says nothing.

    What `outcome=missed|busy|no*` takes is the rest, 2 + 4 + 64: every event is one of both.
    """
    case.price("per_unit", charge="a", meter_code="reached", unit_price="1")
    case.price("per_unit", charge="b", meter_code="unreached", unit_price="1")
    outcomes = ["answered", "missed", "busy", None, "", "MISSED", "nobody"]
    sends(case, "call", "outcome", outcomes)
    case.owes("57", "57", "57.00", charge_code="a")
    case.owes("70", "70", "70.00", charge_code="b")


@golden
def numbers_in_a_span(case: Case) -> None:
    """From 60 to under 1e3: 2 + 4 + 8. Nothing, text and what is outside are left out.

    Over -1.5 and up to 60: 1 + 2 + 4 + 64 of 127.
    """
    case.price("per_unit", charge="a", meter_code="span", unit_price="1")
    case.price("per_unit", charge="b", meter_code="low", unit_price="1")
    sizes = ["59.999999999999", "60", "6e1", "999.999999999999", "1000.0", "many", "-1.4"]
    sends(case, "job", "size", [*sizes, None, "-1.50", ""])
    case.owes("14", "14", "14.00", charge_code="a")
    case.owes("71", "71", "71.00", charge_code="b")


@golden
def equal_as_numbers(case: Case) -> None:
    """30 is 30.0, +30, 3e1, 030 and " 30 ", and not 31, 30x or 3: 63, and 256 is "fast"."""
    case.price("per_unit", charge="a", meter_code="thirty", unit_price="1")
    written = ["30", "30.0", "+30", "3e1", "030", " 30 ", "31", "30x", "fast", "3", None]
    sends(case, "image", "steps", written)
    case.owes("319", "319", "319.00")


@golden
def numbers_of_json(case: Case) -> None:
    """Of 30.0, 0.0 and 2.50, 0 is left out, and only 2.5 is 2.5."""
    case.price("per_unit", charge="a", meter_code="nonzero", unit_price="1")
    case.price("per_unit", charge="b", meter_code="two_and_a_half", unit_price="1")
    for quantity in ("30.0", "0.0", "2.50"):
        case.world.event(case.name, quantity, event_type="reading")
    case.owes("2", "2", "2.00", charge_code="a")
    case.owes("1", "1", "1.00", charge_code="b")


@golden
def a_prefix_in_the_filter_of_a_meter(case: Case) -> None:
    """Germany without Berlin: 1 + 8."""
    case.price("per_unit", meter_code="abroad", unit_price="1")
    sends(case, "trunk", "to", ["4989", "49301", "5511", "49", None])
    case.owes("9", "9", "9.00")


@golden
def prices_of_spans(case: Case) -> None:
    """To 30 at 1, over it to 60 at 2, 60 itself at 5, all else at 3.

    30.0 and 1e1 are 1 + 2; 30.5 is 4 at 2; 60 is 8 at 5; 61, text and nothing 16 + 32 + 64
    at 3.
    """
    terms = {"meter_code": "frames"}
    case.price("per_unit", unit_price="1", dimension_filter="fps<=30", **terms)
    case.price("per_unit", unit_price="2", dimension_filter="fps>30;fps<=60", **terms)
    case.price("per_unit", unit_price="5", dimension_filter="fps=6e1", **terms)
    case.price("per_unit", unit_price="3", **terms)
    sends(case, "video", "fps", ["30.0", "1e1", "30.5", "60.0", "61", "all", None])
    case.owes("2", "2", "2.00", dimension_values='{"fps": "1e1"}')
    case.owes("1", "1", "1.00", dimension_values='{"fps": "30.0"}')
    case.owes("4", "8", "8.00", dimension_values='{"fps": "30.5"}')
    case.owes("8", "40", "40.00", dimension_values='{"fps": "60.0"}')
    case.owes("16", "48", "48.00", dimension_values='{"fps": "61"}')
    case.owes("32", "96", "96.00", dimension_values='{"fps": "all"}')
    case.owes("64", "192", "192.00", dimension_values='{"fps": null}')


@golden
def a_price_for_all_but_some(case: Case) -> None:
    """All but 30 and what begins with 6 at 1; 30 itself, 6* and 61 are prices of their own.

    30 and 30.0 are 1 + 2 at 2, as they are sent; 60 is 4 at 3; 61 8 at 4; 7 and nothing are 16
    + 32 at 1.
    """
    terms = {"meter_code": "frames"}
    for unit_price, rule in [("1", "fps!=30|6*"), ("2", "fps=30"), ("3", "fps=6*")]:
        case.price("per_unit", unit_price=unit_price, dimension_filter=rule, **terms)
    case.price("per_unit", unit_price="4", dimension_filter="fps=61", **terms)
    sends(case, "video", "fps", ["30", "30.0", "60", "61", "7", None])
    case.owes("1", "2", "2.00", dimension_values='{"fps": "30"}')
    case.owes("2", "4", "4.00", dimension_values='{"fps": "30.0"}')
    case.owes("4", "12", "12.00", dimension_values='{"fps": "60"}')
    case.owes("8", "32", "32.00", dimension_values='{"fps": "61"}')
    case.owes("16", "16", "16.00", dimension_values='{"fps": "7"}')
    case.owes("32", "32", "32.00", dimension_values='{"fps": null}')


@golden
def the_bound_of_a_span(case: Case) -> None:
    """Of 1 at 2, 8 are missing to the least of 10; the line says of which filter."""
    rule = "fps>=60;fps<120;fps!=90|91"
    bound = {"minimum_amount": "10", "dimension_filter": rule}
    case.price("per_unit", meter_code="frames", unit_price="2", **bound)
    sends(case, "video", "fps", ["60"])
    case.owes("1", "2", "2.00", dimension_values='{"fps": "60"}')
    filtered = '{"fps": ">=60;<120;!=90|91"}'
    case.owes("1", "8", "8.00", line_type="minimum", dimension_values=filtered)


@golden
def a_number_that_cannot_be_held(case: Case) -> None:
    """0.1 + 0.2 in binary is rejected where it would be compared, not where it is not.

    1 and 8 are charged: 8 is for heating, which the other condition leaves out.
    """
    case.price("per_unit", charge="a", meter_code="loaded", unit_price="1")
    case.price("per_unit", charge="b", meter_code="heated", unit_price="1")
    for quantity, load, use in [
        ("1", "0.3", "light"),
        ("2", "0.30000000000000004", "light"),
        ("4", "1e26", "light"),
        ("8", "0.30000000000000004", "heat"),
    ]:
        data = {"load": load, "for": use}
        case.world.event(case.name, quantity, event_type="grid", data=data)
    case.owes("1", "1", "1.00", charge_code="a")
    case.owes("8", "8", "8.00", charge_code="b")


def shared_world() -> tuple[Scenario, dict[str, Case]]:
    """Meters and every case."""
    world = Scenario()
    world.meter("answered", "dialled", filter="answered=yes")
    world.meter("by_answer", "dialled", dimensions="answered")
    seconds = {"event_type": "dialled", "dimension": "answered", "property": "seconds"}
    world.tables["dimension_bands"] = [
        seconds | {"up_to": "0", "band": "no"},
        seconds | {"up_to": "", "band": "yes"},
    ]
    world.meter("by_night", "power", filter="shift=night")
    world.meter("heat_by_night", "power", filter="shift!=day;for=heat")
    names = ("from_time", "to_time", "band")
    every_day = {"dimension": "shift", "days": "mon|tue|wed|thu|fri|sat|sun"}
    world.tables["time_bands"] = [
        every_day | dict(zip(names, shift, strict=True)) for shift in SHIFTS
    ]
    world.meter("reached", "call", filter="outcome!=missed|busy|no*")
    world.meter("unreached", "call", filter="outcome=missed|busy|no*")
    world.meter("span", "job", filter="size>=60;size<1e3")
    world.meter("low", "job", filter="size>-1.5;size<=60")
    world.meter("thirty", "image", filter="steps=30|fast")
    world.meter("nonzero", "reading", "count", filter="quantity!=0")
    world.meter("two_and_a_half", "reading", "count", filter="quantity=2.5")
    world.meter("abroad", "trunk", filter="to=49*;to!=4930*")
    world.meter("frames", "video", dimensions="fps")
    world.meter("loaded", "grid", filter="load<=0.3;for=light")
    world.meter("heated", "grid", filter="for=heat")
    cases: dict[str, Case] = {}
    for arrange in ARRANGEMENTS:
        case = Case(arrange.__name__, world)
        arrange(case)
        world.plan(case.name, case.currency)
        world.customer(case.name, currency_code=case.currency, **case.customer)
        world.subscription(case.name, **case.term)
        cases[case.name] = case
    return world, cases


@pytest.fixture(scope="module")
def built(
    tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path
) -> tuple[Installation, dict[str, Case]]:
    world, cases = shared_world()
    return build(tmp_path_factory.mktemp("filters"), world, dbt_folder=dbt_folder), cases


@pytest.mark.parametrize("name", [arrange.__name__ for arrange in ARRANGEMENTS])
def test_the_bill_is_the_one_worked_out_by_hand(
    built: tuple[Installation, dict[str, Case]], name: str
) -> None:
    installation, cases = built
    cases[name].assert_billed(installation)


def test_what_no_filter_takes_is_unmetered(
    built: tuple[Installation, dict[str, Case]],
) -> None:
    """It has its fate like everything else: nothing is left out in silence."""
    fates = built[0].rows(
        "select fate, reason, sum(event_count) as event_count from marts.fct_event_fates"
        " where fate <> 'rated' group by all order by all"
    )
    assert fates == [
        {"fate": "rejected", "reason": "out_of_range", "event_count": Decimal(2)},
        # Calls without an answer, the day, sizes, steps, a zero and calls abroad.
        {"fate": "unmetered", "reason": "", "event_count": Decimal(3 + 4 + 5 + 1 + 3)},
    ]


def test_a_number_that_cannot_be_held_is_told(
    built: tuple[Installation, dict[str, Case]],
) -> None:
    """Its sender would look for the reason in the quantity, which is sound."""
    details = built[0].rows(
        "select detail from marts.fct_event_exceptions where fate = 'rejected' order by detail"
    )
    in_binary = "as a number held in binary has; send it as a decimal or as text"
    assert [row["detail"] for row in details] == [
        f"load: '0.30000000000000004' has more than 12 places, {in_binary}",
        "load: '1e26' has more than 26 digits before the point",
    ]
