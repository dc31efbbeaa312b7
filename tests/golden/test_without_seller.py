"""A price book of the least that docs/input_format.md asks for, which is no seller."""

from __future__ import annotations

from pathlib import Path

from tests.harness import LOADED_AT, Installation, Scenario


def test_a_price_book_without_a_seller_bills_all_the_same(
    tmp_path: Path, dbt_folder: Path
) -> None:
    """Without it every invoice would be lost in the join with the seller."""
    world = Scenario()
    world.meter("used", "use")
    world.subscriber("a", "2.50")
    world.event("a", "3")
    installation = Installation(tmp_path / "data", dbt_folder)
    installation.write_price_book(world)
    (installation.pricing / "seller.csv").unlink()
    installation.land(world)
    installation.ingest(LOADED_AT)
    installation.dbt_build()
    (invoice,) = installation.rows(
        "select seller_name, net_amount from marts.fct_invoices where customer_id = 'a'"
    )
    assert (invoice["seller_name"], str(invoice["net_amount"])) == (None, "7.500000")
