"""The content hash of an invoice changes with what is on it, and with nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.harness import Installation, Scenario, build

# Of each but the last something is changed that leaves the 20.00 as they are.
NAMES = ("credited", "exempt", "named", "numbered", "tiered", "kept")
DRAFTS = "select customer_id, content_hash, cast(net_amount as bigint) from marts.fct_invoices"


def described(*, changed: bool) -> Scenario:
    """Accounts and prices, before and after."""
    world = Scenario()
    world.meter("used", "use")
    columns = {
        "exempt": {"tax_treatment": "reverse_charge"},
        "named": {"customer_name": "Another name"},
        "numbered": {"tax_id": "DE123"},
    }
    for name in NAMES:
        world.plan(name)
        world.customer(
            name, **({"tax_treatment": "exempt"} | (columns.get(name, {}) if changed else {}))
        )
        world.subscription(name)
        if name == "tiered":
            tiers = [("8", "1.5"), ("", "4")] if changed else [("5", "1"), ("", "3")]
            world.price(name, "tiered", meter_code="used", tiers=tiers)
        else:
            world.price(
                name, "per_unit", meter_code="used", unit_price="2", tax_category="standard"
            )
    world.tax_rates.append(
        {"tax_category": "standard", "country_code": "DE", "tax_code": "DE-19", "rate": "19"}
    )
    world.grant("credit", "credited" if changed else "kept-by-nobody", "5")
    return world


def hashes(installation: Installation) -> dict[str, str]:
    drafts = [tuple(row.values()) for row in installation.rows(DRAFTS)]
    assert {net for _, _, net in drafts} == {20}
    return {customer: text for customer, text, _ in drafts}


def test_each_thing_on_an_invoice_is_in_its_hash(tmp_path: Path, dbt_folder: Path) -> None:
    """A document of something else would pass for the one that was issued."""
    world = described(changed=False)
    for name in NAMES:
        world.event(name, "10")
    installation = build(
        tmp_path, world, dbt_folder=dbt_folder, period="2026-01", tested=False
    )
    before = hashes(installation)
    changed = described(changed=True)
    installation.write_price_book(changed)
    installation.land(changed, batch="2")
    installation.bill("2026-01", tested=False)
    after = hashes(installation)
    assert [name for name in NAMES if after[name] == before[name]] == ["kept"]
