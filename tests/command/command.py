"""Starting the `meterhouse` command as its users do: a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.harness import Installation, Scenario

PROGRAMS = Path(sys.executable).parent
# Generous: several suites may share two cores.
PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code, and what it printed."""

    code: int
    output: str
    error: str


def prepare(folder: Path, scenario: Scenario) -> Installation:
    """Land a scenario and write its price book in an installation of its own."""
    installation = Installation(folder, folder / "unused")
    installation.write_price_book(scenario)
    installation.land(scenario)
    return installation


def start(
    installation: Installation,
    *arguments: str,
    program: str = "meterhouse",
    output: int | IO[str] = subprocess.PIPE,
    **variables: str,
) -> subprocess.Popen[str]:
    """Start a command of ours in a process group of its own, which a test may kill."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("METERHOUSE_", "DAGSTER_", "DBT_"))
    }
    environment |= {
        "METERHOUSE_DATA_DIR": str(installation.folder),
        "METERHOUSE_PRICING_DIR": str(installation.pricing),
        "COLUMNS": "200",
    }
    return subprocess.Popen(
        [str(PROGRAMS / program), *arguments],
        env=environment | variables,
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=True,
    )


def run(installation: Installation, *arguments: str, **variables: str) -> Outcome:
    """Run the command to its end."""
    return finish(start(installation, *arguments, **variables))


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a command."""
    output, error = process.communicate(timeout=PATIENCE_SECONDS)
    return Outcome(process.returncode, output, error)


def kill_at(process: subprocess.Popen[str], words: str) -> None:
    """Kill a command, and what it has started, when it says that it is at some step."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            break
    else:
        raise AssertionError(f"the command never said {words!r}:\n{seen}")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
