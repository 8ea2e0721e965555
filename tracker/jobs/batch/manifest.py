"""`batch.csv`: every source of a batch and what became of it, valid whenever the machine dies.

What changes is noted at once, as a line of a journal beside it, which costs the same in a batch of ten and of ten
thousand. The table is made anew every few seconds, and where it is read again, from the two: a row a source, always.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tracker.errors import DataError
from tracker.system.files import Lines, csv_text, replace_file, writing

TABLE, JOURNAL = "batch.csv", ".batch.jsonl"


class VideoState(StrEnum):
    """Where a source stands."""

    WAITING = "waiting"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    """Begun, and ended by the user or the system: its results are as far as it came."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class VideoRow:
    """A source and what became of it.

    Attributes:
        source: an absolute path, or a URL without its secrets. frames, tracks: how many there are in its results.
        seconds: that it took. error: why it failed, one sentence.
    """

    source: str
    state: VideoState = VideoState.WAITING
    frames: int = 0
    tracks: int = 0
    seconds: float = 0.0
    error: str = ""

    @classmethod
    def of(cls, cells: Iterable[Any]) -> VideoRow:
        """From a line's cells; ValueError or TypeError where they are others."""
        source, state, frames, tracks, seconds, error = cells
        return cls(source, VideoState(state), int(frames), int(tracks), float(seconds), error)

    @property
    def cells(self) -> tuple[Any, ...]:
        """What `of` makes the same of."""
        return self.source, self.state, self.frames, self.tracks, round(self.seconds, 2), self.error


COLUMNS = tuple(field.name for field in fields(VideoRow))


class Manifest:
    """The rows of a batch, in the order in which they were first listed.

    Args:
        folder: where `batch.csv` is, or will be.
        kept: called when it has been made anew.

    Raises:
        DataError: what is there is no manifest. OutputError: it cannot be written.
    """

    REFRESH_S = 10.0
    _SHARE = 0.01  # of the time that may go into making the table anew

    def __init__(self, folder: Path, kept: Callable[[], None] = lambda: None) -> None:
        self._kept = kept
        self._table, self._journal = folder / TABLE, folder / JOURNAL
        self._lines: Lines | None = None
        self.rows = {row.source: row for row in (*self._tabled(), *self._noted())}
        for row in self.rows.values():
            if row.state == VideoState.RUNNING:  # whoever ran it is no more
                self.rows[row.source] = replace(row, state=VideoState.INTERRUPTED)
        self._save()

    def add(self, sources: Iterable[str]) -> None:
        """List sources that are not listed yet."""
        for source in sources:
            self.rows.setdefault(source, VideoRow(source))
        self._save()

    def forget(self, sources: Iterable[str]) -> None:
        """List these no more."""
        for source in sources:
            del self.rows[source]
        self._save()

    def note(self, row: VideoRow) -> None:
        """Let a row be so from now on."""
        self.rows[row.source] = row
        assert self._lines is not None  # until it is closed
        self._lines.append(json.dumps(row.cells) + "\n")  # ASCII, whatever bytes a name has
        if time.monotonic() >= self._due:
            self._save()

    def close(self) -> None:
        """Leave the table as everything is now, and no journal; where the disk is full, both as they are."""
        try:
            self._save()
            with writing(self._journal):
                self._journal.unlink(missing_ok=True)
        finally:
            if self._lines is not None:
                self._lines.close()

    def _save(self) -> None:
        """The table first, then an empty journal: noted twice is as good as once."""
        start = time.monotonic()
        text = csv_text([COLUMNS, *(row.cells for row in self.rows.values())])
        replace_file(self._table, text.encode("utf-8", "surrogateescape"))  # names of files, in whatever encoding
        if self._lines is not None:
            self._lines.close()
        self._lines = Lines(self._journal)
        self._kept()
        now = time.monotonic()
        self._due = now + max(self.REFRESH_S, (now - start) / self._SHARE)

    def _tabled(self) -> list[VideoRow]:
        try:
            text = self._table.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return []
        except OSError as error:
            raise DataError(f"{self._table} cannot be read ({error.strerror}); check it, or remove it") from error
        lines = csv.reader(io.StringIO(text, newline=""))
        try:
            if tuple(next(lines)) != COLUMNS:
                raise ValueError
            return [VideoRow.of(cells) for cells in lines]
        except (ValueError, TypeError, StopIteration, csv.Error) as error:
            raise DataError(
                f"{self._table} line {lines.line_num} is none of a manifest ({','.join(COLUMNS)}); "
                "mend it, or move it away to begin anew"
            ) from error

    def _noted(self) -> list[VideoRow]:
        """What was noted since the table was made; not what a kill left of a last line."""
        try:
            lines = self._journal.read_bytes().split(b"\n")[:-1]
        except OSError:
            return []
        try:
            return [VideoRow.of(json.loads(line)) for line in lines]
        except (ValueError, TypeError) as error:
            raise DataError(f"{self._journal} is damaged; remove it: {TABLE} is a few seconds older") from error
