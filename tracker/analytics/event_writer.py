"""`events.jsonl` and `counts.csv` of one source: what happens at the lines and in the zones of a `zones.yaml`."""

from __future__ import annotations

import csv
import io
import json
import time
from bisect import bisect_left
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.analytics.events import Events
from tracker.analytics.zones import FrameSize, Zones
from tracker.structures import Tracks
from tracker.system.files import Lines, replace_text

if TYPE_CHECKING:
    from tracker.video.source import Frame

_CORRECTED_S = 2.5  # events wait for so long: then the ids of their tracks do not change any more
_FRAMES = 2000  # whose numbers and times are remembered: more than the longest gap over which something is told late


class EventWriter:
    """Takes the frames with their tracks, as every writer does.

    `events.jsonl` has a JSON object for each event, in the order in which they became certain: `{"time_s": 3.2,
    "frame": 97, "event": "cross", "zone": "gate", "id": 4, "class": "person", "direction": "in", "seconds": null}`.

    | key | value |
    | --- | --- |
    | `time_s` | seconds since the first frame: of a crossing between two sightings the moment in between |
    | `frame` | the first frame in which it has happened |
    | `event` | `cross` of a line; `enter`, `exit` and `dwell` of a zone |
    | `zone` | name of the line or zone |
    | `id`, `class` | of the track |
    | `direction` | `in` or `out`; null of `dwell` |
    | `seconds` | how long it was inside, of `exit` and `dwell`; else null |

    `counts.csv` has a row for each place and class (`zone,class,in,out,inside,mean_dwell_s`), renewed every few seconds
    and at the end; the last two are empty for a line, and the class where nothing has happened.

    Args:
        zones: of this stream alone. size: width and height of its first frame.
    """

    REFRESH_S = 10.0
    COLUMNS = ("zone", "class", "in", "out", "inside", "mean_dwell_s")

    def __init__(self, events: Path, counts: Path, zones: Zones, size: FrameSize) -> None:
        self._lines = Lines(events)
        self._counts = counts
        self._zones = zones
        self._size = size
        self._times: deque[tuple[float, float, int]] = deque(maxlen=_FRAMES)  # of tracks and frame, number of the frame
        self._waiting: deque[tuple[float, dict[str, Any]]] = deque()  # until the tracks' time is so late
        self._save_counts()

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Take the frame into account."""
        height, width = frame.image.shape[:2]
        if height and width:
            self._size = (width, height)
        if not self._times or tracks.time_s > self._times[-1][0]:
            self._times.append((tracks.time_s, frame.time_s, frame.number))
        self._take(self._zones.update(tracks, self._size), tracks.time_s)
        self._append(tracks.time_s)
        if time.monotonic() >= self._due:
            self._save_counts()

    def close(self) -> None:
        """Write what waits and the final counts."""
        try:
            self._take(self._zones.finish(), np.inf)
            self._append(np.inf)
            self._save_counts()
        finally:
            self._lines.close()

    def shown(self, size: FrameSize) -> list[tuple[str, NDArray[np.float64], bool]]:
        """What is to be drawn of each place on a frame of (width, height): text, points, whether it is a zone."""
        sums: dict[str, list[int]] = {}
        for row in self._zones.counts():
            of = sums.setdefault(row.zone, [0, 0, 0])
            of[:] = of[0] + row.ins, of[1] + row.outs, of[2] + (row.inside or 0)
        said = []
        for name, points, is_zone in self._zones.shapes(size):
            ins, outs, inside = sums[name]
            said.append((f"{name}  {inside} inside" if is_zone else f"{name}  {ins} in  {outs} out", points, is_zone))
        return said

    def _take(self, events: Events, now: float) -> None:
        for event in events.to_dicts():
            time_s, number = self._frame_of(event["time_s"])
            record = {"time_s": round(time_s, 4), "frame": number} | {k: v for k, v in event.items() if k != "time_s"}
            self._waiting.append((now + _CORRECTED_S, record))
        for _, record in self._waiting if events.renamed else ():
            record["id"] = events.renamed.get(record["id"], record["id"])

    def _append(self, now: float) -> None:
        lines = []
        while self._waiting and self._waiting[0][0] <= now:
            lines.append(json.dumps(self._waiting.popleft()[1], ensure_ascii=False) + "\n")
        if lines:
            self._lines.append("".join(lines))

    def _frame_of(self, moment: float) -> tuple[float, int]:
        """Time in the source and number of the first frame by a moment of the tracks."""
        late = min(bisect_left(self._times, moment - 1e-4, key=lambda known: known[0]), len(self._times) - 1)
        early = self._times[max(late - 1, 0)]
        known = self._times[late]
        return float(np.interp(moment, (early[0], known[0]), (early[1], known[1]))), known[2]

    def _save_counts(self) -> None:
        buffer = io.StringIO()
        rows = csv.writer(buffer, lineterminator="\n")
        rows.writerow(self.COLUMNS)
        for row in self._zones.counts():
            dwell = "" if row.mean_dwell_s is None else f"{row.mean_dwell_s:.2f}"
            rows.writerow([row.zone, row.name, row.ins, row.outs, "" if row.inside is None else row.inside, dwell])
        replace_text(self._counts, buffer.getvalue())
        self._due = time.monotonic() + self.REFRESH_S
