"""Tax is rounded once per tax code, rate and invoice, whatever the categories of the lines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.harness import Scenario, build


def test_categories_at_one_rate_are_one_tax_row(
    tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path
) -> None:
    """Fees of 0.13, 0.13 and 0.13: the first two at 19 % owe 0.0494 = 0.05, not 0.02 twice.

    The third has another code at the same rate and owes 0.0247 = 0.02. Total 0.46.
    """
    world = Scenario()
    world.plan("two")
    for category, code in [("goods", "DE-19"), ("services", "DE-19"), ("levy", "DE-X")]:
        world.tax_rates.append(
            {"tax_category": category, "country_code": "DE", "tax_code": code, "rate": "19"}
        )
        world.price("two", "flat", charge=category, unit_price="0.13", tax_category=category)
    world.customer("two")
    world.subscription("two")
    installation = build(
        tmp_path_factory.mktemp("taxes"), world, dbt_folder=dbt_folder, tested=False
    )
    taxes = installation.rows(
        "select tax_code, tax_category, tax_rate, taxable_amount, tax_amount"
        " from marts.fct_invoice_taxes order by tax_code"
    )
    assert [tuple(row.values()) for row in taxes] == [
        ("DE-19", "goods, services", Decimal(19), Decimal("0.26"), Decimal("0.05")),
        ("DE-X", "levy", Decimal(19), Decimal("0.13"), Decimal("0.02")),
    ]
    (invoice,) = installation.rows("select tax_amount, total_amount from marts.fct_invoices")
    assert list(invoice.values()) == [Decimal("0.07"), Decimal("0.46")]
    # What is issued by this grain passes the reconciliations of the next build as well.
    assert installation.issue("2026-01") == 1
    installation.dbt_build()
