"""The commands about prices: `prices check`, `prices show` and `quote`.

What belongs here: arguments and printing. The price book is read and hypothetical usage is
priced in lib/; neither touches the warehouse of the installation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dagster_project.lib.price_book import examine_price_book, refuse_unsound
from dagster_project.lib.price_book.remedies import remedy
from dagster_project.lib.settings import PROJECT_ROOT, Settings, check_period
from dagster_project.lib.text_table import TextTable

console = Console(file=sys.stdout)


@click.group()
def prices() -> None:
    """Check or show the price book."""


@prices.command()
def check() -> None:
    """Name every defect of the price book, and what looks unmeant, and how to mend it."""
    folder = Settings.from_environment().pricing_dir
    findings = examine_price_book(folder)
    descriptions = PROJECT_ROOT / "pricing_seeds"
    table = TextTable(
        f"Defects of the price book in {folder}",
        ("File", "Row", "Column", "What is wrong", "How to mend it"),
        [
            (
                defect.file,
                str(defect.row),
                defect.column,
                defect.message,
                remedy(defect, descriptions),
            )
            for defect in findings.defects
        ],
    )
    _print([table] if table.rows else [])
    for warning in findings.warnings:
        _say(f"Warning: {warning} {remedy(warning, descriptions)}")
    if findings.defects:
        raise SystemExit(1)
    _say(f"The price book in {folder} is sound.")


@prices.command()
@click.argument("plan")
def show(plan: str) -> None:
    """Print a plan: its charges, tiers, versions, negotiated prices and discounts."""
    from dagster_project.lib.price_book.showing import read_plan, show_plan

    folder = Settings.from_environment().pricing_dir
    refuse_unsound(folder)
    _print(show_plan(read_plan(folder, plan)))


def _pairs(
    _context: click.Context, parameter: click.Parameter, values: Iterable[str]
) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not (name and equals and text):
            raise click.BadParameter(f"{value!r} is not written as {parameter.metavar}.")
        if name in pairs:
            raise click.BadParameter(f"{name!r} is given twice.")
        pairs[name] = text
    return pairs


@click.command()
@click.option("--plan", required=True, metavar="PLAN", help="Code of the plan.")
@click.option(
    "--usage",
    multiple=True,
    metavar="CODE=QUANTITY",
    callback=_pairs,
    help="Quantity of a charge or meter, as the meter would report it; may be repeated.",
)
@click.option(
    "--dimension",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_pairs,
    help="Property of all the usage, such as a region; may be repeated.",
)
@click.option("--period", metavar="YYYY-MM", help="Billing period; by default this month.")
@click.option(
    "--country", default="DE", show_default=True, help="Where the customer is taxed."
)
@click.option("--currency", default="", help="Currency of the customer; default: the plan's.")
def quote(
    plan: str,
    usage: dict[str, str],
    dimension: dict[str, str],
    period: str | None,
    country: str,
    currency: str,
) -> None:
    """Price hypothetical usage by the models that bill, step by step; changes nothing."""
    from dagster_project.lib.quote import QuoteRequest
    from dagster_project.lib.quote import quote as price

    month = check_period(period or f"{datetime.now(UTC):%Y-%m}")
    where = (country.upper(), currency.upper())
    request = QuoteRequest(plan, month, *where, usage, dimension)
    _print(price(request, Settings.from_environment()))


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _print(tables: list[TextTable]) -> None:
    for content in tables:
        table = Table(*content.columns, title=content.title, show_lines=True)
        for row in content.rows:
            # Text, because a name in brackets would be read as markup.
            table.add_row(*map(Text, row))
        console.print(table)
