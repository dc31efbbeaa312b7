"""The generic dbt tests themselves, on rows just inside and just outside their limits."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import jinja2
import pytest

GENERIC = Path(__file__).resolve().parents[2] / "dbt" / "tests" / "generic"


def failing_rows(name: str, values: str, **arguments: object) -> list[tuple[object, ...]]:
    """Rows that the generic test ``name`` returns over a literal table (k, a, b)."""
    text = (GENERIC / f"{name}.sql").read_text(encoding="utf-8")
    body = re.sub(r"\{%-?\s*(test [^%]*|endtest )\s*%\}", "", text)
    model = f"(select * from (values {values}) as rows_given(k, a, b))"
    sql = jinja2.Template(body).render(model=model, **arguments)
    with duckdb.connect() as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.parametrize(
    ("values", "failures"),
    [
        ("('x', 1, 0), ('x', 2, 0)", 0),
        ("('x', 1, 0), ('x', 1, 9)", 1),
        ("('x', null, 0), ('x', 1, 0)", 0),
        ("('x', null, 0), ('x', null, 0)", 1),
    ],
)
def test_sound_rows_have_each_key_once(values: str, failures: int) -> None:
    """A duplicate key is a line billed twice; a missing part does not excuse it."""
    assert len(failing_rows("sound_rows", values, key=["k", "a"])) == failures


@pytest.mark.parametrize(
    ("values", "failures"),
    [
        ("('', 0, null)", 0),
        ("('x', 1, 1), ('x', null, 1)", 1),
        ("(null, null, 1)", 1),
    ],
)
def test_sound_rows_may_be_zero_and_empty_but_not_null(values: str, failures: int) -> None:
    """Money that is missing must not pass for money that is zero."""
    assert len(failing_rows("sound_rows", values, filled=["k", "a"])) == failures


def test_sound_rows_are_asked_for_both() -> None:
    """One row too many and one with a hole, each named by its key."""
    values = "('x', 1, 1), ('x', 2, 1), ('y', 1, null)"
    found = failing_rows("sound_rows", values, key=["k"], filled=["a", "b"])
    assert sorted(found) == [("x", "several rows", 2), ("y", "missing value", 1)]


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
    rows = failing_rows(
        "spans_do_not_overlap", values, columns=["k"], from_column="a", to_column="b"
    )
    assert len(rows) == failures
