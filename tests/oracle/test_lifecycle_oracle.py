"""Whole lives of subscriptions, billed by the SQL and by a second reading of the rules.

What belongs here: made-up customers with trials, pauses, plan changes, phases, negotiated
prices, fees in advance, periods of several lengths, bands of size and local time, levels and
taxes that change, combined at random. All of them are billed by one build; every line and
invoice is compared to the last digit. The second reading is lives.py and deals.py.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from tests.harness import Installation, Scenario, build
from tests.oracle.bills import (
    EXACT_PLACES,
    Version,
    local_date,
    midnight,
    months_later,
    quantize,
)
from tests.oracle.deals import TAXES, Settled, Totals, settle
from tests.oracle.lives import (
    HOLIDAYS,
    INSTANT,
    LAST_PERIOD,
    LEVELS,
    LOADS,
    METERS,
    MINOR_UNITS,
    SIZES,
    UNITS,
    WHOLE,
    Charge,
    Commitment,
    Discount,
    Event,
    Grant,
    Life,
    Line,
    Moment,
    Plan,
    Price,
    Term,
)
from tests.oracle.made_up import made_up, text, version_columns
from tests.oracle.test_oracle import ZONES, chains, decimals

LIVES = int(os.environ.get("ORACLE_LIVES", "200"))
FIRST_DAY = date(2025, 9, 1)
# Days on which something begins: eight months with both changes of the clock.
DAYS = st.integers(0, 240).map(lambda number: FIRST_DAY + timedelta(days=number))
FILTERS = {
    "load": ("load=peak", "load=low", "load=night", "load=feast"),
    "size": ("size=small", "size=medium", "size=large"),
}
INTERVALS = ("month", "quarter", "year")
QUARTER_HOUR = timedelta(minutes=15)
EDGES_OF_SIZES = [up_to for up_to, _ in SIZES if up_to] + [Decimal("10.000000000001")]
LOADED_AT = datetime(2026, 7, 1, tzinfo=UTC)


@st.composite
def moments(draw: st.DrawFn, days: st.SearchStrategy[date]) -> Moment:
    second = st.none() | st.none() | st.integers(0, 86399)
    return Moment(draw(days), draw(second))


@st.composite
def priced_by_event(draw: st.DrawFn, version: Version) -> Version:
    """A percentage and a fee of every event within bounds, the first few of them free."""
    lowest = draw(decimals(0, 3))
    return replace(
        version,
        model="percentage",
        unit_price=draw(decimals(0, 50, 10)),
        included=Decimal(0),
        tiers=(),
        event_bounds=(draw(decimals(1, 3)), lowest, lowest + draw(decimals(0, 9))),
        free_events=draw(st.integers(0, 2)),
        price_quantity=None,
    )


@st.composite
def prices(draw: st.DrawFn, meter: str | None, is_in_parts: bool) -> tuple[Price, ...]:
    """Versions by date or phases by month; a meter that is no sum has no fee per event."""
    versions: tuple[Version, ...] = draw(chains(2 if is_in_parts else 0, not meter, False))
    if meter in WHOLE or meter in LEVELS:
        versions = tuple(replace(version, event_bounds=None) for version in versions)
    elif meter and draw(st.integers(0, 2)) == 0:
        versions = tuple(draw(priced_by_event(version)) for version in versions)
    if draw(st.booleans()):
        return tuple(Price(version) for version in versions)
    months = draw(st.lists(st.integers(1, 9), max_size=2, unique=True).map(sorted))
    ends = [*months, None]
    return tuple(
        Price(replace(versions[number % len(versions)], starts_on=None, ends_on=None), phase)
        for number, phase in enumerate(zip([0, *months], ends, strict=True))
    )


@st.composite
def scopes(draw: st.DrawFn, meter: str | None, is_in_parts: bool) -> Any:
    """Filters of a charge, or none, with the prices of each; sometimes bounded."""
    filters = [""]
    if meter and METERS[meter] and draw(st.integers(0, 2)):
        values = st.sampled_from(FILTERS[draw(st.sampled_from(METERS[meter]))])
        filters = draw(st.lists(values, min_size=1, max_size=3, unique=True))
        filters += draw(st.sampled_from(([], [""])))
    found = []
    for name in filters:
        bounded = []
        for price in draw(prices(meter, is_in_parts)):
            low, high = sorted((draw(decimals(0, 900, 2)), draw(decimals(0, 900, 2))))
            kind = draw(st.integers(0, 7))
            least, most = low if kind in (1, 3) else None, high if kind in (2, 3) else None
            bounded.append(replace(price, minimum=least, maximum=most))
        found.append((name, tuple(bounded)))
    return tuple(found)


@st.composite
def negotiated(draw: st.DrawFn, meter: str | None, names: list[str]) -> Any:
    """Prices from one date to another, in place of a filter or of the whole charge."""
    found = []
    for name in draw(st.lists(st.sampled_from(["", *names]), max_size=2, unique=True)):
        start = draw(DAYS)
        length = draw(st.none() | st.integers(1, 150))
        (price, *_) = draw(prices(meter, True))
        version = replace(
            price.version,
            starts_on=start,
            ends_on=start + timedelta(days=length) if length else None,
        )
        found.append((name, Price(version)))
    return tuple(found)


@st.composite
def charges(draw: st.DrawFn) -> Charge:
    meter = draw(st.sampled_from([None, None, *METERS]))
    interval = draw(st.none() | st.none() | st.sampled_from(INTERVALS))
    is_prorated = (meter is None or meter in WHOLE or meter in LEVELS) and draw(st.booleans())
    is_in_advance = meter is None and draw(st.booleans())
    category = draw(st.sampled_from(("standard", "reduced", "")))
    sold = draw(scopes(meter, True))
    special = (
        draw(negotiated(meter, [name for name, _ in sold])) if draw(st.booleans()) else ()
    )
    return Charge(meter, interval, is_in_advance, is_prorated, category, sold, special)


METERED = charges().filter(lambda charge: charge.meter is not None)


@st.composite
def terms(draw: st.DrawFn, plan_count: int) -> tuple[Term, ...]:
    """One term after the other, now and then with a gap; any may begin with a trial."""
    found: list[Term] = []
    starts = draw(moments(DAYS))
    for plan in range(plan_count):
        lasts = st.sampled_from((31, 45, 365)) | st.integers(1, 200)
        length = draw(st.none() | lasts if plan + 1 == plan_count else lasts)
        ends = length and draw(moments(st.just(starts.day + timedelta(days=length))))
        trial = draw(st.none() | st.none() | st.integers(1, 80))
        trial_ends = trial and draw(moments(st.just(starts.day + timedelta(days=trial))))
        anchor = draw(st.sampled_from(("calendar", "calendar", "anniversary")))
        found.append(Term(plan, anchor, starts, ends or None, trial_ends or None))
        if ends:
            gap = draw(st.sampled_from((0, 0, 0, 20)))
            starts = replace(ends, day=ends.day + timedelta(days=gap))
    return tuple(found)


@st.composite
def instants(draw: st.DrawFn, edges: list[datetime]) -> datetime:
    """Quarters of an hour from an edge on, where bands of the day change, or just before."""
    at = draw(st.sampled_from(edges))
    at += draw(st.just(0) | st.integers(0, 96) | st.integers(0, 9600)) * QUARTER_HOUR
    return at - draw(st.sampled_from((timedelta(0), timedelta(0), INSTANT)))


@st.composite
def discounts(draw: st.DrawFn, plans: tuple[Plan, ...]) -> Discount:
    kind = draw(st.sampled_from(("percentage", "percentage", "fixed", "free_units")))
    plan = draw(st.none() | st.integers(0, len(plans) - 1))
    codes = [f"charge{n}" for n in range(len(plans[plan or 0].charges))]
    code = draw(
        st.sampled_from(codes) if kind == "free_units" else st.none() | st.sampled_from(codes)
    )
    size = draw(st.integers(1, 100) if kind == "percentage" else decimals(1, 60, 4))
    start = draw(st.none() | DAYS)
    end = start and draw(st.none() | st.integers(1, 200))
    return Discount(
        kind,
        Decimal(size),
        plan,
        code,
        start,
        start + timedelta(days=end) if start and end else None,
        draw(st.none() | st.integers(1, 4)),
    )


@st.composite
def commitments(
    draw: st.DrawFn, plans: tuple[Plan, ...], lived: tuple[Term, ...]
) -> Commitment:
    """Of each period, or of a term; that is one of whole billing periods."""
    plan = draw(st.integers(0, len(plans) - 1))
    codes = [f"charge{n}" for n in range(len(plans[plan].charges))]
    first, length = draw(st.integers(0, 6)), draw(st.integers(1, 8))
    start = date(2025, 9, 1)
    term = months_later(start, first), months_later(start, first + length)
    is_whole = (plans[plan].interval, lived[plan].anchor) == ("month", "calendar")
    return Commitment(
        plan,
        draw(decimals(1, 900, 2)),
        draw(st.none() | st.sampled_from([Decimal("1.5"), Decimal(2), Decimal("0.333333")])),
        draw(st.none() | st.sampled_from(codes)),
        draw(st.sampled_from(("standard", "reduced", ""))),
        draw(st.none() | st.just(term)) if is_whole else None,
    )


@st.composite
def grants(draw: st.DrawFn, plans: tuple[Plan, ...], *, in_units: bool = False) -> Grant:
    """Money only of untaxed charges, whose share of a rounded tax is a matter of taste."""
    codes = {f"charge{n}" for plan in plans for n, _ in enumerate(plan.charges)}
    taxed = {
        f"charge{n}"
        for plan in plans
        for n, charge in enumerate(plan.charges)
        if charge.category
    }
    units = draw(decimals(1, 500)) if in_units else None
    return Grant(
        units,
        draw(decimals(1, 900, 2) if units is None else decimals(0, 1, 6)),
        draw(st.sampled_from([None, *sorted(codes if units else codes - taxed)])),
        draw(st.none() | st.integers(1, 2)),
        draw(st.none() | DAYS),
    )


@st.composite
def plans_of_their_own(draw: st.DrawFn) -> Plan:
    interval = draw(st.just("month") | st.sampled_from(INTERVALS))
    return Plan(interval, tuple(draw(st.lists(charges(), min_size=1, max_size=3))))


@st.composite
def upgrades(draw: st.DrawFn, plan: Plan) -> Plan:
    """A plan with the charges of another one, of which it includes more or less."""
    sold = []
    for charge in plan.charges:
        found = []
        for name, prices_of_it in charge.scopes:
            versions = [price.version for price in prices_of_it]
            includes = [
                replace(
                    version,
                    included=draw(st.just(version.included) | decimals(0, 60))
                    if charge.meter and not version.event_bounds
                    else version.included,
                )
                for version in versions
            ]
            found.append(
                (
                    name,
                    tuple(
                        replace(price, version=version)
                        for price, version in zip(prices_of_it, includes, strict=True)
                    ),
                )
            )
        sold.append(replace(charge, scopes=tuple(found)))
    return replace(plan, charges=tuple(sold))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    zone = draw(st.sampled_from(ZONES.split(",")))
    sold = [draw(plans_of_their_own())]
    for _ in range(draw(st.sampled_from((0, 0, 1, 1, 2)))):
        sold.append(
            draw(upgrades(sold[-1]) if draw(st.integers(0, 2)) else plans_of_their_own())
        )
    plans = tuple(sold)
    lived = draw(terms(len(plans)))
    has_levels = any(charge.meter in LEVELS for plan in plans for charge in plan.charges)
    edges = [midnight(day, zone) for day in HOLIDAYS]
    edges += [term.starts.at(zone) for term in lived] * 4
    edges += [
        moment.at(zone) for t in lived for moment in (t.starts, t.ends, t.trial_ends) if moment
    ]
    start = lived[0].starts.day
    edges += [midnight(months_later(start.replace(day=1), n), zone) for n in (1, 2, 3)]
    pauses = []
    for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
        day = start + timedelta(days=draw(st.integers(-10, 120)))
        length = draw(st.none() | st.integers(1, 70))
        pauses.append((day, None if length is None else day + timedelta(days=length)))
        edges += [midnight(edge, zone) for edge in pauses[-1] if edge]
    events = []
    for _ in range(draw(st.sampled_from((0, 5, 10, 15)))):
        quantity = draw(decimals(0, 300))
        size = draw(st.none() | st.sampled_from(EDGES_OF_SIZES) | decimals(0, 400))
        is_level = has_levels and draw(st.booleans())
        user = draw(st.sampled_from("abcdef"))
        event = Event(draw(instants(edges)), quantity, size, is_level, user)
        events += [event] if event.at < LOADED_AT else []
    currency = draw(st.sampled_from(sorted(MINOR_UNITS)))
    country = draw(st.sampled_from(("DE", "US")))
    agreed = [draw(st.lists(kind(plans), max_size=2)) for kind in (discounts, grants)]
    deals = draw(st.lists(commitments(plans, lived), max_size=2))
    bought = draw(st.lists(grants(plans, in_units=True), max_size=3))
    return Life(
        zone,
        currency,
        country,
        plans,
        lived,
        tuple(pauses),
        tuple(events),
        tuple(agreed[0]),
        tuple(deals),
        (*agreed[1], *bought),
    )


@st.composite
def plan_changers(draw: st.DrawFn) -> Life:
    """Plans with the same charges that follow one another within a period."""
    life = draw(lives())
    interval = draw(st.sampled_from(("month", "month", "quarter")))
    sold = [Plan(interval, tuple(draw(st.lists(METERED, min_size=1, max_size=2))))]
    sold += [draw(upgrades(sold[-1])) for _ in range(draw(st.integers(2, 3)))]
    del sold[0]
    day, lived = draw(DAYS), []
    trial = draw(st.none() | st.none() | st.integers(1, 9))
    trial_ends = Moment(day + timedelta(days=trial)) if trial else None
    for number in range(len(sold)):
        starts, day = Moment(day), day + timedelta(days=draw(st.integers(4, 15)))
        ends = None if number + 1 == len(sold) else Moment(day)
        lived.append(Term(number, "calendar", starts, ends, trial_ends))
        trial_ends = None
    start, events = lived[0].starts.at(life.zone), []
    for _ in range(draw(st.integers(3, 15))):
        at = start + draw(st.integers(0, 4000)) * QUARTER_HOUR
        size = draw(st.sampled_from(EDGES_OF_SIZES))
        user = draw(st.sampled_from("abcdef"))
        event = Event(at, draw(decimals(0, 60)), size, draw(st.booleans()), user)
        events += [event] if at < LOADED_AT else []
    gifts = [gift for gift in life.discounts if gift.plan is None]
    return replace(
        life,
        plans=tuple(sold),
        terms=tuple(lived),
        pauses=life.pauses[:1],
        events=tuple(events),
        discounts=tuple(gift for gift in gifts if gift.charge_code in (None, "charge0")),
        commitments=(),
        grants=(),
    )


def made_up_lives() -> dict[str, Life]:
    """Lives by their customers' names."""
    made = made_up(lives(), LIVES) + made_up(plan_changers(), LIVES // 2)
    return {f"c{number:03}": life for number, life in enumerate(made)}


def write_price(
    world: Scenario,
    plan: str,
    code: str,
    charge: Charge,
    scope: str,
    price: Price,
    subscription: str = "",
) -> None:
    """State a version in the columns of the price book."""
    columns: dict[str, str] = {"subscription_id": subscription}
    if charge.meter:
        columns |= {"meter_code": charge.meter, "dimension_filter": scope}
    world.price(
        plan,
        price.version.model,
        charge=code,
        phase_from_month=price.phase[0] or "",
        phase_to_month=price.phase[1] or "",
        minimum_amount=text(price.minimum),
        maximum_amount=text(price.maximum),
        billed="advance" if charge.is_in_advance else "arrears",
        prorated=str(charge.is_prorated).lower(),
        billing_interval=charge.interval or "",
        tax_category=charge.category,
        **columns,
        **version_columns(price.version),
    )


def write_deals(world: Scenario, name: str, life: Life) -> None:
    """State discounts, commitments and grants."""
    for number, discount in enumerate(life.discounts):
        scope = {"subscription_id": name, "charge_code": discount.charge_code or ""}
        scope["plan_code"] = "" if discount.plan is None else f"{name}-p{discount.plan}"
        if discount.kind == "fixed":
            scope["currency_code"] = life.currency
        world.discount(
            f"{name}-d{number}",
            discount.kind,
            text(discount.size),
            valid_from=text(discount.valid_from),
            valid_to=text(discount.valid_to),
            period_count=discount.period_count or "",
            **scope,
        )
    for number, deal in enumerate(life.commitments):
        start, end = deal.term or (None, None)
        world.commitment(
            # Named to stand after the charges, as codes decide between equal shares.
            f"k{number}-{name}",
            text(deal.amount),
            commitment_interval="term" if deal.term else "period",
            plan_code=f"{name}-p{deal.plan}",
            charge_code=deal.charge_code or "",
            overage_factor=text(deal.factor),
            currency_code=life.currency,
            tax_category=deal.category,
            valid_from=text(start),
            valid_to=text(end),
        )
    for number, grant in enumerate(life.grants):
        amount = "" if grant.units else text(grant.worth)
        units = {"credit_unit": "unit", "granted_quantity": text(grant.units)}
        world.grant(
            f"{name}-{number}",
            name,
            amount,
            granted_at="2025-01-01",
            expires_at=text(grant.expires),
            charge_code=grant.charge_code or "",
            priority=grant.priority or "",
            currency_code=life.currency,
            **(units | {"unit_price": text(grant.worth)} if grant.units else {}),
        )


def write_life(world: Scenario, name: str, life: Life) -> None:
    """State a life in the tables of the price book, the accounts and the usage."""
    world.customer(
        name, timezone=life.zone, currency_code=life.currency, country_code=life.country
    )
    for number, plan in enumerate(life.plans):
        world.plan(f"{name}-p{number}", life.currency, plan.interval)
        for place, charge in enumerate(plan.charges):
            for scope, versions in charge.scopes:
                for price in versions:
                    code = f"charge{place}"
                    write_price(world, f"{name}-p{number}", code, charge, scope, price)
            for scope, price in charge.negotiated:
                plan_code, code = f"{name}-p{number}", f"charge{place}"
                write_price(world, plan_code, code, charge, scope, price, name)
    for term in life.terms:
        world.subscription(
            name,
            plan_code=f"{name}-p{term.plan}",
            started_at=term.starts.text(),
            ended_at=term.ends.text() if term.ends else "",
            trial_ends_at=term.trial_ends.text() if term.trial_ends else "",
            billing_anchor=term.anchor,
        )
    write_deals(world, name, life)
    for start, end in life.pauses:
        pause = {"subscription_id": name, "paused_from": text(start), "paused_to": text(end)}
        world.pauses.append(pause)
    for number, event in enumerate(life.events):
        world.event(
            name,
            text(event.quantity),
            at=event.at.isoformat(),
            event_type="hold" if event.is_level else "use",
            event_id=f"{name}-{number:02}",
            data={"user": event.user}
            | ({} if event.size is None else {"size_read": text(event.size)}),
        )


def life_world(made: dict[str, Life]) -> Scenario:
    """All of the lives, with the meters, bands and taxes that they share."""
    world = Scenario()
    for meter, dimensions in METERS.items():
        is_level = meter in LEVELS
        world.meter(
            meter,
            "hold" if is_level else "use",
            WHOLE.get(meter, "time_weighted" if is_level else "sum"),
            dimensions="|".join(dimensions),
            unit_quantity=text(UNITS.get(meter)),
            value_property="user" if meter == "users" else "quantity",
        )
    names = ("dimension", "days", "from_time", "to_time", "band")
    world.tables["time_bands"] = [
        dict(zip(names, ("load", "|".join(days), start, end, band), strict=True))
        for days, bands in LOADS
        for start, (end, band) in zip(
            ["00:00", *(end for end, _ in bands)], bands, strict=False
        )
    ]
    world.tables["holidays"] = [
        {"dimension": "load", "holiday_date": text(day), "holiday_name": "Day off"}
        for day in HOLIDAYS
    ]
    size = {"event_type": "use", "dimension": "size", "property": "size_read"}
    world.tables["dimension_bands"] = [
        size | {"up_to": text(up_to), "band": band} for up_to, band in SIZES
    ]
    for (country, category), rates in TAXES.items():
        for code, rate, start, end in rates:
            row = {"tax_category": category, "country_code": country, "tax_code": code}
            row |= {"rate": text(rate), "valid_from": text(start), "valid_to": text(end)}
            world.tax_rates.append(row)
    for name, life in made.items():
        write_life(world, name, life)
    return world


def billed(installation: Installation) -> dict[str, Settled]:
    """Lines, invoices and uses of credit of every customer up to the last period."""
    found: dict[str, Settled] = defaultdict(lambda: Settled([], [], []))
    for row in installation.rows(
        "select billing_period, customer_id, line_type, charge_code, price_id,"
        " lines.net_amount, tax_category, dimension_values, timezone, lines.period_from,"
        " lines.period_to, quantity, exact_amount from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
        " where billing_period <= ?",
        [LAST_PERIOD],
    ):
        name, zone = row.pop("customer_id"), row.pop("timezone")
        row["last_day"] = local_date(row["period_to"].replace(tzinfo=UTC) - INSTANT, zone)
        row["tax_category"] = row["tax_category"] or ""
        row["charge_code"] = row["charge_code"].removesuffix(f"-{name}")
        if row["line_type"] == "charge":
            row["price_id"] = row["price_id"].removeprefix(f"{name}-")
            row["exact_amount"] = quantize(Fraction(row["exact_amount"]), EXACT_PLACES)
            row["dimension_values"] = json.dumps(json.loads(row["dimension_values"]))
            for at in ("period_from", "period_to"):
                row[at] = row[at].replace(tzinfo=UTC)
            found[name].lines.append(Line(**row))
        else:
            kept = ["billing_period", "line_type", "charge_code", "net_amount", "tax_category"]
            kept += ["last_day"]
            found[name].lines.append(
                Line(price_id="", **{column: row[column] for column in kept})
            )
    for row in installation.rows(
        "select customer_id, billing_period, net_amount, tax_amount, total_amount, due_amount"
        " from marts.fct_invoices where billing_period <= ? order by billing_period",
        [LAST_PERIOD],
    ):
        found[row.pop("customer_id")].totals.append(Totals(**row))
    for row in installation.rows(
        "select customer_id, paid_billing_period, grant_id,"
        " sum(coalesce(applied_amount, applied_quantity)) as applied"
        " from marts.fct_credit_applications where paid_billing_period <= ? group by all",
        [LAST_PERIOD],
    ):
        number = int(row["grant_id"].rpartition("-")[2])
        use = (row["paid_billing_period"], number, row["applied"])
        found[row["customer_id"]].credits.append(use)
    for settled in found.values():
        settled.lines.sort()
        settled.credits.sort()
    return found


def test_the_sql_and_the_oracle_bill_the_same_lives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_up_lives()
    installation = build(
        tmp_path / "data",
        life_world(made),
        dbt_folder=tmp_path / "dbt",
        period=LAST_PERIOD,
        loaded_at=LOADED_AT,
    )
    found = billed(installation)
    expected = {name: settle(life) for name, life in made.items()}
    compared = sum(len(settled.lines) for settled in expected.values())
    in_units = sum(
        bool(made[name].grants[number].units)
        for name, settled in expected.items()
        for _, number, _ in settled.credits
    )
    kinds = {line.line_type for settled in expected.values() for line in settled.lines}
    with capsys.disabled():
        print(f"\n{compared} lines of {len(made)} lives compared with the oracle")
    assert in_units > 20
    assert kinds == {"charge", "minimum", "maximum", "true_up", "overage", "discount"}
    wrong = [name for name in made if found[name] != expected[name]]
    for name in wrong[:1]:
        assert found[name] == expected[name], f"{len(wrong)} differ: {made[name]}"
