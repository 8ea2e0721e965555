"""What happened: events as arrays, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.structures import Ints

CROSS, ENTER, EXIT, DWELL = "cross", "enter", "exit", "dwell"
_DIRECTIONS = {1: "in", -1: "out", 0: None}


@dataclass(frozen=True, eq=False)
class Events:
    """What became certain in a frame, in order of time; letter: E events.

    Attributes:
        time_s: (E,) float64 when it happened, in seconds by the tracks' own times: in this frame, or before where it is
            known now only.
        events: (E,) text: `cross` of a line; `enter`, `exit` and `dwell` (it has been inside for the zone's `dwell_s`).
        zones: (E,) text, the line's or zone's name.
        ids: (E,) int64 of the tracks.
        classes: (E,) int64 of the tracks; at an `exit` and `dwell` that with which it had entered.
        directions: (E,) int8: 1 in, -1 out, 0 none (`dwell`).
        seconds: (E,) float64 how long it was inside, of `exit` and `dwell`; else NaN.
        names: class number -> name.
        renamed: id -> the one it turned out to be: what was told of the former before is the latter's.
    """

    time_s: NDArray[np.float64]
    events: NDArray[np.str_]
    zones: NDArray[np.str_]
    ids: Ints
    classes: Ints
    directions: NDArray[np.int8]
    seconds: NDArray[np.float64]
    names: Mapping[int, str] = field(default_factory=dict)
    renamed: Mapping[int, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def to_dicts(self) -> list[dict[str, Any]]:
        """A dict for each: time_s, event, zone, id, class (its name), direction (in, out, None), seconds (or None)."""
        columns = self.time_s, self.events, self.zones, self.ids, self.classes, self.directions, self.seconds
        return [
            {
                "time_s": round(time_s, 4),
                "event": event,
                "zone": zone,
                "id": track_id,
                "class": self.names.get(number, str(number)),
                "direction": _DIRECTIONS[direction],
                "seconds": None if np.isnan(seconds) else round(seconds, 3),
            }
            for time_s, event, zone, track_id, number, direction, seconds in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ]


@dataclass(frozen=True)
class Count:
    """What happened so far at a line or in a zone with the objects of a class.

    Attributes:
        zone: its name. name: that of the class; empty: nothing has happened there.
        ins, outs: crossings of a line in each direction; or how often a zone was entered and left.
        inside: how many are in the zone now, the difference; None of a line.
        mean_dwell_s: how long those were inside that entered, up to now where they are still; None of a line and where
            nobody was.
    """

    zone: str
    name: str
    ins: int
    outs: int
    inside: int | None
    mean_dwell_s: float | None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Count:
        """From what `to_dict` made."""
        return cls(told["zone"], told["class"], told["in"], told["out"], told["inside"], told["mean_dwell_s"])

    def to_dict(self) -> dict[str, Any]:
        """By the columns of `counts.csv`."""
        dwell = None if self.mean_dwell_s is None else round(self.mean_dwell_s, 2)
        ways = {"in": self.ins, "out": self.outs}
        return {"zone": self.zone, "class": self.name, **ways, "inside": self.inside, "mean_dwell_s": dwell}


def counted(place: str, is_zone: bool, events: Sequence[Mapping[str, Any]], end_s: float) -> list[Count]:
    """What a file's events add up to at one place, a row for each class that passed it, by name.

    Args:
        events: as `to_dicts` has them, also of other places. end_s: until when those were inside that did not leave.
    """
    passed = [event for event in events if event["zone"] == place and event["event"] in (CROSS, ENTER, EXIT)]
    names = sorted({event["class"] for event in passed})
    return [_added(place, is_zone, name, [e for e in passed if e["class"] == name], end_s) for name in names]


def _added(place: str, is_zone: bool, name: str, passed: Sequence[Mapping[str, Any]], end_s: float) -> Count:
    ins, outs = (sum(event["direction"] == way for event in passed) for way in ("in", "out"))
    if not is_zone:
        return Count(place, name, ins, outs, None, None)
    gone = [event for event in passed if event["event"] == EXIT]
    begun = sum(event["time_s"] for event in passed if event["event"] == ENTER)
    begun -= sum(event["time_s"] - event["seconds"] for event in gone)  # what is left is of those that are still inside
    inside = ins - outs
    seconds = sum(event["seconds"] for event in gone) + inside * end_s - begun
    return Count(place, name, ins, outs, inside, seconds / ins if ins else None)
