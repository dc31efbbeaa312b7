"""Bills worked out by hand for prices that depend on what is used, when, or how much at once.

Written like test_golden_bills.py: one customer per case, one build for all of them, and the
docstring of a case is its arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.golden.test_golden_bills import Case
from tests.harness import Installation, Scenario, build

Arrangement = Callable[[Case], None]
ARRANGEMENTS: list[Arrangement] = []


def golden(arrangement: Arrangement) -> Arrangement:
    """Put a case into the world."""
    ARRANGEMENTS.append(arrangement)
    return arrangement


def call(case: Case, to: str, seconds: str, **columns: Any) -> None:
    """Send a call of so many seconds to a number or place."""
    case.world.event(case.name, seconds, event_type="call", data={"to": to}, **columns)


@golden
def longest_prefix(case: Case) -> None:
    """5511 is longer than 55, a whole number longer still: 60 x 0.02, 61 x 0.01, 60 x 0."""
    for price, prefix in [("0.02", "to=55*"), ("0.01", "to=5511*"), ("0", "to=5511190")]:
        case.price("per_unit", meter_code="calls", unit_price=price, dimension_filter=prefix)
    call(case, "5521", "10")
    call(case, "5511777", "60.2")
    call(case, "5511190", "10")
    case.owes("61", "0.61", "0.61", dimension_values='{"to": "5511777"}')
    case.owes("60", "1.2", "1.20", dimension_values='{"to": "5521"}')


@golden
def phone_bill(case: Case) -> None:
    """60/1 at home and 30/6 abroad, by the longest prefix of the number called.

    At home 61.2 seconds are 62, 5 are 60: 122 x 0.002. Abroad 31 seconds to a mobile are 36 x
    0.004, 10 to Lisbon 30 x 0.001, and 30.5 to the rest of the world 36 x 0.01.
    """
    case.price("per_unit", charge="home", meter_code="home", unit_price="0.002")
    abroad = {"meter_code": "abroad", "charge": "zz_abroad"}
    case.price("per_unit", unit_price="0.01", **abroad)
    case.price("per_unit", unit_price="0.001", dimension_filter="to=351*", **abroad)
    case.price("per_unit", unit_price="0.004", dimension_filter="to=3519*", **abroad)
    for seconds in ("61.2", "5"):
        case.world.event(case.name, seconds, event_type="dialled", data={"zone": "home"})
    for seconds, to in [("31", "351912"), ("10", "351213"), ("30.5", "49301")]:
        data = {"zone": "abroad", "to": to}
        case.world.event(case.name, seconds, event_type="dialled", data=data)
    case.owes("122", "0.244", "0.24", charge_code="home")
    case.owes("30", "0.03", "0.03", dimension_values='{"to": "351213"}')
    case.owes("36", "0.144", "0.14", dimension_values='{"to": "351912"}')
    case.owes("36", "0.36", "0.36", dimension_values='{"to": "49301"}')


@golden
def small_lines(case: Case) -> None:
    """40 models of 400 tokens at 0.00001: 40 x 0.004 are 0.16, of which 16 lines have a cent.

    The remainders are equal, so the lines that come first have it, and the others are not
    printed.
    """
    case.price("per_unit", meter_code="tokens", unit_price="0.00001")
    models = [f"m{number:02}" for number in range(40)]
    for model in models:
        case.world.event(case.name, "400", event_type="prompt", data={"model": model})
    for model in models[:16]:
        case.owes("400", "0.004", "0.01", dimension_values=f'{{"model": "{model}"}}')


@golden
def whole_sum(case: Case) -> None:
    """81 models of 100,440 tokens at 0.00001: 81 x 1.0044 are 81.3564, rounded to 81.36."""
    case.price("per_unit", meter_code="tokens", unit_price="0.00001")
    for number in range(81):
        model = f"m{number:02}"
        case.world.event(case.name, "100440", event_type="prompt", data={"model": model})
        net = "1.01" if number < 36 else "1.00"
        case.owes("100440", "1.0044", net, dimension_values=f'{{"model": "{model}"}}')


@golden
def rest_and_unpriced(case: Case) -> None:
    """eu|us pay 1, the rest of the charge pays 3; the other charge has no price for mars."""
    case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter="to=eu|us")
    case.price("per_unit", meter_code="calls", unit_price="3")
    for to in ("eu", "us", "mars"):
        call(case, to, "60")
    case.owes("60", "60", "60.00", dimension_values='{"to": "eu"}')
    case.owes("60", "180", "180.00", dimension_values='{"to": "mars"}')
    case.owes("60", "60", "60.00", dimension_values='{"to": "us"}')


@golden
def all_of_a_filter_has_to_hold(case: Case) -> None:
    """Model a in the eu is 1; a elsewhere and b in the eu are what is left, at 3."""
    case.price(
        "per_unit",
        meter_code="requests",
        unit_price="1",
        dimension_filter="model=a;region=eu",
    )
    case.price("per_unit", meter_code="requests", unit_price="3")
    for model, region, quantity in [("a", "eu", "1"), ("a", "us", "2"), ("b", "eu", "4")]:
        data = {"model": model, "region": region}
        case.world.event(case.name, quantity, event_type="request", data=data)
    case.owes("1", "1", "1.00", dimension_values='{"model": "a", "region": "eu"}')
    case.owes("2", "6", "6.00", dimension_values='{"model": "a", "region": "us"}')
    case.owes("4", "12", "12.00", dimension_values='{"model": "b", "region": "eu"}')


@golden
def rates_as_published(case: Case) -> None:
    """1E3 are free, 1,000,000 x 6.25e-07 = 0.625."""
    case.price("per_unit", unit_price="6.25e-07", included_quantity="1E3")
    case.use("1001000")
    case.owes("1001000", "0.625", "0.63")


@golden
def tiers_as_published(case: Case) -> None:
    """To +1e2 at .5, and 1 for the tier, above at 2.5e-1: 100 x 0.5 + 1 + 20 x 0.25 = 56."""
    case.price("tiered", tiers=[("+1e2", ".5", "1."), ("", "2.5e-1")])
    case.use("120")
    case.owes("120", "56", "56.00")


@golden
def prices_below_zero(case: Case) -> None:
    """3 fed in at -1e-1 give 0.30 back; of a payment of 100, 1 % less 0.10 is owed."""
    case.price("per_unit", charge="fed_in", unit_price="-1e-1")
    case.price(
        "percentage", charge="paid", meter_code="energy", unit_price="1", event_fee="-0.10"
    )
    case.use("3")
    case.world.event(case.name, "100", event_type="energy")
    case.owes("3", "-0.3", "-0.30", charge_code="fed_in")
    case.owes("100", "0.9", "0.90", charge_code="paid")


@golden
def nothing_for_the_rest(case: Case) -> None:
    """Only eu has a price: 60 x 1. The call to mars is unpriced, and owes nothing."""
    case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter="to=eu")
    call(case, "eu", "60")
    call(case, "mars", "60")
    case.owes("60", "60", "60.00", dimension_values='{"to": "eu"}')


@golden
def flat_amount_per_price(case: Case) -> None:
    """Tiers of each price: eu used 60 x 1 + 2; us unused owes its first flat amount, 5."""
    tiers = {"eu": [("", "1", "2")], "us": [("", "1", "5")]}
    for to, rows in tiers.items():
        case.price("tiered", meter_code="calls", dimension_filter=f"to={to}", tiers=rows)
    call(case, "eu", "60")
    case.owes("60", "62", "62.00", dimension_values='{"to": "eu"}')
    case.owes("0", "5", "5.00", dimension_values="{}")


@golden
def versions_of_one_filter(case: Case) -> None:
    """In eu it costs 1 until the 10th, 2 from then on; us 1 throughout, in one line."""
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="1",
        dimension_filter="to=eu",
        valid_to="2026-01-10",
    )
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="2",
        dimension_filter="to=eu",
        valid_from="2026-01-10",
    )
    case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter="to=us")
    for at in ("2026-01-09T23:59:59Z", "2026-01-10T00:00:00Z"):
        call(case, "eu", "60", at=at)
        call(case, "us", "60", at=at)
    case.owes("60", "60", "60.00", dimension_values='{"to": "eu"}')
    case.owes("120", "120", "120.00", dimension_values='{"to": "us"}')
    case.owes("60", "120", "120.00", dimension_values='{"to": "eu"}')


@golden
def negotiated_for_one_value(case: Case) -> None:
    """The deal for eu is 0.5; us keeps the plan's 1. Without filter a deal would take both."""
    for to in ("eu", "us"):
        case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter=f"to={to}")
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="0.5",
        dimension_filter="to=eu",
        subscription_id=case.name,
    )
    call(case, "eu", "60")
    call(case, "us", "60")
    case.owes("60", "30", "30.00", dimension_values='{"to": "eu"}')
    case.owes("60", "60", "60.00", dimension_values='{"to": "us"}')


