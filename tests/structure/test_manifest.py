"""The dbt project keeps its own rules: read from dbt's manifest, no database needed.

What belongs here: rules that hold for every model, whatever it computes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from dagster_project.lib.dbt_project import link_dbt_project

ROOT = Path(__file__).resolve().parents[2]
STAGES = ("staging", "metering", "rating", "invoicing", "marts")
PREFIXES = {
    "staging": ("stg_",),
    "metering": ("met_",),
    "rating": ("rat_",),
    "invoicing": ("inv_",),
    "marts": ("fct_", "dim_"),
}
WITH_CONTRACT = ("rating", "invoicing", "marts")
# Binary floating point loses cents, a clock or chance makes a bill that cannot be made again.
FORBIDDEN = re.compile(
    r"\b(float|float4|float8|double|real|now\s*\(|current_\w+|today\s*\(|getdate\s*\("
    r"|localtimestamp|random\s*\(|uuid\s*\(|gen_random_uuid)"
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The manifest of the project over the price book of the repository."""
    run_dir = tmp_path_factory.mktemp("dbt")
    project = link_dbt_project(ROOT / "dbt", ROOT / "pricing_seeds", run_dir)
    before = {
        name: os.environ.pop(name) for name in list(os.environ) if name.startswith("DBT_")
    }
    try:
        result = dbtRunner().invoke(
            [
                "--quiet",
                "parse",
                "--project-dir",
                str(project),
                "--profiles-dir",
                str(project),
                "--target-path",
                str(run_dir / "target"),
                "--log-path",
                str(run_dir / "logs"),
            ]
        )
    finally:
        os.environ.update(before)
    assert result.success, result.exception
    return result.result


@pytest.fixture(scope="module")
def models(manifest: Any) -> list[Any]:
    found = [node for node in manifest.nodes.values() if node.resource_type == "model"]
    assert len(found) > 30, "the manifest holds the models of the project"
    return found


def stage_of(node: Any) -> str:
    """Folder of the model below ``models``."""
    return Path(node.original_file_path).parts[1]


def without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*|\{#.*?#\}", "", sql, flags=re.DOTALL).lower()


def test_a_model_reads_its_own_stage_or_earlier(manifest: Any, models: list[Any]) -> None:
    """Amounts could otherwise depend on what was already rounded for an invoice."""
    wrong = [
        f"{node.name} ({stage_of(node)}) reads {parent.name} ({stage_of(parent)})"
        for node in models
        for parent in (
            manifest.nodes[key] for key in node.depends_on.nodes if key.startswith("model.")
        )
        if STAGES.index(stage_of(parent)) > STAGES.index(stage_of(node))
    ]
    assert wrong == []


def test_no_sql_names_a_table_by_its_schema() -> None:
    """A model has to say all that is read; what the run before left behind is a source."""
    schemas = "|".join(["raw", "pricing", *STAGES])
    named = re.compile(rf"\b({schemas})\.(stg|met|rat|inv|fct|dim|[a-z]+_[a-z])\w*")
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in sorted((ROOT / "dbt").rglob("*.sql"))
        for found in named.finditer(without_comments(path.read_text(encoding="utf-8")))
    ]
    assert wrong == []


def test_the_folder_of_a_model_gives_its_prefix_and_schema(models: list[Any]) -> None:
    """BI tools find the marts in ``marts`` and nothing else there."""
    wrong = [
        f"{node.original_file_path} in schema {node.schema}"
        for node in models
        if not node.name.startswith(PREFIXES[stage_of(node)]) or node.schema != stage_of(node)
    ]
    assert wrong == []


def test_every_model_has_properties_of_its_own_beside_it(models: list[Any]) -> None:
    wrong = [
        node.name
        for node in models
        if node.patch_path is None
        or not node.patch_path.endswith(node.original_file_path.replace(".sql", ".yml"))
    ]
    assert wrong == []


def test_every_model_promises_a_key(models: list[Any]) -> None:
    """Without it a join could bill a line twice."""
    assert [node.name for node in models if not node.config.meta["rows"].get("key")] == []


def test_what_is_promised_of_rows_names_columns(manifest: Any) -> None:
    """A misspelt promise would be asked of nothing, or not at all."""
    wrong = []
    for node in manifest.nodes.values():
        rules = dict(node.config.meta.get("rows") or {})
        named = {*rules.pop("key", []), *rules.pop("filled", []), *rules.pop("values", {})}
        spans = rules.pop("spans", None)
        if spans:
            named |= {*spans["of"], spans["from"], spans["to"]}
        rules.pop("where", None)
        wrong += [f"{node.name}: {name}" for name in [*rules, *(named - set(node.columns))]]
    assert wrong == []


def test_every_model_and_column_is_described(models: list[Any]) -> None:
    """A reader of the marts would have to guess units and currencies."""
    wrong = [node.name for node in models if not node.description]
    wrong += [
        f"{node.name}.{column.name}"
        for node in models
        for column in node.columns.values()
        if len(column.description.strip()) < 8
    ]
    wrong += [node.name for node in models if not node.columns]
    assert wrong == []


