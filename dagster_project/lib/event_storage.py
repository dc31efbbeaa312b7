"""The event log of ``dagster.yaml``: Dagster's own SQLite files, each opened once.

Dagster opens a file anew for every event, has SQLAlchemy compile the same statements again and
waits for the disk: of the half minute that a ``bill`` took, twelve seconds.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import StaticPool
from watchdog.events import FileSystemEvent

# The index and some runs; a user interface reads from many of them, one after another.
_KEPT_OPEN = 4


class KeptEventLogStorage(SqliteEventLogStorage):
    """The files that Dagster would write, in ``base_dir``."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> Self:
        """Dagster's own makes one of its own."""
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        """The one of a file, opened where it is not open; only under the lock."""
        engine = self._engines.pop(shard, None)
        # Another process may have deleted the run with its file.
        if engine is not None and not Path(self.path_for_shard(shard)).exists():
            engine.dispose()
            engine = None
            self._initialized_dbs.discard(shard)
        if engine is None:
            engine = create_engine(
                self.conn_string_for_shard(shard),
                poolclass=StaticPool,
                connect_args={
                    "timeout": SQLITE_BUSY_TIMEOUT_SECONDS,
                    "check_same_thread": False,
                },
            )
            event.listen(engine, "connect", _wait_for_no_disk)
        self._engines[shard] = engine
        while len(self._engines) > _KEPT_OPEN:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def watch(self, run_id: str, cursor: str | None, callback: Any) -> None:
        """As Dagster does, also of what is not yet in the file itself."""
        super().watch(run_id, cursor, callback)
        observer: Any = self._obs
        watched, watch = self._watchers[run_id][callback]
        observer.remove_handler_for_watch(watched, watch)
        watchdog = _Watchdog(self, run_id, callback, cursor)
        observer.add_handler_for_watch(watchdog, watch)
        self._watchers[run_id][callback] = (watchdog, watch)

    def dispose(self) -> None:
        """Close every file."""
        super().dispose()
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()


def _wait_for_no_disk(connection: sqlite3.Connection, _record: object) -> None:
    """A crash of the machine may lose the last events, one of a process may not."""
    connection.execute("pragma synchronous = normal")


class _Watchdog(SqliteEventLogStorageWatchdog):
    """Looks at the write-ahead log too, which is where a new event is first."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._patterns = [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, _event: FileSystemEvent) -> None:
        """Tell of what is new."""
        self._process_log()