@golden
def negotiated_for_all_values(case: Case) -> None:
    """A deal without filter replaces the charge: 120 in two lines at 0.25."""
    case.price("per_unit", meter_code="calls", unit_price="1", dimension_filter="to=eu")
    case.price("per_unit", meter_code="calls", unit_price="9")
    case.price("per_unit", meter_code="calls", unit_price="0.25", subscription_id=case.name)
    call(case, "eu", "60")
    call(case, "us", "60")
    case.owes("60", "15", "15.00", dimension_values='{"to": "eu"}')
    case.owes("60", "15", "15.00", dimension_values='{"to": "us"}')


@golden
def negotiated_for_all_values_and_for_one(case: Case) -> None:
    """Of two deals the one that says more goes first, whichever is written first: 5 and 2."""
    case.price("per_unit", meter_code="calls", unit_price="1")
    case.price("per_unit", meter_code="calls", unit_price="2", subscription_id=case.name)
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="5",
        dimension_filter="to=eu",
        subscription_id=case.name,
    )
    call(case, "eu", "60")
    call(case, "us", "60")
    case.owes("60", "300", "300.00", dimension_values='{"to": "eu"}')
    case.owes("60", "120", "120.00", dimension_values='{"to": "us"}')


@golden
def allowance_per_value(case: Case) -> None:
    """100 of each value are free: eu 120 - 100 = 20 x 1, us none of its 60."""
    case.price(
        "per_unit",
        meter_code="calls",
        unit_price="1",
        included_quantity="100",
        dimension_filter="to=eu|us",
    )
    call(case, "eu", "60")
    call(case, "eu", "60")
    call(case, "us", "60")
    case.owes("120", "20", "20.00", dimension_values='{"to": "eu"}')


