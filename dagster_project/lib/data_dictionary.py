"""The data dictionary: what the yml beside models and price tables says, as one page.

What belongs here: reading those files and filling ``docs/data_dictionary.md.j2``. Nothing is
described here; a column is described once, beside its model. ``make docs`` writes the page,
and tests/structure/test_docs.py fails while it is not as the yml has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import yaml

from dagster_project.lib.price_book.records import COLUMNS, OPTIONAL_FILES
from dagster_project.lib.settings import DBT_PROJECT_DIR, PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "data_dictionary.md"
# In the order in which they are read; marts come first, since others are of the inside.
STAGES: Mapping[str, str] = {
    "staging": "What landed and the price book, renamed, cast, cleaned.",
    "metering": "Events to quantities: who is billed for what, in which period.",
    "rating": "Quantities to exact amounts. Nothing is rounded.",
    "invoicing": "Exact amounts to lines, discounts, tax, totals. The only stage that rounds.",
}
_DOC_BLOCK = re.compile(r"{% docs (\w+) %}(.*?){% enddocs %}", re.DOTALL)
_DOC_CALL = re.compile(r"{{ *doc\('(\w+)'\) *}}")


class UndescribedError(ValueError):
    """A description that refers to a block that docs.md does not have."""


@dataclass(frozen=True)
class Column:
    """One column; ``kind`` is its type, empty where no contract fixes one."""

    name: str
    kind: str
    description: str
    is_required: bool = False


@dataclass(frozen=True)
class Table:
    """One model or table of the price book; ``grain`` says what one row is."""

    name: str
    description: str
    grain: str
    key: str
    columns: tuple[Column, ...]
    is_required: bool = False


def data_dictionary() -> str:
    """The page as the yml files have it now.

    Returns: Markdown, the same for the same files.
    Raises: UndescribedError if a description refers to what is not there.
    """
    blocks = doc_blocks((DBT_PROJECT_DIR / "models" / "docs.md").read_text(encoding="utf-8"))
    models = DBT_PROJECT_DIR / "models"
    environment = jinja2.Environment(  # noqa: S701 - Markdown, not HTML
        loader=jinja2.FileSystemLoader(PAGE.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["cell"] = as_cell
    return environment.get_template(f"{PAGE.name}.j2").render(
        marts=list(_tables(models / "marts", "models", blocks)),
        price_book=list(_tables(PROJECT_ROOT / "pricing_seeds", "seeds", blocks)),
        stages=[
            (stage, purpose, list(_tables(models / stage, "models", blocks)))
            for stage, purpose in STAGES.items()
        ],
    )


def doc_blocks(text: str) -> dict[str, str]:
    """The ``docs`` blocks of a file by name, each on one line."""
    return {name: " ".join(body.split()) for name, body in _DOC_BLOCK.findall(text)}


def as_cell(text: str) -> str:
    """Text that stays in its cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def _tables(folder: Path, section: str, blocks: Mapping[str, str]) -> Iterator[Table]:
    for path in sorted(folder.glob("[!_]*.yml")):
        for node in yaml.safe_load(path.read_text(encoding="utf-8")).get(section, []):
            yield _table(node, blocks, is_price_table=section == "seeds")


def _table(node: Mapping[str, Any], blocks: Mapping[str, str], is_price_table: bool) -> Table:
    description, grain = _parted(resolved(node["description"], blocks))
    file = f"{node['name']}.csv"
    types = node.get("config", {}).get("column_types", {}) if is_price_table else {}
    return Table(
        name=node["name"],
        description=description,
        grain=grain,
        key=", ".join(f"`{column}`" for column in _key(node)),
        columns=tuple(
            Column(
                name=column["name"],
                kind=column.get("data_type") or types.get(column["name"], ""),
                description=resolved(column["description"], blocks),
                is_required=column["name"] in COLUMNS.get(file, ()),
            )
            for column in node.get("columns", [])
        ),
        is_required=is_price_table and file not in OPTIONAL_FILES,
    )


def _key(node: Mapping[str, Any]) -> list[str]:
    rows = node.get("config", {}).get("meta", {}).get("rows", {})
    return list(rows.get("key", []))


def resolved(description: str, blocks: Mapping[str, str]) -> str:
    """A description with the blocks it refers to in their places, on one line.

    Raises: UndescribedError if there is no such block.
    """

    def block(call: re.Match[str]) -> str:
        if call[1] not in blocks:
            raise UndescribedError(f"docs.md has no block {call[1]!r}.")
        return blocks[call[1]]

    return " ".join(_DOC_CALL.sub(block, description).split())


def _parted(description: str) -> tuple[str, str]:
    """A description without its sentence on what one row is, and that sentence."""
    found = re.search(
        r"(?:^|(?<=\. ))(One row per .*?\.|Exactly one row\.)(?: |$)", description
    )
    if found is None:
        return description, ""
    rest = description[: found.start()] + description[found.end() :]
    return rest.strip(), found[1]


if __name__ == "__main__":
    PAGE.write_text(data_dictionary(), encoding="utf-8")
