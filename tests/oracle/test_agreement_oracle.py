"""What stands between charges and the amount due, compared with a second reading of the rules.

What belongs here: an oracle for minimums, maximums, discounts, tax and prepaid credit over the
charges of the made-up customers of the other oracle, in exact fractions and loops. Every line
is compared, and the parts of every invoice add up to what is due.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.harness import Scenario, build
from tests.oracle.bills import (
    LAST_PERIOD,
    MINOR_UNITS,
    Customer,
    Version,
    bill,
    local_date,
    midnight,
    periods,
    quantize,
)
from tests.oracle.made_up import made_up, text
from tests.oracle.test_oracle import customers, write_customer

CUSTOMERS = 250
TAX_RATE = Fraction(19)


@dataclass(frozen=True)
class Agreement:
    """Bounds by price, then what is taken off and how the rest is taxed."""

    bounds: tuple[tuple[Decimal | None, Decimal | None], ...]
    percent: Decimal | None
    fixed: Decimal | None
    is_tax_included: bool
    credit: Decimal | None


@dataclass(frozen=True)
class Totals:
    """What an invoice comes to."""

    billing_period: str
    net_amount: Decimal
    tax_amount: Decimal
    total_amount: Decimal
    due_amount: Decimal


Line = tuple[str, str, str, Decimal]


def chains_of(customer: Customer) -> list[tuple[str, dict[int, Version]]]:
    """The prices of every charge and pattern, numbered by charge as their price_id is."""
    found = []
    for number, charge in enumerate(customer.charges):
        count = 0
        for _, versions in charge.scopes:
            found.append((f"charge{number}", dict(enumerate(versions, count + 1))))
            count += len(versions)
    return found


def bound_lines(customer: Customer, agreement: Agreement) -> list[Line]:
    """Maximums and then minimums of every charge, pattern and period (rule 7)."""
    zone, places, found = customer.zone, MINOR_UNITS[customer.currency], []
    term_from = midnight(customer.starts_on, zone)
    term_to = midnight(customer.ends_on or date(2099, 1, 1), zone)
    charged = bill(customer)
    for first_day, end_day in periods(customer):
        period = first_day.strftime("%Y-%m")
        bounds = iter(agreement.bounds)
        for charge, versions in chains_of(customer):
            least, most, total, capped = Fraction(0), None, Fraction(0), Fraction(0)
            for number, version in versions.items():
                minimum, maximum = next(bounds)
                start = version.starts_on and midnight(version.starts_on, zone)
                end = version.ends_on and midnight(version.ends_on, zone)
                line_from = max(midnight(first_day, zone), term_from, start or term_from)
                line_to = min(midnight(end_day, zone), term_to, end or term_to)
                if line_from >= line_to:
                    continue
                active = local_date(line_to, zone) - local_date(line_from, zone)
                share = Fraction(active.days, (end_day - first_day).days)
                least += share * Fraction(minimum or 0)
                owed = sum(
                    Fraction(line.net_amount)
                    for line in charged
                    if (line.billing_period, line.charge_code, line.price_id)
                    == (period, charge, str(number))
                )
                total += owed
                if maximum is not None:
                    most = (most or Fraction(0)) + share * Fraction(maximum)
                    capped += owed
            if most is not None and capped > most:
                given_back = quantize(most - capped, places)
                found.append((period, "maximum", charge, given_back))
                total += Fraction(given_back)
            if least > total:
                missing = quantize(least - total, places)
                found.append((period, "minimum", charge, missing))
    return [line for line in found if line[3] != 0]


def discount_lines(agreement: Agreement, lines: list[Line], places: int) -> list[Line]:
    """The percentage of every charge and period, then the fixed amount of every period."""
    left: dict[tuple[str, str], Fraction] = {}
    found: list[Line] = []
    for period, _, charge, net in lines:
        left[period, charge] = left.get((period, charge), Fraction(0)) + Fraction(net)
    if agreement.percent is not None:
        for (period, charge), amount in left.items():
            off = quantize(-amount * Fraction(agreement.percent) / 100, places)
            found.append((period, "discount", charge, off))
            left[period, charge] += Fraction(off)
    if agreement.fixed is not None:
        unit = Fraction(1, 10**places)
        for period in {key[0] for key in left}:
            shares = {c: x for (at, c), x in sorted(left.items()) if at == period and x > 0}
            whole = sum(shares.values(), Fraction(0))
            taken = min(Fraction(quantize(Fraction(agreement.fixed), places)), whole)
            cents = {c: taken * x / whole // unit for c, x in shares.items()}
            rests = {c: taken * x / whole % unit for c, x in shares.items()}
            missing = taken / unit - sum(cents.values())
            for charge in sorted(rests, key=lambda c: (-rests[c], c))[: int(missing)]:
                cents[charge] += 1
            found += [
                (period, "discount", c, quantize(-n * unit, places)) for c, n in cents.items()
            ]
    return [line for line in found if line[3] != 0]


def settle(customer: Customer, agreement: Agreement) -> tuple[list[Line], list[Totals]]:
    """Every line and every invoice of a customer."""
    places = MINOR_UNITS[customer.currency]
    lines: list[Line] = [
        (line.billing_period, "charge", line.charge_code, line.net_amount)
        for line in bill(customer)
    ]
    lines += bound_lines(customer, agreement)
    lines += discount_lines(agreement, lines, places)
    shown, totals = [], []
    credit = Fraction(quantize(Fraction(agreement.credit or 0), places))
    for period in sorted({line[0] for line in lines}):
        priced = [line for line in lines if line[0] == period]
        gross = sum((Fraction(line[3]) for line in priced), Fraction(0))
        if agreement.is_tax_included:
            whole = 100 + TAX_RATE
            priced = [
                (*line[:3], quantize(Fraction(line[3]) * 100 / whole, places))
                for line in priced
            ]
            tax = quantize(gross * TAX_RATE / whole, places)
            net = sum((Fraction(line[3]) for line in priced), Fraction(0))
            if rest := gross - Fraction(tax) - net:
                priced.append((period, "rounding", "rounding", quantize(rest, places)))
        else:
            tax = quantize(gross * TAX_RATE / 100, places)
        net = sum((Fraction(line[3]) for line in priced), Fraction(0))
        total = net + Fraction(tax)
        if net == 0 and total == 0:
            continue
        used = min(credit, total) if total > 0 else Fraction(0)
        credit -= used
        shown += priced
        amounts = [quantize(x, places) for x in (net, Fraction(tax), total, total - used)]
        totals.append(Totals(period, *amounts))
    return sorted(shown), totals


@st.composite
def agreements(draw: st.DrawFn) -> tuple[Customer, Agreement]:
    customer = draw(customers())
    money = st.integers(1, 100000).map(lambda cents: Decimal(cents).scaleb(-2))

    def bound() -> tuple[Decimal | None, Decimal | None]:
        low, high = sorted((draw(money), draw(money)))
        kind = draw(st.integers(0, 3))
        return low if kind in (1, 3) else None, high if kind in (2, 3) else None

    return customer, Agreement(
        tuple(bound() for _, versions in chains_of(customer) for _ in versions),
        draw(st.none() | st.sampled_from([Decimal("15"), Decimal("33.333"), Decimal(100)])),
        draw(st.none() | money),
        draw(st.booleans()),
        draw(st.none() | money),
    )


def agreement_world(made: dict[str, tuple[Customer, Agreement]]) -> Scenario:
    """All of the agreements by their customers' names."""
    world = Scenario()
    world.meter("used", "use")
    world.meter("zoned", "use", dimensions="zone")
    tax = {"tax_category": "standard", "country_code": "DE", "tax_code": "DE-19", "rate": "19"}
    world.tax_rates.append(tax)
    for name, (customer, agreed) in made.items():
        write_agreement(world, name, customer, agreed)
    return world