@golden
def different_users_by_value(case: Case) -> None:
    """Two different users in eu at 10, one in us at 20."""
    for price, region in [("10", "eu"), ("20", "us")]:
        case.price(
            "per_unit",
            meter_code="users",
            unit_price=price,
            dimension_filter=f"region={region}",
        )
    for user, region in [("a", "eu"), ("b", "eu"), ("a", "eu"), ("a", "us")]:
        case.world.event(case.name, event_type="login", data={"user": user, "region": region})
    case.owes("2", "20", "20.00", dimension_values='{"region": "eu"}')
    case.owes("1", "20", "20.00", dimension_values='{"region": "us"}')


@golden
def percentage_of_payments(case: Case) -> None:
    """2.9 % of 12.34 + 100 = 3.25786, rounded once."""
    case.price("percentage", unit_price="2.9")
    case.use("12.34", "100")
    case.owes("112.34", "3.25786", "3.26")


@golden
def percentage_of_a_refund(case: Case) -> None:
    """A negative total is a credit: 2.9 % of -10."""
    case.price("percentage", unit_price="2.9")
    case.use("-30", "20")
    case.owes("-10", "-0.29", "-0.29")


@golden
def card_payments(case: Case) -> None:
    """1 % + 0.25 each, at least 0.50, at most 3; the first is free.

    By time 999 is first and free, 10 owes 0.35 and is lifted to 0.50, 100 owes 1.25, 400 owes
    4.25 and is held at 3; the refund of 10 gives 0.50 back: 0.50 + 1.25 + 3 - 0.50 = 4.25.
    """
    case.price(
        "percentage",
        unit_price="1",
        event_fee="0.25",
        free_event_count="1",
        event_minimum_amount="0.50",
        event_maximum_amount="3",
    )
    case.use("10", "100", "400", "-10", at="2026-01-10T12:00:00Z")
    case.use("999", at="2026-01-10T11:59:59Z")
    case.owes("1499", "4.25", "4.25")


@golden
def payments_across_a_price_change(case: Case) -> None:
    """Two of the three are free, counted from the start of the period: 0.10 + 1 % of 300."""
    for version in ({"valid_to": "2026-01-15"}, {"valid_from": "2026-01-15"}):
        case.price(
            "percentage", unit_price="1", event_fee="0.10", free_event_count="2", **version
        )
    case.use("100", at="2026-01-10T12:00:00Z")
    case.use("200", "300", at="2026-01-20T12:00:00Z")
    case.owes("500", "3.1", "3.10")


@golden
def graduated_percentage(case: Case) -> None:
    """3 % of the first 1000 and 1 % of 500 more, plus 2 for entering: 30 + 7."""
    case.price("percentage", tiers=[("1000", "3", "0"), ("", "1", "2")])
    case.use("1500")
    case.owes("1500", "37", "37.00")


@golden
def provider_cost(case: Case) -> None:
    """Events carry what they cost: 0.015 + 1.2 - 0.1, as it is and times 1.33333."""
    case.price("dynamic", charge="a")
    case.price("dynamic", charge="b", unit_price="1.33333")
    case.use("0.015", "1.2", "-0.1")
    case.owes("1.115", "1.115", "1.12")
    case.owes("1.115", "1.48666295", "1.49")


@golden
def packages_within_tiers(case: Case) -> None:
    """100 free, then packages of 50 begun: 101 above are 3 x 2."""
    case.price("tiered", tiers=[("100", "0", ""), ("", "2", "", "50")])
    case.use("201")
    case.owes("201", "6", "6.00")


@golden
def stairstep(case: Case) -> None:
    """A price for each step, volume with flat amounts alone: 11 are in the second, 25."""
    case.price("volume", tiers=[("10", "0", "10"), ("20", "0", "25"), ("", "0", "60")])
    case.use("11")
    case.owes("11", "25", "25.00")


LEVELS = [("10", "2025-12-20T00:00:00Z"), ("4", "2026-01-11T00:00:00Z")]


@golden
def seats_changing_mid_month(case: Case) -> None:
    """10 seats since 20 December, 4 from 11 January; February has no event and holds them.

    120 / 31 seats x 12 in December; in January (10 x 10 days + 4 x 21 days) / 31
    seats x 12; 4 in February.
    """
    case.term = {"started_at": "2025-12-01", "ended_at": "2026-03-01"}
    case.price(
        "per_unit",
        meter_code="seats",
        unit_price="12",
        prorated="true",
    )
    for level, at in LEVELS:
        case.world.event(case.name, level, event_type="seats", at=at)
    case.owes(
        "3.870967741935", "46.451612903225806451612903", "46.45", billing_period="2025-12"
    )
    case.owes("5.935483870968", "71.225806451612903225806451", "71.23")
    case.owes("4", "48", "48.00", billing_period="2026-02")


@golden
def stored_hours_over_a_clock_change(case: Case) -> None:
    """2 GiB held through a Berlin March of 743 hours: 1486 GiB-hours x 0.01."""
    case.customer = {"timezone": "Europe/Berlin"}
    case.term = {"started_at": "2026-03-01", "ended_at": "2026-04-01"}
    case.price("per_unit", meter_code="held", unit_price="0.01")
    case.world.event(case.name, "2", event_type="stored", at="2026-02-28T23:00:00Z")
    case.owes("1486", "14.86", "14.86", billing_period="2026-03")


