"""What a table promises of its rows: asked where it is made, which then is not made."""

from __future__ import annotations

from pathlib import Path

import duckdb
import jinja2
import pytest

from dagster_project.lib.dbt_run import DbtRunError
from dagster_project.lib.sql_text import quoted
from tests.harness import Installation, build, one_unit

MACROS = Path(__file__).resolve().parents[2] / "dbt" / "macros"


def unsound(given: str, **rules: object) -> list[tuple[str, str]]:
    """What is found in a literal table (k, a, b)."""
    environment = jinja2.Environment(
        extensions=["jinja2.ext.do"], autoescape=False, undefined=jinja2.StrictUndefined
    )
    text = (MACROS / "rows.sql").read_text("utf-8") + "{{ unsound_rows(table, rules) }}"
    of_dbt = {"return": lambda value: value, "sql_text": lambda value: quoted(value)}
    table = f"(select * from (values {given}) as rows_given(k, a, b))"
    sql = environment.from_string(text, globals=of_dbt).render(table=table, rules=rules)
    with duckdb.connect() as connection:
        return sorted(connection.execute(sql).fetchall())


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ("('x', 1, 0), ('x', 2, 0)", []),
        ("('x', 1, 0), ('x', 1, 9)", ["k=x, a=1"]),
        ("('x', null, 0), ('x', 1, 0)", []),
        ("('x', null, 0), ('x', null, 0)", ["k=x, a=null"]),
    ],
)
def test_each_key_is_there_once(values: str, found: list[str]) -> None:
    """A duplicate key is a line billed twice; a missing part does not excuse it."""
    assert unsound(values, key=["k", "a"]) == [("several rows", key) for key in found]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ("('', 0, null)", []),
        ("('x', 1, 1), ('x', null, 1)", [("missing a", "k=x, a=null")]),
        ("(null, null, 1)", [("missing k", "k=null, a=null")]),
    ],
)
def test_zero_and_empty_are_something_and_null_is_not(
    values: str, found: list[tuple[str, str]]
) -> None:
    """Money that is missing must not pass for money that is zero."""
    assert unsound(values, filled=["k", "a"]) == found


def test_a_code_is_one_of_those_that_are_known() -> None:
    """Nobody would read it; a quote in one is no end of the statement."""
    values = "('it''s', 1, true), ('y', 2, null), ('z', 3, false)"
    rules = {"key": ["a"], "values": {"k": ["it's", "y"], "b": ["true"]}}
    assert unsound(values, **rules) == [("unknown k", "a=3")]


@pytest.mark.parametrize(
    ("values", "failures"),
    [
        ("('x', 1, 5), ('x', 5, 9)", 0),
        ("('x', 1, 6), ('x', 5, 9)", 1),
        ("('x', 1, 9), ('y', 5, 9)", 0),
        ("('x', 5, 5)", 1),
        ("('x', 5, 6)", 0),
    ],
)
def test_spans_may_share_a_bound_and_no_more(values: str, failures: int) -> None:
    """Two prices in force at one instant would rate its usage twice."""
    spans = {"of": ["k"], "from": "a", "to": "b"}
    assert unsound(values, spans=spans) == [("overlapping or empty spans", "k=x")] * failures


def test_only_the_rows_that_are_meant_are_asked() -> None:
    """A view over all of history is asked for what is new."""
    assert unsound("('x', 1, 1), ('x', 1, 1)", key=["k"], where="a > 1") == []


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, dbt_folder: Path) -> Installation:
    """A customer with a unit at 1.50."""
    folder = tmp_path_factory.mktemp("rows")
    return build(folder, one_unit(), dbt_folder=dbt_folder, period="2026-01", tested=False)


def test_a_table_with_unsound_rows_is_not_made(world: Installation) -> None:
    """Whoever reads it next would bill from it; it stays as the last run made it."""
    assert world.issue("2026-01") == 1
    before = world.rows("select invoice_id, invoice_status from marts.fct_invoices")

    def write(status: str) -> None:
        with world.store.connect() as connection:
            connection.execute(
                "update ledger.issued_invoices set invoice_status = ?", [status]
            )

    write("lost")
    said = r"The rows of fct_invoices are not sound: unknown invoice_status \(invoice_id="
    with pytest.raises(DbtRunError, match=said):
        world.dbt_build("2026-01")
    assert world.rows("select invoice_id, invoice_status from marts.fct_invoices") == before
    write("issued")
    world.dbt_build("2026-01")
    (invoice,) = world.rows("select invoice_status from marts.fct_invoices")
    assert invoice["invoice_status"] == "issued"


def test_a_price_table_with_unsound_rows_stops_what_reads_it(world: Installation) -> None:
    """Two plans of one name would bill everything twice."""
    plans = world.pricing / "plans.csv"
    text = plans.read_text("utf-8")
    plans.write_text(text + text.splitlines()[1] + "\n", "utf-8")
    said = r"The rows of plans are not sound: several rows \(plan_code=plan\)"
    with pytest.raises(DbtRunError, match=said):
        world.dbt_build("2026-01")
    assert len(world.rows("select * from marts.fct_invoices")) == 1
    plans.write_text(text, "utf-8")


def test_without_tests_nothing_is_asked(world: Installation) -> None:
    """A run that is told to make models and nothing else does so."""
    plans = world.pricing / "plans.csv"
    text = plans.read_text("utf-8")
    plans.write_text(text + text.splitlines()[1] + "\n", "utf-8")
    world.dbt(["seed", "--threads", "1", "--select", "plans"])
    world.dbt(
        ["build", "--threads", "1", "--select", "plans", "--exclude-resource-type", "test"]
    )
    assert len(world.rows("select * from pricing.plans")) > 1
    plans.write_text(text, "utf-8")
