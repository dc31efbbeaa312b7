"""The tutorial does what it says: its commands are run, and what they print is compared."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.command.command import PATIENCE_SECONDS, PROGRAMS
from tests.harness import REPOSITORY

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "=== end of block ==="


@dataclass(frozen=True)
class Step:
    """One block of commands, and what the page says that it prints at its end, if anything."""

    commands: str
    shown: list[str]


def steps_of(page: str) -> list[Step]:
    """The blocks of a page; a block of text shows the end of what the one before it prints."""
    steps: list[Step] = []
    for language, body in _BLOCK.findall(page):
        if language == "sh":
            steps.append(Step(body, []))
        else:
            assert language == "text", f"a reader cannot tell what to do with {language!r}"
            assert not steps[-1].shown
            steps[-1].shown.extend(line.rstrip() for line in body.splitlines())
    return steps


def run_in_one_shell(steps: list[Step], folder: Path) -> list[list[str]]:
    """What each block prints as a reader sees it: a space is a space, at an end it is none."""
    script = "".join(f"{step.commands}\necho '{_MARK}'\n" for step in steps)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("METERHOUSE_", "DAGSTER_", "DBT_", "COLUMNS", "FORCE_COLOR"))
    }
    outcome = subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=folder,
        env=environment | {"PATH": f"{PROGRAMS}{os.pathsep}{environment['PATH']}"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert outcome.returncode == 0, outcome
    assert outcome.stderr == ""
    printed = outcome.stdout.replace("\u00a0", " ").split(f"{_MARK}\n")[:-1]
    return [[line.rstrip() for line in text.splitlines()] for text in printed]


@pytest.fixture(scope="module")
def steps() -> list[Step]:
    return steps_of((REPOSITORY / "docs" / "tutorial.md").read_text(encoding="utf-8"))


def test_the_tutorial_prints_what_it_says(steps: list[Step], tmp_path: Path) -> None:
    """Whoever begins with it would be lost at the first difference."""
    installing, *others = steps
    # That is done, or there would be no environment to run this in.
    assert installing.commands == "make install\n. .venv/bin/activate\n"
    printed = run_in_one_shell(others, tmp_path)
    for step, lines in zip(others, printed, strict=True):
        if step.shown:
            assert lines[-len(step.shown) :] == step.shown, step.commands
    assert sum(bool(step.shown) for step in others) >= 5
    assert sum("meterhouse bill" in step.commands for step in others) == 1


def test_a_block_of_text_belongs_to_the_commands_before_it() -> None:
    page = "# A\n\n```sh\necho 1\necho 2\n```\n\nIt says:\n\n```text\n2\n```\n"
    page += "\n```sh\ntrue\n```\n"
    assert steps_of(page) == [Step("echo 1\necho 2\n", ["2"]), Step("true\n", [])]
