"""What happened: events as arrays, and what they add up to."""

from __future__ import annotations

from collections.abc import Mapping
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