def made_up_agreements() -> dict[str, tuple[Customer, Agreement]]:
    """Agreements by their customers' names."""
    made = made_up(agreements(), CUSTOMERS)
    return {f"c{number:03}": pair for number, pair in enumerate(made)}


def write_agreement(world: Scenario, name: str, customer: Customer, agreed: Agreement) -> None:
    """State the agreement in the tables of the price book and of the accounts."""
    before = len(world.prices)
    write_customer(world, name, customer)
    for row, (minimum, maximum) in zip(world.prices[before:], agreed.bounds, strict=True):
        row |= {"minimum_amount": text(minimum), "maximum_amount": text(maximum)}  # type: ignore[operator]
        row["tax_category"] = "standard"  # type: ignore[index]
    world.plans[-1]["tax_included"] = str(agreed.is_tax_included).lower()  # type: ignore[index]
    if agreed.percent is not None:
        world.discount(f"{name}-1", "percentage", text(agreed.percent), plan_code=name)
    currency = {"currency_code": customer.currency}
    if agreed.fixed is not None:
        world.discount(f"{name}-2", "fixed", text(agreed.fixed), plan_code=name, **currency)
    if agreed.credit is not None:
        world.grant(name, name, text(agreed.credit), granted_at="2025-01-01", **currency)


def test_the_sql_and_the_oracle_settle_the_same_amounts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = made_up_agreements()
    installation = build(
        tmp_path / "data",
        agreement_world(made),
        dbt_folder=tmp_path / "dbt",
        period=LAST_PERIOD,
    )
    lines: dict[str, list[Line]] = {name: [] for name in made}
    for row in installation.rows(
        "select customer_id, billing_period, line_type, charge_code, lines.net_amount"
        " from marts.fct_invoice_lines as lines"
        " inner join marts.fct_invoices as invoices using (invoice_id)"
        " where billing_period <= ?",
        [LAST_PERIOD],
    ):
        lines[row.pop("customer_id")].append(tuple(row.values()))  # type: ignore[arg-type]
    totals: dict[str, list[Totals]] = {name: [] for name in made}
    for row in installation.rows(
        "select customer_id, billing_period, net_amount, tax_amount, total_amount, due_amount"
        " from marts.fct_invoices where billing_period <= ? order by billing_period",
        [LAST_PERIOD],
    ):
        totals[row.pop("customer_id")].append(Totals(**row))
    expected = {name: settle(*pair) for name, pair in made.items()}
    compared = sum(len(found) for found, _ in expected.values())
    kinds = {line[1] for found, _ in expected.values() for line in found}
    with capsys.disabled():
        print(f"\n{compared} lines of {len(made)} agreements compared with the oracle")
    assert kinds == {"charge", "minimum", "maximum", "discount", "rounding"}
    wrong = [name for name in made if (sorted(lines[name]), totals[name]) != expected[name]]
    for name in wrong[:1]:
        message = f"{len(wrong)} differ: {made[name]}"
        assert (sorted(lines[name]), totals[name]) == expected[name], message
