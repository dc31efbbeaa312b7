"""Running a program so that nothing that it has started outlives this process.

The program gets a session of its own. A second process, the guard, waits for the end of a
pipe that this process holds open: the system closes it however this process ends, and then
the guard ends the session.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

# Dagster's services take some seconds to end by themselves.
_PATIENCE_SECONDS = 10
_GUARD = (
    "import sys; from dagster_project.lib.process_group import end_group;"
    " group = int(sys.stdin.readline() or 0); sys.stdin.read(); group and end_group(group)"
)


def run_group(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    *,
    ends_with_parent: bool = False,
) -> int:
    """Run a program to its end, and end all that it has started with it.

    A signal to this process ends the program as well, and so does the closing of its terminal
    and a kill of this process.

    Args:
        arguments: The program and its arguments.
        folder: Its working directory.
        environment: All of its environment variables.
        ends_with_parent: Whether the program also ends when the process that started this
            one does, which a program like make does not pass on when it is killed.
    Returns: Exit code of the program.
    Raises: SystemExit with 128 + its number on a signal, once everything has ended.
    """
    parent = os.getppid()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    guard = subprocess.Popen(
        [sys.executable, "-c", _GUARD],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    assert guard.stdin is not None  # noqa: S101  a pipe was asked for
    program = None
    try:
        program = subprocess.Popen(
            arguments, cwd=folder, env=environment, start_new_session=True
        )
        guard.stdin.write(f"{program.pid}\n".encode())
        guard.stdin.flush()
        while True:
            with suppress(subprocess.TimeoutExpired):
                return program.wait(timeout=1)
            if ends_with_parent and os.getppid() != parent:
                return 128 + signal.SIGHUP
    finally:
        # A second signal, of somebody who is impatient, does not leave half of it behind.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        guard.stdin.close()
        if program is not None:
            program.wait()
        guard.wait()


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def end_group(group: int) -> None:
    """Ask every process of a group to end, and kill what is left after some seconds."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.1)
        os.killpg(group, signal.SIGKILL)
