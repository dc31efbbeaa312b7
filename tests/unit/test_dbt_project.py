"""A price book of the least that is asked for is completed with what models read besides."""

from __future__ import annotations

from pathlib import Path

from dagster_project.lib.dbt_project import link_dbt_project, seed_columns
from tests.harness import REPOSITORY


def test_a_missing_table_and_column_are_empty_and_values_stay_as_written(
    tmp_path: Path,
) -> None:
    """Without it a book without our own columns would stop the build with a binder error."""
    pricing = tmp_path / "pricing"
    pricing.mkdir()
    (pricing / "plans.csv").write_text('plan_code,plan_name\nai,"AI, 1.50"\n')
    link_dbt_project(REPOSITORY / "dbt", pricing, tmp_path / "run")
    seeds = tmp_path / "run" / "pricing_seeds"
    assert (seeds / "plans.csv").read_text() == (
        'plan_code,plan_name,currency_code,billing_interval,tax_included\nai,"AI, 1.50",,,\n'
    )
    columns = seed_columns(REPOSITORY / "pricing_seeds" / "seller.yml")
    assert (seeds / "seller.csv").read_text() == ",".join(columns) + "\n"


def test_numbers_reach_dbt_without_exponents_and_text_as_it_is(tmp_path: Path) -> None:
    """Spark stops at an integer with an exponent, DuckDB at a decimal with many digits."""
    pricing = tmp_path / "pricing"
    pricing.mkdir()
    (pricing / "price_tiers.csv").write_text(
        "price_id,up_to,unit_price,flat_amount,package_size\n"
        "1e3,1E3,6.25e-07,+5,\n.5,-.5e2,999999999999999e-1,1.50000000000000,5.\n"
    )
    (pricing / "currencies.csv").write_text("currency_code,minor_units\nEUR,2e0\n")
    link_dbt_project(REPOSITORY / "dbt", pricing, tmp_path / "run")
    seeds = tmp_path / "run" / "pricing_seeds"
    assert (seeds / "price_tiers.csv").read_text().splitlines()[1:] == [
        "1e3,1000,0.000000625,5,",
        ".5,-50,99999999999999.9,1.5,5",
    ]
    assert (seeds / "currencies.csv").read_text().endswith("EUR,2\n")


def test_what_dbt_leaves_in_the_project_by_hand_is_cleared_away(tmp_path: Path) -> None:
    """A folder of logs there stopped every later run."""
    pricing, run = tmp_path / "pricing", tmp_path / "run"
    pricing.mkdir()
    (run / "project" / "logs").mkdir(parents=True)
    (run / "project" / "logs" / "dbt.log").write_text("by hand")
    link_dbt_project(REPOSITORY / "dbt", pricing, run)
    assert not (run / "project" / "logs").exists()


def test_a_complete_table_is_the_price_book_itself_also_after_it_was_completed(
    tmp_path: Path,
) -> None:
    """Without it an edit of the price book would not reach the next run."""
    pricing, seeds = tmp_path / "pricing", tmp_path / "run" / "pricing_seeds"
    pricing.mkdir()
    (pricing / "currencies.csv").write_text("currency_code\nEUR\n")
    link_dbt_project(REPOSITORY / "dbt", pricing, tmp_path / "run")
    assert (seeds / "currencies.csv").read_text() == "currency_code,minor_units\nEUR,\n"
    (pricing / "currencies.csv").write_text("currency_code,minor_units\nEUR,2\n")
    link_dbt_project(REPOSITORY / "dbt", pricing, tmp_path / "run")
    assert (seeds / "currencies.csv").readlink() == pricing / "currencies.csv"