@golden
def level_over_a_price_change(case: Case) -> None:
    """3 held for 10 days at 0.01 and 21 days at 0.02 an hour: 720 x 0.01, 1512 x 0.02."""
    for price, version in [
        ("0.01", {"valid_to": "2026-01-11"}),
        ("0.02", {"valid_from": "2026-01-11"}),
    ]:
        case.price("per_unit", meter_code="held", unit_price=price, **version)
    case.world.event(case.name, "3", event_type="stored", at="2026-01-01T00:00:00Z")
    case.owes("720", "7.2", "7.20")
    case.owes("1512", "30.24", "30.24")


@golden
def level_over_two_months(case: Case) -> None:
    """1 from 31 January on: 24 hours of January and 672 of February."""
    case.term = {"ended_at": "2026-03-01"}
    case.price("per_unit", meter_code="held", unit_price="1")
    case.world.event(case.name, "1", event_type="stored", at="2026-01-31T00:00:00Z")
    case.owes("24", "24", "24.00")
    case.owes("672", "672", "672.00", billing_period="2026-02")


@golden
def lowest_and_last(case: Case) -> None:
    """The lowest of 5, 2, 9 is 2; the last by time is 9, though 2 was sent last."""
    case.price("per_unit", charge="a", meter_code="lowest", unit_price="1")
    case.price("per_unit", charge="b", meter_code="last", unit_price="1")
    for level, hour in [("5", "08"), ("9", "12"), ("2", "10")]:
        at = f"2026-01-10T{hour}:00:00Z"
        case.world.event(case.name, level, event_type="gauge", at=at)
    case.owes("2", "2", "2.00", charge_code="a")
    case.owes("9", "9", "9.00", charge_code="b")


@golden
def ninety_fifth_percentile(case: Case) -> None:
    """Of 21 samples the 20th is the nearest rank: 20 x 1."""
    case.price("per_unit", meter_code="bandwidth", unit_price="1")
    for number in range(1, 22):
        case.world.event(case.name, str(number), event_type="sample")
    case.owes("20", "20", "20.00")


@golden
def a_day_of_twenty_values(case: Case) -> None:
    """Of 20 samples the 19th; of two readings at one instant the one of the greater id."""
    case.price("per_unit", charge="a", meter_code="bandwidth", unit_price="1")
    case.price("per_unit", charge="b", meter_code="last", unit_price="1")
    for number in range(1, 21):
        case.world.event(case.name, str(number), event_type="sample")
    for event_id, level in [("z", "3"), ("y", "4")]:
        case.world.event(case.name, level, event_type="gauge", event_id=f"reading-{event_id}")
    case.owes("19", "19", "19.00", charge_code="a")
    case.owes("3", "3", "3.00", charge_code="b")


@golden
def two_tariffs_over_a_clock_change(case: Case) -> None:
    """Day from 06:00 to 22:00 in Berlin: at 0.30, night at 0.20.

    06:00 is 05:00Z on 28 March and 04:00Z on the 29th, when the clock has changed: day gets 1
    + 4 + 16, night 2 + 8. An hour of the night is missing, and nothing is missed.
    """
    case.customer = {"timezone": "Europe/Berlin"}
    case.term = {"started_at": "2026-03-01", "ended_at": "2026-04-01"}
    for band, price in [("day", "0.30"), ("night", "0.20")]:
        case.price(
            "per_unit",
            meter_code="energy",
            unit_price=price,
            dimension_filter=f"tariff={band}",
        )
    for quantity, at in [
        ("1", "2026-03-28T05:00:00Z"),
        ("2", "2026-03-28T04:59:59.999999Z"),
        ("4", "2026-03-29T04:00:00Z"),
        ("8", "2026-03-29T03:59:59.999999Z"),
        ("16", "2026-03-29T19:59:59.999999Z"),
    ]:
        case.world.event(case.name, quantity, event_type="energy", at=at)
    march = {"billing_period": "2026-03"}
    case.owes("21", "6.3", "6.30", dimension_values='{"tariff": "day"}', **march)
    case.owes("10", "2", "2.00", dimension_values='{"tariff": "night"}', **march)


@golden
def weekends_and_holidays(case: Case) -> None:
    """Work days from 08:00 to 20:00 are peak; 1 January is a holiday on a Thursday.

    Friday 2 January 08:00 is peak at 3; the holiday, Friday 20:00 and Saturday are low at 1.
    """
    for band, price in [("peak", "3"), ("low", "1")]:
        case.price(
            "per_unit", meter_code="heat", unit_price=price, dimension_filter=f"load={band}"
        )
    for quantity, at in [
        ("1", "2026-01-01T12:00:00Z"),
        ("2", "2026-01-02T08:00:00Z"),
        ("4", "2026-01-02T20:00:00Z"),
        ("8", "2026-01-03T12:00:00Z"),
    ]:
        case.world.event(case.name, quantity, event_type="heat", at=at)
    case.owes("13", "13", "13.00", dimension_values='{"load": "low"}')
    case.owes("2", "6", "6.00", dimension_values='{"load": "peak"}')


