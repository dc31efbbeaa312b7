"""The documentation agrees with the repository: links, references, and what is made from yml.

What belongs here: what can be told without running anything. The commands of the tutorial are
run in tests/command/test_tutorial.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dagster_project.lib.data_dictionary import (
    PAGE,
    UndescribedError,
    as_cell,
    data_dictionary,
    doc_blocks,
    resolved,
)
from dagster_project.lib.settings import VARIABLES
from tests.harness import REPOSITORY

# What is installed or written at run time is not ours to check.
_OTHERS = {"data", "build", "dist", "target", "logs", "node_modules", "__pycache__"}
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# A decision, or a rule, that code and tests name by its words: docs/x.md, "Its first words".
_QUOTED = re.compile(r"docs/(\w+\.md), \"([^\"]+)\"")


def files(*endings: str) -> Iterator[Path]:
    """Files of the repository, without hidden folders and what is written at run time."""
    for folder, folders, names in os.walk(REPOSITORY):
        folders[:] = [name for name in folders if name[0] != "." and name not in _OTHERS]
        paths = (Path(folder, name) for name in sorted(names) if name.endswith(endings))
        yield from (path for path in paths if path != Path(__file__).resolve())


PAGES = sorted(files(".md"))


def anchors(page: Path) -> set[str]:
    """Names under which the headings of a page can be linked to."""
    headings = _HEADING.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))
    plain = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in plain}


def dead_links(page: Path) -> list[str]:
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    dead = []
    for link in _LINK.findall(text):
        if link.startswith(("https://", "http://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead


def test_there_are_pages_to_check() -> None:
    names = {page.relative_to(REPOSITORY).as_posix() for page in PAGES}
    assert names >= {"README.md", "docs/tutorial.md", "docs/glossary.md", "CONTRIBUTING.md"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """A reader who follows one would be left alone."""
    assert dead_links(page) == []


def test_a_dead_link_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A, b\n[x](#a-b) [y](#c) [z](gone.md) [w](page.md#a-b)\n```\n[v](u)\n```\n"
    )
    assert dead_links(page) == ["#c", "gone.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_are_there(page: Path) -> None:
    """A decision would say that a test holds it, and none does."""
    text = page.read_text(encoding="utf-8")
    folders = "tests|dagster_project|dbt|invoice_templates|docs"
    named = re.findall(rf"`((?:{folders})/[\w/.-]+\.\w+)`", text)
    assert [name for name in named if not (REPOSITORY / name).exists()] == []


def test_tests_and_cases_that_are_named_are_there() -> None:
    """A promise would be said to be proved, and nothing proves it."""
    text = (REPOSITORY / "docs" / "proofs.md").read_text("utf-8")
    named: set[tuple[str, str]] = set()
    file = ""
    reference = r"`(?:(tests/[\w/]+\.py)::(\w+))?(?:\[(\w+)\])?`"
    for path, test, case in re.findall(reference, text):
        file = path or file
        named |= {(file, name) for name in (test, case) if name}
    assert len(named) > 50
    assert [
        (path, name)
        for path, name in sorted(named)
        if f"def {name}(" not in (REPOSITORY / path).read_text("utf-8")
    ] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_models_that_are_named_are_there(page: Path) -> None:
    """Whoever looks for the place of a rule would not find it."""
    models = {path.stem for path in (REPOSITORY / "dbt" / "models").rglob("*.sql")}
    named = set(re.findall(r"`((?:stg|met|rat|inv|fct|dim)_\w+)`", page.read_text("utf-8")))
    assert sorted(named - models) == []


def test_decisions_that_code_names_are_written_down() -> None:
    """Whoever looks for the reason would not find it."""
    missing = []
    for file in files(".py", ".sql", ".yml", ".toml"):
        # A reference may go over the end of a line of a comment.
        text = re.sub(r"\s*\n\s*(?:#|--)?\s*", " ", file.read_text(encoding="utf-8"))
        for page, words in _QUOTED.findall(text):
            text_of_page = " ".join((REPOSITORY / "docs" / page).read_text("utf-8").split())
            if f"**{words}" not in text_of_page:
                missing.append(f"{file.relative_to(REPOSITORY)}: {words}")
    assert missing == []


def test_pages_that_code_names_are_there() -> None:
    named = {
        (file.relative_to(REPOSITORY).as_posix(), page)
        for file in files(".py", ".sql", ".yml", ".toml")
        for page in re.findall(r"\bdocs/(\w+\.md)\b", file.read_text(encoding="utf-8"))
        if file != Path(__file__).resolve()
    }
    assert len(named) > 5
    assert [
        pair for pair in sorted(named) if not (REPOSITORY / "docs" / pair[1]).exists()
    ] == []


def test_every_setting_is_documented() -> None:
    text = (REPOSITORY / "docs" / "running.md").read_text(encoding="utf-8")
    known = set(re.findall(r"METERHOUSE_[A-Z_]+[A-Z]", text))
    short = set(re.findall(r"`_([A-Z]+)`", text))
    assert known <= set(VARIABLES)
    assert [
        name
        for name in VARIABLES
        if name not in known and name.removeprefix("METERHOUSE_SPARK_") not in short
    ] == []


def test_the_data_dictionary_is_as_the_yml_has_it() -> None:
    """Readers would look for columns that are not there; `make docs` writes the page anew."""
    assert PAGE.read_text(encoding="utf-8") == data_dictionary()


def test_a_description_may_be_one_of_the_shared_ones() -> None:
    blocks = doc_blocks(
        "{% docs a %}\nOne\nthing.\n{% enddocs %}\n{% docs b %}B.{% enddocs %}"
    )
    assert blocks == {"a": "One thing.", "b": "B."}
    assert resolved("{{ doc('a') }} {{doc('b')}} As is.", blocks) == "One thing. B. As is."
    with pytest.raises(UndescribedError, match="'c'"):
        resolved("{{ doc('c') }}", blocks)


def test_a_description_stays_in_its_cell() -> None:
    """A bar would begin the next column."""
    assert as_cell("joined by `|`;\n empty") == "joined by `\\|`; empty"
