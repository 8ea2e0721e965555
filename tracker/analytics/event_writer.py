"""`events.jsonl` and `counts.csv` of one source: what happens at the lines and in the zones of a `zones.yaml`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.analytics.event_log import EventLog, as_lines, shown
from tracker.analytics.events import Count
from tracker.analytics.zones import FrameSize, Zones
from tracker.structures import Tracks
from tracker.system.files import Lines, csv_text, replace_text
from tracker.system.snapshots.resumable import Resumable

if TYPE_CHECKING:
    from tracker.video.source import Frame


class EventWriter(Resumable):
    """Takes the frames with their tracks, as every writer does.

    `events.jsonl` has a JSON object for each event of an `EventLog`; its `time_s` are seconds since the first frame.

    `counts.csv` has a row for each place and class (`zone,class,in,out,inside,mean_dwell_s`), renewed every few seconds
    and at the end; the last two are empty for a line, and the class where nothing has happened.

    Args:
        zones: of this stream alone. size: width and height of its first frame.
    """

    REFRESH_S = 10.0
    COLUMNS = ("zone", "class", "in", "out", "inside", "mean_dwell_s")

    saved = ("lines", "_log", "_size")
    rebuilt = ("_counts", "_zones", "_due")

    def __init__(self, events: Path, counts: Path, zones: Zones, size: FrameSize, resumed: bool = False) -> None:
        self.lines = Lines(events, resumed=resumed)
        self._counts = counts
        self._zones = zones
        self._log = EventLog(zones)
        self._size = size
        self._due = time.monotonic()
        if not resumed:
            self._save_counts()

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Take the frame into account."""
        height, width = frame.image.shape[:2]
        if height and width:
            self._size = (width, height)
        self._append(self._log.take(frame.number, frame.time_s, self._size, tracks))
        if time.monotonic() >= self._due:
            self._save_counts()

    def close(self) -> None:
        """Write what waits and the final counts."""
        try:
            self._append(self._log.finish())
            self._save_counts()
        finally:
            self.lines.close()

    def shown(self, size: FrameSize) -> list[tuple[str, NDArray[np.float64], bool]]:
        """What is to be drawn of each place on a frame of (width, height)."""
        return shown(self._zones, self._zones.counts(), size)

    def _append(self, events: Iterable[Mapping[str, Any]]) -> None:
        text = as_lines(events)
        if text:
            self.lines.append(text)

    def _save_counts(self) -> None:
        replace_text(self._counts, counts_table(self._zones.counts()))
        self._due = time.monotonic() + self.REFRESH_S


def counts_table(counts: Iterable[Count]) -> str:
    """What `counts.csv` says of these."""
    return csv_text([EventWriter.COLUMNS, *map(counts_row, counts)])


def counts_row(of: Count) -> list[str]:
    """The cells of one."""
    dwell = "" if of.mean_dwell_s is None else f"{of.mean_dwell_s:.2f}"
    return [of.zone, of.name, str(of.ins), str(of.outs), "" if of.inside is None else str(of.inside), dwell]