@golden
def tokens_by_the_size_of_the_request(case: Case) -> None:
    """All tokens of a request over 200,000 input tokens cost more; 200,000 are still small.

    A million cost 3 and 6 (input), 0.30 and 0.60 (cached), 15 and 22.50 (output): small 0.6 +
    0.003 + 0.015, large 1.200006 + 0.0006 + 0.0225.
    """
    for meter, small, large in [
        ("cached", "0.0000003", "0.0000006"),
        ("input", "0.000003", "0.000006"),
        ("output", "0.000015", "0.0000225"),
    ]:
        for size, price in [("small", small), ("large", large)]:
            case.price(
                "per_unit",
                charge=meter,
                meter_code=meter,
                unit_price=price,
                dimension_filter=f"size={size}",
            )
    for tokens, cached, output in [("200000", "10000", "1000"), ("200001", "1000", "1000")]:
        data = {"input": tokens, "cached": cached, "output": output}
        case.world.event(case.name, event_type="llm", data=data)
    large, small = '{"size": "large"}', '{"size": "small"}'
    case.owes("1000", "0.0006", "0.00", dimension_values=large)
    case.owes("10000", "0.003", "0.00", dimension_values=small)
    case.owes("200001", "1.200006", "1.20", dimension_values=large)
    case.owes("200000", "0.6", "0.60", dimension_values=small)
    case.owes("1000", "0.0225", "0.02", dimension_values=large)
    case.owes("1000", "0.015", "0.02", dimension_values=small)
    # A line of zero is not printed.
    case.expected = [line for line in case.expected if line["net_amount"]]


@golden
def without_the_property_there_is_no_band(case: Case) -> None:
    """3 of output, whose event says nothing of its input, go to the price for the rest: 6."""
    terms = {"charge": "output", "meter_code": "output"}
    case.price("per_unit", unit_price="1", dimension_filter="size=small", **terms)
    case.price("per_unit", unit_price="2", **terms)
    case.world.event(case.name, event_type="llm", data={"output": "3"})
    case.owes("3", "6", "6.00", dimension_values='{"size": null}')


@golden
def half_a_day_of_a_seat(case: Case) -> None:
    """One seat for 12 of 744 hours at 4.65: 0.075 is 0.08, as the average comes last."""
    case.price("per_unit", meter_code="seats", unit_price="4.65", prorated="true")
    for level, hour in [("1", "00"), ("0", "12")]:
        at = f"2026-01-10T{hour}:00:00Z"
        case.world.event(case.name, level, event_type="seats", at=at)
    case.owes("0.016129032258", "0.075", "0.08")


@golden
def six_hours_of_a_dearer_seat(case: Case) -> None:
    """9.30 x 6 / 744 = 0.075, where the level comes and goes within a second."""
    case.price("per_unit", meter_code="seats", unit_price="9.30", prorated="true")
    for level, at in [("1", "00:00:00.5"), ("0", "06:00:00.5")]:
        at = f"2026-01-10T{at}Z"
        case.world.event(case.name, level, event_type="seats", at=at)
    case.owes("0.008064516129", "0.075", "0.08")


@golden
def prices_per_number_of_units(case: Case) -> None:
    """30 s at 0.05 per 60 are 0.025; in a meter of minutes they are half a minute at 0.05.

    Per million: 30 x 1,000 / 1,000,000. Per 0.4: 30 x 0.001 / 0.4. In tiers: 20 x 0.06 / 60
    and 10 x 0.09 / 60 + 0.5; by volume 30 x 0.09 / 60. A price below zero: -0.025.
    """
    sixty = {"meter_code": "seconds", "price_quantity": "60"}
    case.price("per_unit", charge="a", unit_price="0.05", **sixty)
    case.price("per_unit", charge="b", unit_price="0.05", meter_code="minutes")
    million = {"meter_code": "seconds", "price_quantity": "1000000"}
    case.price("per_unit", charge="c", unit_price="1000", **million)
    case.price(
        "per_unit", charge="d", unit_price="0.001", meter_code="seconds", price_quantity="0.4"
    )
    tiers = [("20", "0.06", "0"), ("", "0.09", "0.5")]
    case.price("tiered", charge="e", tiers=tiers, **sixty)
    case.price("volume", charge="f", tiers=[tiers[0], ("", "0.09")], **sixty)
    case.price("per_unit", charge="g", unit_price="-0.05", meter_code="minutes")
    case.use("10", "20", event_type="timed")
    case.owes("30", "0.025", "0.03", charge_code="a", price_quantity=Decimal(60))
    case.owes("0.5", "0.025", "0.03", charge_code="b", unit="minute", price_quantity=None)
    case.owes("30", "0.03", "0.03", charge_code="c")
    case.owes("30", "0.075", "0.08", charge_code="d")
    case.owes("30", "0.535", "0.54", charge_code="e", price_quantity=Decimal(60))
    case.owes("30", "0.045", "0.05", charge_code="f")
    case.owes("0.5", "-0.025", "-0.03", charge_code="g")


@golden
def bounds_are_in_units(case: Case) -> None:
    """121 s in a meter of minutes, 2.01666..., and 1 in a meter of thirds.

    One minute included: 61 / 60 x 0.6. Tiers of 2 minutes at 0.5, then 0.3: 1 + 0.005.
    Packages of a minute: 3 x 1. A third is above 0.333333333333, by less than can be shown.
    """
    minutes = {"meter_code": "minutes"}
    case.price("per_unit", charge="a", unit_price="0.6", included_quantity="1", **minutes)
    case.price("tiered", charge="b", tiers=[("2", "0.5"), ("", "0.3")], **minutes)
    case.price("package", charge="c", unit_price="1", package_size="1", **minutes)
    tiers = [("0.333333333333", "1", "1"), ("", "1", "5")]
    case.price("volume", charge="d", tiers=tiers, meter_code="thirds")
    case.use("121", event_type="timed")
    case.use("1", event_type="third")
    case.owes("2.016666666667", "0.61", "0.61", included_quantity=Decimal(1))
    case.owes("2.016666666667", "1.005", "1.01")
    case.owes("2.016666666667", "3", "3.00")
    case.owes("0.333333333333", "5.333333333333333333333333", "5.33")


