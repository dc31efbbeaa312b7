"""Files that are put in place in one step, since another process may be reading them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NEW = ".new"


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Make a file or link under a name of its own, which then takes the place of ``path``."""
    new = path.with_name(f".{path.name}.{os.getpid()}{NEW}")
    new.unlink(missing_ok=True)
    yield new
    new.replace(path)
