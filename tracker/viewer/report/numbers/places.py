"""What happened at lines and in zones, added up from the events of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracker.analytics.events import CROSS, ENTER, EXIT, Count, counted
from tracker.viewer.report.numbers.timeline import Ints, Reals, Timeline


@dataclass(frozen=True, eq=False)
class LineNumbers:
    """Crossings of a line.

    Attributes:
        name: of the line.
        ins, outs: (B,) in each bin of time, in each direction.
        by_class: name of a class -> in, out.
    """

    name: str
    ins: Ints
    outs: Ints
    by_class: dict[str, tuple[int, int]]


@dataclass(frozen=True, eq=False)
class ZoneNumbers:
    """Who was in a zone.

    Attributes:
        name: of the zone.
        mean, most: (B,) how many were inside at once, in each bin of time.
        dwell_s: (X,) how long each of those that left had been inside, shortest first.
        by_class: name of a class -> its numbers, as `counts.csv` has them.
        from_start: how many were inside in the first frame: since when is not known.
    """

    name: str
    mean: Reals
    most: Ints
    dwell_s: Reals
    by_class: dict[str, Count]
    from_start: int

    @property
    def inside(self) -> int:
        """How many still are, in the end."""
        return sum(count.inside or 0 for count in self.by_class.values())

    @property
    def entered(self) -> int:
        return sum(count.ins for count in self.by_class.values())


def line_numbers(name: str, events: Sequence[dict[str, Any]], time: Timeline) -> LineNumbers:
    """Of all events of a run, those at a line."""
    crossings = [event for event in events if event["event"] == CROSS and event["zone"] == name]
    bins = time.bin_of(np.array([event["time_s"] for event in crossings], np.float64))
    inward = np.array([event["direction"] == "in" for event in crossings], bool)
    by_class = {count.name: (count.ins, count.outs) for count in counted(name, False, crossings, 0.0)}
    inwards, outwards = (np.bincount(bins[rows], minlength=time.bins) for rows in (inward, ~inward))
    return LineNumbers(name, inwards, outwards, by_class)


def zone_numbers(name: str, events: Sequence[dict[str, Any]], time: Timeline, seen_s: float) -> ZoneNumbers:
    """Of all events of a run, those in a zone; `seen_s` is when anything was detected last."""
    passed = [event for event in events if event["event"] in (ENTER, EXIT) and event["zone"] == name]
    entered = [event for event in passed if event["event"] == ENTER]
    left = [event for event in passed if event["event"] == EXIT]
    by_class = {count.name: count for count in counted(name, True, passed, seen_s)}
    moments = np.array([event["time_s"] for event in passed], np.float64)
    steps = np.array([1 if event["event"] == ENTER else -1 for event in passed], np.int64)
    mean, most = _levels(moments, steps, time)
    dwell_s = np.sort(np.array([event["seconds"] for event in left], np.float64))
    first = time.times_s[0] if len(time.times_s) else 0.0
    from_start = sum(event["time_s"] <= first for event in entered)
    return ZoneNumbers(name, mean, most, dwell_s, by_class, int(from_start))


def _levels(moments: Reals, steps: Ints, time: Timeline) -> tuple[Reals, Ints]:
    """(B,) mean and highest level in each bin, of one that begins at 0 and goes by steps (E,) at moments (E,)."""
    order = np.lexsort((steps, moments))  # who leaves goes before somebody enters at the same moment
    moments, steps = moments[order], steps[order]
    level = np.append(0, np.cumsum(steps))  # before the first step, and after each
    moved = np.append(0.0, np.cumsum(steps * moments))
    edges = np.minimum(time.edges_s, max(time.end_s, time.edges_s[0]))
    passed = np.searchsorted(moments, edges, "left")
    area = np.diff(level[passed] * edges - moved[passed])
    width = np.diff(edges)
    most = level[passed[:-1]].copy()
    np.maximum.at(most, time.bin_of(moments), level[1:])
    return np.divide(area, width, out=np.zeros(time.bins), where=width > 0), most