@golden
def gibibyte_hours(case: Case) -> None:
    """22,762,916,224,820,859 byte-seconds are 5,888.78... GiB-hours at 0.01.

    100,000 GiB, sent as bytes, held for 744 hours: 74,400,000 x 0.00001.
    """
    case.price("per_unit", charge="a", meter_code="byte_seconds", unit_price="0.01")
    case.price("per_unit", charge="b", meter_code="bytes", unit_price="0.00001")
    case.use("22762916224820859", event_type="byte_seconds")
    at = "2025-12-31T00:00:00Z"
    case.term = {"started_at": "2025-12-31"}
    case.use("107374182400000", event_type="bytes", at=at)
    case.owes("2400000", "24", "24.00", billing_period="2025-12")
    case.owes("5888.782706737947", "58.887827067379474950333436", "58.89", unit="GiB-hour")
    case.owes("74400000", "744", "744.00", unit="GiB-hour")


@golden
def percentage_of_cents(case: Case) -> None:
    """8,010 cents are 80.10: 2.5 % are 2.0025; 1 % and 0.25, at least 2: 2."""
    case.price("percentage", charge="a", meter_code="cents", unit_price="2.5")
    fees = {"event_fee": "0.25", "event_minimum_amount": "2"}
    case.price("percentage", charge="b", meter_code="cents", unit_price="1", **fees)
    case.use("8010", event_type="paid")
    case.owes("80.1", "2.0025", "2.00")
    case.owes("80.1", "2", "2.00")


MET = [{"valid_to": "2026-01-16"}, {"valid_from": "2026-01-16"}]


@golden
def the_same_users_under_two_prices(case: Case) -> None:
    """Seven users, seen twice, are seven of the month: 84 for 15 and for 16 of 31 days."""
    for version in MET:
        case.price("per_unit", meter_code="users", unit_price="12", **version)
    for day in ("05", "25"):
        for user in "abcdefg":
            at = f"2026-01-{day}T12:00:00Z"
            data = {"user": user, "region": "eu"}
            case.world.event(case.name, event_type="login", at=at, data=data)
    case.owes("7", "40.645161290322580645161290", "40.65")
    case.owes("7", "43.354838709677419354838709", "43.35")


@golden
def gauges_under_two_prices(case: Case) -> None:
    """100 highest, lowest and last of the month, for 15 and 16 of 31 days.

    155 of the 20th, 31 of them included, in packages of 31 at 7.75: 4 x 7.75 for 15 days, in
    which there was no event, and for 16.
    """
    for charge, meter in [("a", "highest"), ("b", "lowest"), ("c", "last")]:
        for version in MET:
            case.price("per_unit", charge=charge, meter_code=meter, unit_price="1", **version)
    for version in MET:
        case.price(
            "package",
            charge="d",
            meter_code="bandwidth",
            unit_price="7.75",
            package_size="31",
            included_quantity="31",
            **version,
        )
    for day in ("05", "25"):
        case.world.event(case.name, "100", event_type="gauge", at=f"2026-01-{day}T00:00:00Z")
    case.world.event(case.name, "155", event_type="sample", at="2026-01-20T00:00:00Z")
    for charge in "abc":
        case.owes("100", "48.387096774193548387096774", "48.39", charge_code=charge)
        case.owes("100", "51.612903225806451612903225", "51.61", charge_code=charge)
    case.owes("155", "15", "15.00", charge_code="d")
    case.owes("155", "16", "16.00", charge_code="d")


@golden
def each_price_has_a_meter_of_its_own(case: Case) -> None:
    """10 on the 5th and 30 on the 25th: the lowest for 15 of 31 days, then the last for 16."""
    for meter, version in zip(("lowest", "last"), MET, strict=True):
        case.price("per_unit", meter_code=meter, unit_price="1", **version)
    for day, level in (("05", "10"), ("25", "30")):
        case.world.event(case.name, level, event_type="gauge", at=f"2026-01-{day}T00:00:00Z")
    case.owes("10", "4.838709677419354838709677", "4.84")
    case.owes("30", "15.483870967741935483870967", "15.48")


@golden
def tiers_of_a_gauge_under_two_prices(case: Case) -> None:
    """40 in tiers of 31 at 1 and then 2, with 13 for entering the second: 31 + 18 + 13 = 62.

    Twice that from the 16th on. Where nothing was used, the flat 31 of a first tier is shared.
    """
    for factor, version in zip((1, 2), MET, strict=True):
        prices = [str(price * factor) for price in (1, 2, 13)]
        tiers = [("31", prices[0]), ("", prices[1], prices[2])]
        case.price("tiered", charge="a", meter_code="highest", tiers=tiers, **version)
        flat = [("", "0", "31")]
        case.price("volume", charge="b", meter_code="bandwidth", tiers=flat, **version)
    case.world.event(case.name, "40", event_type="gauge", at="2026-01-05T00:00:00Z")
    # Each tier is cut off at the 24th place.
    case.owes("40", "29.999999999999999999999999", "30.00", charge_code="a")
    case.owes("40", "63.999999999999999999999999", "64.00", charge_code="a")
    case.owes("0", "15", "15.00", charge_code="b")
    case.owes("0", "16", "16.00", charge_code="b")


