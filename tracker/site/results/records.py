"""What a camera leaves on disk: `CAMERA/HOUR/tracks.csv`, `events.jsonl` and `counts.csv`, a folder an hour of UTC.

The first two grow by whole lines and the third is replaced at once, so that they are complete at any moment. After a
kill they are gone on with, without what was left of the last line.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tracker.analytics.event_log import as_lines
from tracker.analytics.events import Count
from tracker.output.writers import CsvWriter, OnGround
from tracker.site.feed import Settled
from tracker.site.results.hour_counts import HourCounts
from tracker.site.results.retention import MARK
from tracker.structures import Image, Tracks
from tracker.system.files import Lines, writing
from tracker.video.source import Frame

TRACKS, EVENTS, COUNTS = "tracks.csv", "events.jsonl", "counts.csv"
_NO_PICTURE: Image = np.zeros((0, 0, 3), np.uint8)
_BLOCK = 1 << 16


def hour_of(time_s: float) -> str:
    """The folder of a moment in Unix seconds.

    >>> hour_of(1_764_442_800)
    '2025-11-29T19Z'
    """
    return time.strftime("%Y-%m-%dT%HZ", time.gmtime(time_s))


class Records:
    """The tables of one camera, open until they are closed.

    Args:
        folder: of the camera; made where it is not there.
        metres: whether a new `tracks.csv` has metres, too. One that was begun keeps the columns it has.

    Raises:
        OutputError: as all its methods, where something cannot be written; the next call tries again.
    """

    def __init__(self, folder: Path, metres: bool = False) -> None:
        self.folder = folder
        self._metres = metres
        self._hour = ""
        self._open = ExitStack()

    @property
    def in_use(self) -> Path | None:
        """The folder that is written to."""
        return self.folder / self._hour if self._hour else None

    def hour(self, time_s: float) -> Path:
        """The folder of this moment, made."""
        folder = self.folder / hour_of(time_s)
        with writing(folder):
            if not (folder / MARK).is_file():
                folder.mkdir(parents=True, exist_ok=True)
                (folder / MARK).touch()
        return folder

    def write(self, settled: Settled) -> None:
        """Add a frame's rows."""
        self._turn(settled.time_s)
        self._on_ground = settled.ground
        frame = Frame(_NO_PICTURE, settled.number, settled.time_s)
        self._tracks.write(frame, settled.tracks)

    def tell(self, time_s: float, events: Iterable[Mapping[str, Any]], counts: Sequence[Count] = ()) -> None:
        """Add events that are known since this moment, and to what it then adds up (as of `HourCounts.take`)."""
        self._turn(time_s)
        events = list(events)
        if events:
            self._events.append(as_lines(events))
        if counts:
            self._counts.take(events, counts)

    def _turn(self, time_s: float) -> None:
        """To the files of its hour."""
        if hour_of(time_s) == self._hour:
            return
        self.close()
        folder = self.hour(time_s)
        ground = self._ground if _has_metres(folder / TRACKS, self._metres) else None
        self._tracks = self._open.enter_context(closing(CsvWriter(folder / TRACKS, resumed=True, ground=ground)))
        self._events = self._open.enter_context(closing(Lines(folder / EVENTS, resumed=True)))
        self._counts = HourCounts(folder / COUNTS, folder / EVENTS)
        self._hour = folder.name

    def _ground(self, tracks: Tracks) -> OnGround:
        """What is known of the rows that are written just now."""
        return _Unknown(len(tracks)) if self._on_ground is None else self._on_ground

    def close(self) -> None:
        """Close the files; a later `write` goes on with them."""
        self._hour = ""
        self._open.close()


class _Unknown:
    """N tracks of which it is not known where they are."""

    def __init__(self, count: int) -> None:
        self.position_m = np.full((count, 2), np.nan)
        self.speed_m_s = self.speed_std_m_s = np.full(count, np.nan)


def _has_metres(table: Path, wanted: bool) -> bool:
    """Whether a table has columns for metres, as it was begun: settings may have changed within the hour."""
    with writing(table):
        if not table.is_file():
            return wanted
        with table.open(encoding="utf-8", errors="replace") as file:
            header = file.readline()
    return CsvWriter.GROUND[0] in header.split(",") if header.endswith("\n") else wanted


class WrittenRow(NamedTuple):
    """What a row of a camera's tables begins with: number of the frame, its time, and id."""

    frame: int
    time_s: float
    id: int


def written_since(folder: Path, since_s: float) -> WrittenRow:
    """The largest values of a camera's rows later than this moment; 0 and minus infinity where there are none."""
    frame, time_s, newest = 0, -np.inf, 0
    for row in rows_since(folder, since_s):
        frame, time_s, newest = max(frame, row.frame), max(time_s, row.time_s), max(newest, row.id)
    return WrittenRow(frame, time_s, newest)


def rows_since(folder: Path, since_s: float) -> Iterator[WrittenRow]:
    """The rows of a camera's folder later than this moment, an hour's last one first; without a torn one."""
    for hour in sorted(folder.glob("*T*Z"), reverse=True):
        if hour.name < hour_of(max(since_s, 0.0)):
            break
        yield from takewhile(lambda row: row.time_s > since_s, _rows_backwards(hour / TRACKS))


def _rows_backwards(path: Path) -> Iterator[WrittenRow]:
    """Each whole row, the last one first."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        begin, rest = file.seek(0, 2), b""
        torn = True
        while begin > 0:
            end, begin = begin, max(0, begin - _BLOCK)
            file.seek(begin)
            lines = (file.read(end - begin) + rest).split(b"\n")
            rest = lines.pop(0) if begin else b""
            if torn:
                lines, torn = lines[:-1], False
            for line in reversed(lines):
                cells = line.split(b",", 3)
                with suppress(ValueError):  # the header, or what a power cut left of a row
                    if len(cells) == 4:
                        yield WrittenRow(int(cells[0]), float(cells[1]), int(cells[2]))