def selected_columns(sql: str) -> set[str]:
    """Names that the last select of a model gives its columns; jinja counts as one word."""
    text = re.sub(r"\{\{.*?\}\}", "expression", without_comments(sql), flags=re.DOTALL)
    text = re.split(r"\nselect(?: distinct)?\n", text)[-1].split("\nfrom", 1)[0]
    while "(" in text:
        text, replaced = re.subn(r"\([^()]*\)", "", text)
        assert replaced, text
    return {re.split(r"[\s.]", item.strip())[-1] for item in text.split(",")}


def test_the_columns_described_are_those_selected(models: list[Any]) -> None:
    """Models without a contract could gain or lose columns, and nobody would describe it."""
    wrong = {
        node.name: selected_columns(node.raw_code) ^ set(node.columns)
        for node in models
        # Columns written by a loop over the price book depend on it.
        if "{% for" not in node.raw_code
        and selected_columns(node.raw_code) != set(node.columns)
    }
    assert wrong == {}


def test_contracts_hold_from_rating_on(models: list[Any]) -> None:
    """A changed type would round money without a word."""
    for node in models:
        expected = stage_of(node) in WITH_CONTRACT
        assert node.contract.enforced == expected, node.name
        if expected:
            untyped = [column.name for column in node.columns.values() if not column.data_type]
            assert untyped == [], node.name


def test_money_and_quantities_are_decimals_of_the_named_types(models: list[Any]) -> None:
    """One amount in a narrower type would lose places that the next one needs."""
    types = {"quantity": "(38, 12)", "exact_amount": "(38, 24)", "unit_price": "(26, 12)"}
    types |= {"flat_amount": "(26, 12)", "tax_rate": "(26, 12)"}
    # What the price book says is a price, not money.
    types |= {"commitment_amount": "(26, 12)"}
    types |= {"event_minimum_amount": "(26, 12)", "event_maximum_amount": "(26, 12)"}
    wrong = []
    for node in models:
        if stage_of(node) not in WITH_CONTRACT:
            continue
        for column in node.columns.values():
            expected = types.get(column.name)
            if expected is None and column.name.endswith("_quantity"):
                expected = "(38, 12)"
            if expected is None and column.name.endswith("_amount"):
                expected = "(28, 6)"
            if expected is not None and column.data_type != f"decimal{expected}":
                wrong.append(f"{node.name}.{column.name}: {column.data_type}")
    assert wrong == []


def test_no_sql_uses_floating_point_a_clock_or_chance() -> None:
    """Last year's invoice has to come out again to the byte."""
    files = [
        path
        for folder in ("models", "macros", "tests")
        for path in sorted((ROOT / "dbt" / folder).rglob("*.sql"))
    ]
    wrong = [
        f"{path.relative_to(ROOT)}: {match.group(0)}"
        for path in files
        for match in FORBIDDEN.finditer(without_comments(path.read_text(encoding="utf-8")))
    ]
    assert wrong == []


def test_every_macro_is_described_with_its_arguments(manifest: Any) -> None:
    """``duckdb__x`` and ``spark__x`` are ``x`` on an engine; only ``x`` is described."""
    wrong = []
    for macro in manifest.macros.values():
        if macro.package_name != "meterhouse" or re.match(r"\w+?__", macro.name):
            continue
        header = re.search(
            r"\{%-?\s*(?:(?:macro|test)\s+\w+\(([^)]*)\)|materialization )", macro.macro_sql
        )
        assert header is not None, macro.name
        names = [name.split("=")[0].strip() for name in (header.group(1) or "").split(",")]
        described = [argument.name for argument in macro.arguments if argument.description]
        if not macro.description or described != [name for name in names if name]:
            wrong.append(macro.name)
    assert wrong == []


def test_every_dispatched_macro_has_a_form_for_each_engine(manifest: Any) -> None:
    """A model would build on one engine and stop on the other."""
    names = {m.name for m in manifest.macros.values() if m.package_name == "meterhouse"}
    dispatched = {
        name.split("__", 1)[1] for name in names if re.match(r"(duckdb|spark)__", name)
    }
    # What dbt itself dispatches needs a form only where its own does not do.
    own = {name for name in dispatched if name in names}
    missing = [f"{e}__{name}" for name in sorted(own) for e in ("duckdb", "spark")]
    assert [name for name in missing if name not in names] == []


def test_text_is_called_string() -> None:
    """Spark knows no varchar without a length, and the model would stop there."""
    files = [
        path
        for folder in ("dbt", "pricing_seeds")
        for kind in ("*.sql", "*.yml")
        for path in sorted((ROOT / folder).rglob(kind))
    ]
    assert len(files) > 100
    wrong = [path.name for path in files if re.search(r"\bvarchar\b", path.read_text("utf-8"))]
    assert wrong == []


def test_every_reconciliation_shows_its_gap() -> None:
    """A failure that only says so leaves finance to find the numbers."""
    files = sorted((ROOT / "dbt" / "tests" / "reconciliation").glob("*.sql"))
    assert len(files) >= 7
    wrong = [
        path.name
        for path in files
        if not re.search(r"\b(gap_\w+|finding)\b", path.read_text(encoding="utf-8"))
    ]
    assert wrong == []