@golden
def users_after_a_trial(case: Case) -> None:
    """Trial until the 11th, then two prices of 21: two users for 10 and for 11 of 21 days.

    Who came during the trial alone is not charged.
    """
    case.term = {"trial_ends_at": "2026-01-11"}
    for version in ({"valid_to": "2026-01-21"}, {"valid_from": "2026-01-21"}):
        case.price("per_unit", meter_code="users", unit_price="21", **version)
    for user, day in [("a", "05"), ("b", "05"), ("a", "25"), ("c", "25")]:
        data = {"user": user, "region": "eu"}
        at = f"2026-01-{day}T00:00:00Z"
        case.world.event(case.name, event_type="login", at=at, data=data)
    case.owes("2", "20", "20.00")
    case.owes("2", "22", "22.00")


@golden
def a_price_with_a_filter_takes_a_gauge_over(case: Case) -> None:
    """31 in eu at 1 for 15 days, then at 2 for 16 days; us stays at 1 for all of January."""
    case.price("per_unit", meter_code="peaks", unit_price="1")
    case.price(
        "per_unit",
        meter_code="peaks",
        unit_price="2",
        dimension_filter="region=eu",
        valid_from="2026-01-16",
    )
    for region in ("eu", "us"):
        at = "2026-01-05T00:00:00Z"
        case.world.event(case.name, "31", event_type="peak", at=at, data={"region": region})
    case.owes("31", "15", "15.00", dimension_values='{"region": "eu"}')
    case.owes("31", "31", "31.00", dimension_values='{"region": "us"}')
    case.owes("31", "32", "32.00", dimension_values='{"region": "eu"}')


def changes_plan(case: Case, *days: str, **columns: Any) -> list[str]:
    """Plans that follow one another on days of January, the case's own first."""
    plans = [case.name, *(f"{case.name}_{number}" for number in range(1, len(days) + 1))]
    case.term = {"ended_at": f"2026-01-{days[0]}"} | columns
    for plan, day, end in zip(plans[1:], days, [*days[1:], None], strict=True):
        case.world.plan(plan)
        case.world.subscription(
            case.name,
            plan_code=plan,
            started_at=f"2026-01-{day}",
            ended_at=f"2026-01-{end}" if end else "2026-02-01",
            **columns,
        )
    return plans


@golden
def each_plan_has_its_own_gauge(case: Case) -> None:
    """62 for 15 of 31 days under the first plan, prorated; 40 as a whole under the second."""
    for plan, prorated in zip(changes_plan(case, "16"), ("true", "false"), strict=True):
        case.world.price(
            plan, "per_unit", meter_code="highest", unit_price="1", prorated=prorated
        )
    for level, day in [("62", "05"), ("40", "25")]:
        case.world.event(case.name, level, event_type="gauge", at=f"2026-01-{day}T00:00:00Z")
    case.owes("62", "30", "30.00")
    case.owes("40", "40", "40.00")


@golden
def one_allowance_over_a_plan_change(case: Case) -> None:
    """10 of 24 units are free, of both plans together: 2 x 15 and 12 x 15."""
    for plan in changes_plan(case, "16"):
        case.world.price(
            plan, "per_unit", meter_code="used", unit_price="15", included_quantity="10"
        )
    for day in ("05", "25"):
        case.use("12", at=f"2026-01-{day}T00:00:00Z")
    case.owes("12", "30", "30.00", included_quantity=Decimal(10))
    case.owes("12", "180", "180.00", included_quantity=Decimal(0))


@golden
def allowances_of_three_plans(case: Case) -> None:
    """10, 15 and 4 included. 6 are free on the first plan, 15 - 6 = 9 of 5 + 7 on the second.

    There a price change finds 5 of the 9 used up. Nothing on the third: 15 were free already.
    """
    plans = changes_plan(case, "11", "21")
    terms = {"meter_code": "used", "unit_price": "1"}
    case.world.price(plans[0], "per_unit", included_quantity="10", **terms)
    for version in MET:
        case.world.price(plans[1], "per_unit", included_quantity="15", **terms, **version)
    case.world.price(plans[2], "per_unit", included_quantity="4", **terms)
    for quantity, day in [("6", "05"), ("5", "12"), ("7", "18"), ("5", "25")]:
        case.use(quantity, at=f"2026-01-{day}T00:00:00Z")
    case.owes("7", "3", "3.00", included_quantity=Decimal(4))
    case.owes("5", "5", "5.00", included_quantity=Decimal(0))


@golden
def free_units_over_a_plan_change(case: Case) -> None:
    """10 free units of a discount are of the period too, and so are the users included.

    12 and 12 units: 2 and 12 at 1. 3 users in eu under both plans, 4 included: 3 free, then 1.
    """
    for plan in changes_plan(case, "16"):
        case.world.price(plan, "per_unit", charge="a", meter_code="used", unit_price="1")
        case.world.price(
            plan,
            "per_unit",
            charge="b",
            meter_code="users",
            unit_price="1",
            included_quantity="4",
        )
    case.world.discount(
        f"{case.name}-free", "free_units", "10", charge_code="a", subscription_id=case.name
    )
    for day in ("05", "25"):
        case.use("12", at=f"2026-01-{day}T00:00:00Z")
        for user in "abc":
            data = {"user": user, "region": "eu"}
            at = f"2026-01-{day}T00:00:00Z"
            case.world.event(case.name, event_type="login", at=at, data=data)
    case.owes("12", "2", "2.00", charge_code="a")
    case.owes("12", "12", "12.00", charge_code="a")
    case.owes("3", "2", "2.00", charge_code="b")


