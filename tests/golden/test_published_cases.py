"""Every published rating fact of two other billing systems, through files in and marts out.

The cases lie outside the repository (shared/cases); without them nothing is tested here. One
build bills all of them, a second and a third what arrives after the bills before were issued.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.golden.published import aggregations, agreements, prices
from tests.golden.published.bills import Bill, read_bills
from tests.golden.published.cases import LOADS, Translation, shared_world
from tests.harness import LOADED_AT, REPOSITORY, Installation, Scenario, build

CASES = REPOSITORY.parent / "shared" / "cases"
HANDLERS = prices.HANDLERS | agreements.HANDLERS | aggregations.HANDLERS
LAST_PERIOD = "2026-04"
# The first build runs every test; the later ones would say nothing new and take as long.

PACKAGES = "Rule 4: packages are rounded up, never down or half up"
EXACT = "Numbers: a number of more than 12 places is rejected, never rounded"
BOUNDS = "Rule 1: a period is half-open, its bounds are not widened to whole windows"
AVERAGE = "Meters: avg is not among the aggregations"
# What other systems do otherwise on purpose, and what decides; the rest has to agree. Rules
# are of docs/billing_rules.md, numbers and meters of docs/input_format.md, commitments of
# docs/billing_decisions.md.
CHARGES = "Rule 6: the parts of a charge are added up and rounded once, not one by one"
DIFFERING = {
    **{f"flexprice-line-then-sum-{n:03}": CHARGES for n in (1, 2, 4, 6, 7, 8, 9, 10)},
    "flexprice-package-010": PACKAGES,
    "flexprice-package-012": PACKAGES,
    "openmeter-unit-conversion-003": PACKAGES,
    "openmeter-unit-conversion-004": PACKAGES,
    "openmeter-unit-conversion-005": PACKAGES,
    "openmeter-per-unit-004": "Rule 7: a minimum is for the period, not a part of it",
    "openmeter-per-unit-008": "Rule 8: the maximum comes before percentage discounts",
    "openmeter-flat-005": "Rule 7: days that are active are owed, and there are none",
    "openmeter-max-spend-overage-004": (
        "Rule 7: the maximum holds for the period; no earlier bill exceeds it"
    ),
    "flexprice-flat-010": "Rule 7: proration counts days; a second of a day is a day",
    "flexprice-window-commitment-003": (
        "Commitments: per billing period or term, always trued up; not per hour"
    ),
    "flexprice-cumulative-commitment-004": (
        "Commitments: usage keeps its price, a line adds the rest (the sum agrees)"
    ),
    "flexprice-credit-cap-005": "Rule 9: a difference is billed in both directions",
    "openmeter-sum-001": EXACT,
    "openmeter-min-001": EXACT,
    "openmeter-latest-001": EXACT,
    "openmeter-sum-004": BOUNDS,
    "openmeter-sum-006": BOUNDS,
    "openmeter-avg-001": AVERAGE,
    "flexprice-avg-001": AVERAGE,
}
# Published beside the amount and nowhere on a bill of ours: what must not come out, the parts
# of spending below and above a commitment, the parts of a bill that is a difference, and the
# units of what is sold in packages.
WITHOUT_FIGURE = frozenset(
    (
        "sum_then_round",
        "utilized",
        "overage",
        "true_up",
        "gross",
        "discount",
        "breakdown",
        "units",
    )
)


@dataclass(frozen=True)
class Outcome:
    """How a case came out; ``gaps`` says what is published and what was billed.

    ``read`` and ``unread`` are the published figures that were compared, and the others;
    ``unrated`` are the fates of usage that was not billed, other than being withdrawn.
    """

    name: str
    kind: str
    gaps: list[str]
    read: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()
    unrated: frozenset[str] = frozenset()


def _agrees(published: Any, billed: Any) -> bool:
    """Whether figures are equal; of a group, what is published is compared."""
    if isinstance(published, Mapping):
        return published.keys() <= billed.keys() and all(
            _agrees(published[key], billed[key]) for key in published
        )
    if isinstance(published, list):
        return len(published) == len(billed) and all(map(_agrees, published, billed))
    return published == billed if isinstance(billed, str) else Decimal(published) == billed


def _issue_everything(installation: Installation) -> None:
    periods = installation.rows(
        "select distinct billing_period from marts.fct_invoices"
        " where invoice_status = 'draft' order by billing_period"
    )
    for row in periods:
        installation.issue(row["billing_period"], LOADED_AT)


def _translate(case: Mapping[str, Any], loads: list[Scenario]) -> Translation | None:
    """Put a case into the loads; None where nothing in the product corresponds to it."""
    if case["model"] not in HANDLERS:
        return None
    translation = Translation(case, loads)
    HANDLERS[case["model"]](translation)
    translation.land()
    return translation


def _unrated(installation: Installation) -> dict[str, frozenset[str]]:
    rows = installation.rows(
        "select subject, list(distinct fate) as fates from marts.fct_event_exceptions"
        " where fate <> 'voided' group by subject"
    )
    return {row["subject"]: frozenset(row["fates"]) for row in rows}


def _outcome(
    case: Mapping[str, Any],
    translation: Translation | None,
    bills: list[dict[str, Bill]],
    unrated: Mapping[str, frozenset[str]],
) -> Outcome:
    if translation is None:
        return Outcome(case["id"], case["kind"], ["nothing corresponds to it"])
    own = [bill.get(case["id"], Bill()) for bill in bills]
    read = frozenset(key for key, _, _ in translation.readings)
    gaps = [
        f"{key} is {published}, billed {billed}"
        for key, published, reading in translation.readings
        if not _agrees(published, billed := reading(own))
    ]
    unread = case["expected"].keys() - read
    lost = unrated.get(case["id"], frozenset())
    return Outcome(case["id"], case["kind"], gaps, read, unread, lost)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> list[Outcome]:
    if not CASES.exists():
        pytest.skip("shared/cases is not here")
    cases = [
        json.loads(line)
        for file in sorted(CASES.glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    loads = [shared_world(), *(Scenario() for _ in range(LOADS - 1))]
    translations = [_translate(case, loads) for case in cases]
    folder = tmp_path_factory.mktemp("published")
    installation = build(folder, loads[0], dbt_folder=dbt_folder, period=LAST_PERIOD)
    bills = [read_bills(installation)]
    for number, load in enumerate(loads[1:], start=2):
        _issue_everything(installation)
        installation.land(load, batch=str(number))
        installation.bill(LAST_PERIOD, tested=False)
        bills.append(read_bills(installation))
    unrated = _unrated(installation)
    pairs = zip(cases, translations, strict=True)
    return [_outcome(case, translation, bills, unrated) for case, translation in pairs]


def test_published_cases_are_billed_as_published(
    outcomes: list[Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever moves here from another system would get other invoices."""
    totals = Counter(outcome.kind for outcome in outcomes)
    agreeing = Counter(outcome.kind for outcome in outcomes if not outcome.gaps)
    kinds = ", ".join(f"{kind} {agreeing[kind]} of {totals[kind]}" for kind in sorted(totals))
    report = [f"{agreeing.total()} of {totals.total()} published cases agree: {kinds}"]
    compared = sum(len(outcome.read) for outcome in outcomes)
    published = compared + sum(len(outcome.unread) for outcome in outcomes)
    report += [f"  {compared} of {published} published figures have one of ours"]
    report += [
        f"  {outcome.name} differs: {rule}"
        for outcome in outcomes
        if (rule := DIFFERING.get(outcome.name))
    ]
    with capsys.disabled():
        print("", *report, sep="\n")
    unexpected = [
        f"{outcome.name}: {'; '.join(outcome.gaps)}"
        for outcome in outcomes
        if outcome.gaps and outcome.name not in DIFFERING
    ]
    assert not unexpected, "\n".join(unexpected)


def test_every_case_is_compared_by_its_amount(outcomes: list[Outcome]) -> None:
    """A case of which nothing is compared would always agree."""
    billed = [outcome for outcome in outcomes if outcome.read or outcome.unread]
    assert len(billed) >= len(outcomes) - 2
    assert [outcome.name for outcome in billed if not outcome.read] == []
    assert frozenset().union(*(outcome.unread for outcome in billed)) <= WITHOUT_FIGURE


def test_usage_is_left_out_only_where_that_is_the_case(outcomes: list[Outcome]) -> None:
    """A case that owes nothing would agree although none of its usage was taken."""
    assert {outcome.kind for outcome in outcomes if outcome.unrated} == {"aggregation"}


def test_a_case_that_is_said_to_differ_does(outcomes: list[Outcome]) -> None:
    """The list would otherwise hide what no longer differs, or names nothing."""
    differing = {outcome.name for outcome in outcomes if outcome.gaps}
    assert sorted(DIFFERING.keys() - differing) == []
