"""What happens at the places of one stream, told by its frames: what a file, a page or a broker gets of it."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.analytics.events import Count, Events
from tracker.analytics.zones import FrameSize, Zones
from tracker.structures import Tracks
from tracker.system.snapshots.resumable import Resumable

_CORRECTED_S = 2.5  # events wait for so long: then the ids of their tracks do not change any more
_FRAMES = 2000  # whose numbers and times are remembered: more than the longest gap over which something is told late


class EventLog(Resumable):
    """Events with the number and time of their frame, once the ids of their tracks do not change any more.

    Each is `{"time_s": 3.2, "frame": 97, "event": "cross", "zone": "gate", "id": 4, "class": "person",
    "direction": "in", "seconds": null}`:

    | key | value |
    | --- | --- |
    | `time_s` | by the times of the frames: of a crossing between two sightings the moment in between |
    | `frame` | the first frame in which it has happened |
    | `event` | `cross` of a line; `enter`, `exit` and `dwell` of a zone |
    | `zone` | name of the line or zone |
    | `id`, `class` | of the track |
    | `direction` | `in` or `out`; null of `dwell` |
    | `seconds` | how long it was inside, of `exit` and `dwell`; else null |

    Args:
        zones: of this stream alone.

    Attributes:
        heard: how many events there were so far, also of those that wait.
    """

    saved = ("heard", "_times", "_waiting", "_zones")

    def __init__(self, zones: Zones) -> None:
        self.heard = 0
        self._zones = zones
        self._times: deque[tuple[float, float, int]] = deque(maxlen=_FRAMES)  # of tracks and frame, number of the frame
        self._waiting: deque[tuple[float, dict[str, Any]]] = deque()  # until the tracks' time is so late

    def take(self, number: int, time_s: float, size: FrameSize, tracks: Tracks) -> list[dict[str, Any]]:
        """The events that are certain by a frame and were not told before, in the order in which they became so.

        Args:
            number, time_s: of the frame. size: its width and height in pixels. tracks: in it; errors as of
                `Zones.update`.
        """
        if not self._times or tracks.time_s > self._times[-1][0]:
            self._times.append((tracks.time_s, time_s, number))
        self._hear(self._zones.update(tracks, size), tracks.time_s)
        return self._certain(tracks.time_s)

    def finish(self) -> list[dict[str, Any]]:
        """What would have waited for further frames."""
        self._hear(self._zones.finish(), np.inf)
        return self._certain(np.inf)

    def _hear(self, events: Events, now: float) -> None:
        self.heard += len(events)
        for event in events.to_dicts():
            time_s, number = self._frame_of(event["time_s"])
            record = {"time_s": round(time_s, 4), "frame": number} | {k: v for k, v in event.items() if k != "time_s"}
            self._waiting.append((now + _CORRECTED_S, record))
        for _, record in self._waiting if events.renamed else ():
            record["id"] = events.renamed.get(record["id"], record["id"])

    def _certain(self, now: float) -> list[dict[str, Any]]:
        told = []
        while self._waiting and self._waiting[0][0] <= now:
            told.append(self._waiting.popleft()[1])
        return told

    def _frame_of(self, moment: float) -> tuple[float, int]:
        """Time and number of the first frame by a moment of the tracks."""
        late = min(bisect_left(self._times, moment - 1e-4, key=lambda known: known[0]), len(self._times) - 1)
        early = self._times[max(late - 1, 0)]
        known = self._times[late]
        return float(np.interp(moment, (early[0], known[0]), (early[1], known[1]))), known[2]


def as_lines(events: Iterable[Mapping[str, Any]]) -> str:
    """A line of JSON for each."""
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


def shown(zones: Zones, counts: Iterable[Count], size: FrameSize) -> list[tuple[str, NDArray[np.float64], bool]]:
    """What is to be drawn of each place on a frame of (width, height): text, points (P, 2), whether it is a zone.

    Args:
        counts: of these places.
    """
    sums: dict[str, list[int]] = {}
    for row in counts:
        of = sums.setdefault(row.zone, [0, 0, 0])
        of[:] = of[0] + row.ins, of[1] + row.outs, of[2] + (row.inside or 0)
    said = []
    for name, points, is_zone in zones.shapes(size):
        ins, outs, inside = sums[name]
        said.append((f"{name}  {inside} inside" if is_zone else f"{name}  {ins} in  {outs} out", points, is_zone))
    return said