def shared_world() -> tuple[Scenario, dict[str, Case]]:
    """Meters and every case."""
    world = Scenario()
    world.meter("used", "use")
    world.meter(
        "calls", "call", rounding_increment="1", minimum_quantity="60", dimensions="to"
    )
    world.meter("users", "login", "unique_count", value_property="user", dimensions="region")
    world.meter(
        "home", "dialled", filter="zone=home", rounding_increment="1", minimum_quantity="60"
    )
    world.meter(
        "abroad",
        "dialled",
        filter="zone=abroad",
        dimensions="to",
        rounding_increment="6",
        minimum_quantity="30",
    )
    world.meter("tokens", "prompt", dimensions="model")
    world.meter("requests", "request", dimensions="model|region")
    world.meter("energy", "energy", dimensions="tariff")
    world.meter("heat", "heat", dimensions="load")
    for name in ("input", "cached", "output"):
        world.meter(name, "llm", value_property=name, dimensions="size")
    work, free = "mon|tue|wed|thu|fri", "sat|sun|holiday"
    names = ("dimension", "days", "from_time", "to_time", "band")
    bands = [
        ("tariff", f"{work}|sat|sun", "00:00", "06:00", "night"),
        ("tariff", f"{work}|sat|sun", "06:00", "22:00", "day"),
        ("tariff", f"{work}|sat|sun", "22:00", "24:00", "night"),
        ("load", work, "00:00", "08:00", "low"),
        ("load", work, "08:00", "20:00", "peak"),
        ("load", work, "20:00", "24:00", "low"),
        ("load", free, "00:00", "24:00", "low"),
    ]
    world.tables["time_bands"] = [dict(zip(names, band, strict=True)) for band in bands]
    new_year = {"dimension": "load", "holiday_date": "2026-01-01", "holiday_name": "New Year"}
    world.tables["holidays"] = [new_year]
    size = {"event_type": "llm", "dimension": "size", "property": "input"}
    world.tables["dimension_bands"] = [
        size | {"up_to": "200000", "band": "small"},
        size | {"up_to": "", "band": "large"},
    ]
    world.meter("seats", "seats", "time_weighted")
    world.meter("held", "stored", "time_weighted")
    world.meter("lowest", "gauge", "min")
    world.meter("last", "gauge", "latest")
    world.meter("bandwidth", "sample", "percentile_95")
    world.meter("highest", "gauge", "max")
    world.meter("peaks", "peak", "max", dimensions="region")
    world.meter("seconds", "timed", unit="second")
    world.meter("minutes", "timed", unit="minute", unit_quantity="60")
    world.meter("thirds", "third", unit_quantity="3")
    world.meter("cents", "paid", unit_quantity="100")
    gib_hours = {"unit": "GiB-hour", "unit_quantity": "3865470566400"}
    world.meter("byte_seconds", "byte_seconds", **gib_hours)
    world.meter("bytes", "bytes", "time_weighted", unit="GiB-hour", unit_quantity="1073741824")
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
    return build(tmp_path_factory.mktemp("models"), world, dbt_folder=dbt_folder), cases


@pytest.mark.parametrize("name", [arrange.__name__ for arrange in ARRANGEMENTS])
def test_the_bill_is_the_one_worked_out_by_hand(
    built: tuple[Installation, dict[str, Case]], name: str
) -> None:
    installation, cases = built
    cases[name].assert_billed(installation)


def test_usage_that_no_price_takes_is_unpriced(
    built: tuple[Installation, dict[str, Case]],
) -> None:
    """Usage that is neither billed nor reported would be lost revenue."""
    exceptions = built[0].rows(
        "select subject, count(*) as record_count from marts.fct_event_exceptions"
        " where fate = 'unpriced' group by subject"
    )
    assert exceptions == [{"subject": "nothing_for_the_rest", "record_count": 1}]


def test_usage_of_a_day_is_read_like_that_of_a_period(
    built: tuple[Installation, dict[str, Case]],
) -> None:
    """A customer who looks at one day would see another number than the invoice has."""
    usage = built[0].rows(
        "select meter_code, quantity from marts.fct_usage_daily"
        " where customer_id = 'a_day_of_twenty_values' order by all"
    )
    assert {row["meter_code"]: int(row["quantity"]) for row in usage} == {
        "bandwidth": 19,
        "highest": 4,
        "last": 3,
        "lowest": 3,
    }


def test_a_day_of_a_level_has_its_hours_once(
    built: tuple[Installation, dict[str, Case]],
) -> None:
    """The days would come to more than the invoices."""
    usage = built[0].rows(
        "select count(*) as day_count, max(quantity) as hours from marts.fct_usage_daily"
        " where customer_id = 'level_over_two_months'"
    )
    assert usage == [{"day_count": 29, "hours": Decimal(24)}]


def test_usage_of_a_day_is_in_units(built: tuple[Installation, dict[str, Case]]) -> None:
    """121 s are 2.01666... minutes there too, 100,000 GiB a day are 2,400,000 hours."""
    usage = built[0].rows(
        "select distinct meter_code, unit, quantity from marts.fct_usage_daily"
        " where (customer_id, meter_code) in"
        " (('bounds_are_in_units', 'minutes'), ('gibibyte_hours', 'bytes')) order by all"
    )
    assert usage == [
        {"meter_code": "bytes", "unit": "GiB-hour", "quantity": Decimal(2400000)},
        {"meter_code": "minutes", "unit": "minute", "quantity": Decimal("2.016666666667")},
    ]
