"""Messages that wait for their destination, on disk: they outlive a kill, and their number is bounded."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from tracker.errors import OutputError
from tracker.site.messages.message import UPDATE, Message
from tracker.system.files import writing

_log = logging.getLogger("tracker.site")
_PART = 100  # messages that make room at once


class Spool:
    """A queue in a file of SQLite's.

    Args:
        path: the file; its folder is made. What it holds already is sent first.
        limit: bytes of messages that wait at most. Beyond it the oldest are dropped, updates before all others.

    Attributes:
        dropped: messages that were dropped for want of room, since it was opened.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.dropped = 0
        self._limit = limit
        self._lock = threading.Lock()
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = _opened(path)
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # no right, no room: not a damaged file
                raise OutputError(f"{path} cannot be opened: {error}; make room or name another --project") from None
            aside = path.with_suffix(".damaged")
            path.replace(aside)
            _log.warning("%s is damaged; what waited in it is in %s, and a new one is begun", path, aside)
            self._database = _opened(path)
        rows = self._database.execute("SELECT count(*), coalesce(sum(size), 0) FROM messages").fetchone()
        self._count, self._bytes = int(rows[0]), int(rows[1])

    def __len__(self) -> int:
        """How many wait."""
        return self._count

    def add(self, messages: Iterable[Message]) -> None:
        """Append messages; when it returns, a kill does not lose them.

        Raises:
            sqlite3.Error: the disk is full or gone; none of them is kept.
        """
        rows = [(one.kind, one.camera, one.body, len(one.body.encode())) for one in messages]
        with self._lock:
            with self._database:
                self._database.executemany("INSERT INTO messages (kind, camera, body, size) VALUES (?, ?, ?, ?)", rows)
            self._count += len(rows)
            self._bytes += sum(row[3] for row in rows)
            while self._bytes > self._limit and self._count:
                self._make_room()

    def first(self, number: int) -> tuple[Sequence[int], list[Message]]:
        """The oldest messages, at most so many, and their keys for `remove`."""
        with self._lock:
            rows = self._database.execute(
                "SELECT seq, kind, camera, body FROM messages ORDER BY seq LIMIT ?", (number,)
            ).fetchall()
        return [row[0] for row in rows], [Message(*row[1:]) for row in rows]

    def remove(self, keys: Sequence[int]) -> None:
        """Forget messages that were delivered, or cannot be."""
        with self._lock:
            self._remove(keys)

    def close(self) -> None:
        with self._lock:
            self._database.close()

    def _make_room(self) -> None:
        oldest = f"ORDER BY seq LIMIT {_PART}"
        rows = self._database.execute(f"SELECT seq, size FROM messages WHERE kind = '{UPDATE}' {oldest}").fetchall()
        rows = rows or self._database.execute(f"SELECT seq, size FROM messages {oldest}").fetchall()
        keys, over = [], self._bytes - self._limit
        for seq, size in rows:
            if over <= 0:
                break
            keys.append(seq)
            over -= size
        self.dropped += self._remove(keys)

    def _remove(self, keys: Sequence[int]) -> int:
        """Forget these, where they are still there; how many were."""
        places = ",".join("?" * len(keys))
        with self._database:
            gone = self._database.execute(
                f"DELETE FROM messages WHERE seq IN ({places}) RETURNING size", list(keys)
            ).fetchall()
        self._count -= len(gone)
        self._bytes -= sum(row[0] for row in gone)
        return len(gone)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=NORMAL")  # a kill loses nothing; a power cut perhaps the last moments
        database.execute(
            "CREATE TABLE IF NOT EXISTS messages "
            "(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, camera TEXT, body TEXT, size INTEGER)"
        )
        database.execute(f"CREATE INDEX IF NOT EXISTS updates ON messages (seq) WHERE kind = '{UPDATE}'")
        database.execute("SELECT seq, kind, camera, body, size FROM messages LIMIT 1").fetchall()
    except sqlite3.Error:
        database.close()
        raise
    return database
