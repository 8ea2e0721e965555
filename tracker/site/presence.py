"""Who is here: where visits begin and end, by the frames whose tracks are final."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tracker.analytics.ground.motion import GroundStates
from tracker.site.feed import Visit
from tracker.structures import Tracks

LONGEST_S = 1.0  # of what lies between two frames so much counts as watched: who knows what happened in a gap?
TOLD_S = 10.0  # a visit that ended so lately may not have been told to all when the process is killed


class Presence:
    """The visits of one camera.

    Args:
        ends_after_s: an object that is not reported for so long, while somebody watched, has left. A camera that is
            away, and a site that is restarted, end no visit.
    """

    def __init__(self, ends_after_s: float) -> None:
        self._ends_after_s = ends_after_s
        self._here: dict[int, Visit] = {}
        self._watched_s, self._time_s = 0.0, math.inf
        self._seen_s: dict[int, float] = {}  # id -> how long had been watched by then
        self._left: list[tuple[float, Visit]] = []  # lately, and when that was known
        self._untold: list[Visit] = []  # of an earlier process

    @property
    def here(self) -> Mapping[int, Visit]:
        """Id -> visit of all who are here; a copy."""
        return dict(self._here)

    def update(self, tracks: Tracks, ground: GroundStates | None = None) -> tuple[list[Visit], list[Visit]]:
        """Take the next frame's confirmed tracks, and where on the ground they are; who came, and who has left."""
        time_s = tracks.time_s
        self._watched_s += min(max(time_s - self._time_s, 0.0), LONGEST_S)
        self._time_s = time_s
        self._seen_s.update(dict.fromkeys(tracks.ids.tolist(), self._watched_s))
        gone = [i for i, seen_s in self._seen_s.items() if self._watched_s - seen_s > self._ends_after_s]
        left = [self._here.pop(i) for i in gone]
        for i in gone:
            del self._seen_s[i]
        self._left = [(at_s, visit) for at_s, visit in self._left if time_s - at_s <= TOLD_S]
        self._left += [(time_s, visit) for visit in left]
        came = []
        columns = tracks.ids, tracks.classes, tracks.scores, tracks.xyxy
        for (i, number, score, box), metres in zip(
            zip(*(column.tolist() for column in columns), strict=True), _metres(ground, len(tracks)), strict=True
        ):
            name = tracks.names.get(number, str(number))
            if i not in self._here:
                self._here[i] = Visit(i, number, name, time_s, time_s, 0, tuple(box), score)
                came.append(i)
            frames = self._here[i].frames + 1
            now = {"number": number, "name": name, "last_s": time_s, "frames": frames, "box": tuple(box), **metres}
            self._here[i] = replace(self._here[i], score=score, **now)
        untold, self._untold = self._untold, []
        return [self._here[i] for i in came], untold + left

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "here": [vars(visit) for visit in self._here.values()],
            "left": [vars(visit) for _, visit in self._left],
        }

    def go_on(self, saved: Mapping[str, Any]) -> None:
        """Take over what `to_dict` gave; who left just before that is told once more."""
        here, left = ([_visit(values) for values in saved.get(key, ())] for key in ("here", "left"))
        self._here = {visit.id: visit for visit in here}
        self._seen_s = dict.fromkeys(self._here, self._watched_s)
        self._untold = left


def _visit(values: Mapping[str, Any]) -> Visit:
    place = values.get("position_m")
    return Visit(**{**values, "box": tuple(values["box"]), "position_m": None if place is None else tuple(place)})


def _metres(ground: GroundStates | None, count: int) -> list[dict[str, Any]]:
    """What a visit says of each track; what is not known takes the place of what was."""
    if ground is None:
        return [{"position_m": None, "speed_m_s": None}] * count
    rows = zip(ground.position_m.tolist(), ground.speed_m_s.tolist(), strict=True)
    return [
        {
            "position_m": tuple(place) if math.isfinite(place[0]) else None,
            "speed_m_s": speed if math.isfinite(speed) else None,
        }
        for place, speed in rows
    ]
