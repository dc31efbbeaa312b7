"""What somebody has to look at before anybody is billed: one world of odd customers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dagster_project.lib.findings import FINDINGS, read_findings
from tests.harness import Installation, Scenario, build

# The five events of the type that were rated in January came to 117.00.
WORTH = ", perhaps 23.40 EUR"


def odd_customers() -> Scenario:
    """A customer for each finding, by whose name it is known, and a sound one."""
    world = Scenario()
    world.meter("tokens", "llm", dimensions="model")
    world.meter("used", "use")
    # Misspelled, so that every ping is counted at the price that was for a few.
    world.meter("pings", "ping", filter="sped!=slow;quantity>0", dimensions="zone")
    world.plan("P")
    world.price(
        "P",
        "per_unit",
        charge="tokens",
        meter_code="tokens",
        unit_price="0.00001",
        dimension_filter="model=a",
    )
    world.price("P", "per_unit", meter_code="used", unit_price="1", tax_category="standard")
    pings = {"charge": "pings", "meter_code": "pings"}
    world.price("P", "per_unit", unit_price="2", dimension_filter="zone!=eu", **pings)
    world.plan("fees")
    world.price("fees", "flat", unit_price="5")
    world.tax_rates.append(
        {"tax_category": "standard", "country_code": "DE", "tax_code": "DE-19", "rate": "19"}
    )
    names = ("sound", "values", "dwarf", "giant", "gone", "back", "tiny", "stranger")
    for name in names:
        world.customer(name, country_code="BR" if name == "stranger" else "DE")
        world.subscription(name, plan_code="P", started_at="2025-10-01")
    world.customer("meter")
    world.subscription("meter", plan_code="fees")
    for month in ("2025-10", "2025-11", "2025-12", "2026-01"):
        for name, usual in (("sound", "100"), ("dwarf", "100"), ("giant", "1"), ("gone", "7")):
            odd = {"dwarf": "9.99", "giant": "10.01", "gone": None}
            quantity = odd.get(name, usual) if month == "2026-01" else usual
            if quantity:
                world.event(name, quantity, at=f"{month}-10T12:00:00Z")
    steady_customers(world)
    llm = {"event_type": "llm"}
    world.event("values", "900000", data={"model": "a-2026-01-31"}, **llm)
    world.event("tiny", "400", data={"model": "a"}, **llm)
    world.event("meter", "3")
    for quantity in ("1", "-1"):
        world.event("sound", quantity, event_type="ping", data={"speed": "slow"})
    world.event("back", "-5")
    world.event("stranger", "2")
    world.event("nobody", "4")
    world.event("sound", event_id="broken", file="broken")
    world.events["broken"] = [
        line.replace("{}", '{"quantity": "abc"}') for line in world.events["broken"]
    ]
    return world


def steady_customers(world: Scenario) -> None:
    """A tenth and ten times of what is usual are usual still, and no month before six counts.

    Of the six months before January three are 2 and three are 15: 2 is the lower median, and
    20.01 more than ten times of it. Of seven months or five the median would be 15.
    """
    world.meter("steady", "steady")
    world.plan("Q")
    world.price("Q", "per_unit", meter_code="steady", unit_price="1")
    for name, *quantities in [
        ("tenth", "100", "100", "100", "10"),
        ("tenfold", "1", "1", "1", "10"),
        ("older", "15", "2", "2", "2", "15", "15", "15", "20.01"),
    ]:
        months = [*(f"2025-{month:02}" for month in range(6, 13)), "2026-01"]
        months = months[-len(quantities) :]
        world.customer(name)
        world.subscription(name, plan_code="Q", started_at=f"{months[0]}-01")
        for month, quantity in zip(months, quantities, strict=True):
            at, event_id = f"{month}-10T12:00:00Z", f"{name}-{month}"
            world.event(name, quantity, event_type="steady", at=at, event_id=event_id)
    # Was rejected, and is sent again whole in a later file: nothing is missing.
    world.event("tenth", '"ten"', event_type="steady", event_id="tenth-2026-01", file="0")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    return build(
        tmp_path_factory.mktemp("findings"),
        odd_customers(),
        dbt_folder=dbt_folder,
        period="2026-01",
    )


def test_each_odd_customer_is_named_with_meter_and_quantity(world: Installation) -> None:
    """Unsaid, a model without a price is given away, and a dead meter bills nothing."""
    with world.read() as connection:
        found = {
            findings.code: [(f.customer, f.meter, f.quantity, f.text) for f in findings.shown]
            for findings in read_findings(connection, "2026-01")
        }
    assert list(found) == [code for code in FINDINGS if code in found]
    assert found == {
        "rejected_usage": [
            (
                "sound",
                "",
                "",
                "1 event of subject sound rejected in usage/1-broken.ndjson: invalid quantity,"
                " quantity: 'abc' is no number" + WORTH,
            )
        ],
        "unseen_property": [
            (
                "",
                "pings",
                "",
                "a filter names sped, zone, which no event of type ping has (2 events)",
            )
        ],
        "unpriced_values": [
            (
                "values",
                "tokens",
                "900,000 unit",
                "1 event of subscription values: no price takes model=a-2026-01-31",
            )
        ],
        "unpriced_meter": [
            (
                "meter",
                "used",
                "3 unit",
                "1 event of subscription meter, whose plan has no price for them" + WORTH,
            )
        ],
        "usage_of_nobody": [
            (
                "",
                "used",
                "4 unit",
                "1 event of subject nobody: unknown subject" + WORTH,
            )
        ],
        "missing_tax_rate": [
            ("", "", "", "no rate for standard in BR: 1 draft over 2 EUR net")
        ],
        "out_of_own_range": [
            ("older", "", "", "20.01 EUR, where 2 is usual"),
            ("giant", "", "", "10.01 EUR, where 1 is usual"),
            ("dwarf", "", "", "9.99 EUR, where 100 is usual"),
            ("gone", "", "", "0 EUR, where 7 is usual"),
        ],
        "negative_draft": [("back", "", "", "invoice over -5.95 EUR")],
        "rounded_to_nothing": [
            (
                "tiny",
                "tokens",
                "400 unit",
                "charge tokens of subscription tiny comes to 0 EUR (1 line, one of 0.004)",
            )
        ],
    }


def test_what_is_usual_is_no_finding(world: Installation) -> None:
    """A table that is full every month is read by nobody."""
    with world.read() as connection:
        assert read_findings(connection, "2025-12") == []


def late_for_january(world: Scenario) -> Scenario:
    """What lands once January has been issued, beside the same accounts."""
    late = Scenario(customers=world.customers, subscriptions=world.subscriptions)
    late.customer("new", country_code="FR")
    late.customer("giving")
    for name, quantity in (("new", "4"), ("giving", "-4")):
        late.subscription(name, plan_code="P")
        late.event(name, quantity, file="late")
    late.event("known", "7", event_type="llm", data={"model": "b"}, file="late")
    late.event("lost", "3", file="late")
    return late


def test_what_lands_for_an_issued_month_is_said_with_the_next(
    tmp_path: Path, dbt_folder: Path
) -> None:
    """Said with January alone, which nobody issues again, it would be lost in silence."""
    scenario = odd_customers()
    scenario.customers, scenario.subscriptions, scenario.events = [], [], {}
    scenario.customer("known")
    scenario.subscription("known", plan_code="P")
    scenario.event("known", "10")
    # Of a type of which nothing more lands: said with January, and not again.
    scenario.meter("other", "odd")
    scenario.event("nobody", "2", event_type="odd")
    world = build(tmp_path, scenario, dbt_folder=dbt_folder, period="2026-01", tested=False)
    world.issue("2026-01")
    world.land(late_for_january(scenario), "2")
    world.ingest(datetime(2026, 6, 2, tzinfo=UTC))
    world.dbt_build("2026-02")
    with world.read() as connection:
        said = {
            findings.code: [str(finding) for finding in findings.shown]
            for findings in read_findings(connection, "2026-02")
        }
        before = read_findings(connection, "2026-01")
    assert [(found.code, [f.meter for f in found.shown]) for found in before] == [
        ("usage_of_nobody", ["other"])
    ]
    assert said == {
        "unpriced_values": [
            (
                "customer known, meter tokens, 7 unit: 1 event of subscription known: no price"
                " takes model=b (2026-01)"
            )
        ],
        "usage_of_nobody": [
            (
                "meter used, 3 unit: 1 event of subject lost: unknown subject,"
                " perhaps 3.33 EUR (2026-01)"
            )
        ],
        "missing_tax_rate": ["no rate for standard in FR: 1 draft over 4 EUR net (2026-01)"],
        "negative_draft": ["customer giving: invoice over -4.76 EUR (2026-01)"],
    }


def test_a_month_that_was_skipped_is_said_with_the_month_that_issues_it(
    world: Installation,
) -> None:
    """Its drafts are issued with the next month, so that is where somebody looks."""
    with world.read() as connection:
        january = read_findings(connection, "2026-01")
        february = read_findings(connection, "2026-02")
    assert [(found.code, found.count) for found in february] == [
        (found.code, found.count) for found in january
    ]
    assert all(
        finding.text.endswith(" (2026-01)") for found in february for finding in found.shown
    )
