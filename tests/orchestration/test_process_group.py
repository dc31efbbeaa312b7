"""What is started ends with what started it, whatever ends that: nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PATIENCE_SECONDS = 60
STARTING = """
import os, sys
from pathlib import Path
from dagster_project.lib.process_group import run_group
program = "sleep 1000 & echo $! > {folder}/child; echo $$ > {folder}/program; {last}"
sys.exit(run_group(["sh", "-c", program], Path("/"), os.environ, ends_with_parent={parent}))
"""


def wait_for(condition: object, words: str) -> None:
    """Poll until something is the case."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, words
        time.sleep(0.05)


def is_running(process: int) -> bool:
    """Whether a process is there; one that nobody has asked how it ended is not."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def started(folder: Path) -> list[int]:
    """The processes that the program has noted."""
    files = [folder / "program", folder / "child"]
    wait_for(lambda: all(f.exists() and f.read_text() for f in files), "nothing was started")
    return [int(file.read_text()) for file in files]


def start(
    folder: Path, *, parent: bool = False, last: str = "wait"
) -> subprocess.Popen[bytes]:
    """Run a program that starts another one; by a shell that stays in between if asked."""
    code = STARTING.format(folder=folder, parent=parent, last=last)
    command = [sys.executable, "-c", code]
    if parent:
        command = ["sh", "-c", '"$@"; true', "sh", *command]
    return subprocess.Popen(command, start_new_session=True)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 143),
        (signal.SIGINT, 130),
        (signal.SIGHUP, 129),
        (signal.SIGKILL, -signal.SIGKILL),
    ],
)
def test_a_signal_ends_all_that_was_started(tmp_path: Path, number: int, code: int) -> None:
    """A daemon that lives on would bill with yesterday's code; a port would stay taken."""
    process = start(tmp_path)
    processes = started(tmp_path)
    assert all(is_running(each) for each in processes)
    process.send_signal(number)
    assert process.wait(PATIENCE_SECONDS) == code
    wait_for(lambda: not any(map(is_running, processes)), "something lives on")


def test_a_program_that_ends_takes_along_what_it_started(tmp_path: Path) -> None:
    """Dagster's servers stay when what started them crashes."""
    process = start(tmp_path, last="exit 3")
    processes = started(tmp_path)
    assert process.wait(PATIENCE_SECONDS) == 3
    assert not any(map(is_running, processes))


def test_all_ends_with_make_even_if_that_is_killed(tmp_path: Path) -> None:
    """Make says nothing to what it has started when it is killed."""
    process = start(tmp_path, parent=True)
    processes = started(tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(PATIENCE_SECONDS)
    wait_for(lambda: not any(map(is_running, processes)), "something lives on")
