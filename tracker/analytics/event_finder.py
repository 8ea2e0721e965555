"""Events from passages: who is in which zone for how long, and what has to wait until it is certain.

- What a tentative track does is told when it is confirmed, and never where it is not.
- An object that vanishes inside of a zone has left it, at its last sighting, once it was not seen for `LEFT_S`. Until
  then it counts as inside: it is mostly covered. A track that appears inside meanwhile may be the same object, and its
  entry waits for as long as it may still be recognised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import ClassVar

import numpy as np

from tracker.analytics.borders import Borders, Reals
from tracker.analytics.events import CROSS, DWELL, ENTER, EXIT, Count
from tracker.analytics.passages import Passages, Ways
from tracker.analytics.zones_file import NamedShape
from tracker.structures import Ints, Mask
from tracker.system.snapshots.resumable import Names, Resumable

LEFT_S = 5.0  # not seen for longer, an object has left; if it comes back it is not known which way
_RECOGNISED_S = 2.5  # a track that is older is not recognised as another one any more


@dataclass
class Event:
    """One event: moment in seconds, what, position of the line or zone, id, class, 1 in or -1 out, seconds inside."""

    time_s: float
    what: str
    shape: int
    track_id: int
    number: int
    direction: int = 0
    seconds: float = np.nan


class EventFinder(Resumable):
    """Finds the events at shapes that share an anchor.

    Args:
        shapes: with points in pixels.
    """

    saved: ClassVar[Names] = ("_ways", "_due", "_classes", "_confirmed", "_entered", "_entered_as", "_dwelt", "_held")
    saved += ("_told", "_sums", "_names", "_looked_s")
    rebuilt = ("shapes", "_zones", "_dwell_s", "_wanted")

    def __init__(self, shapes: Sequence[NamedShape]) -> None:
        self.shapes = shapes
        self._zones = np.array([shape.is_zone for shape in shapes])
        self._ways = Ways(Borders([shape.points for shape in shapes], self._zones))
        self._dwell_s = np.array([shape.dwell_s or np.inf for shape in shapes])
        self._due: list[tuple[float, int, int]] = []  # heap: moment, slot and shape of a dwell that is to be told
        self._classes = np.zeros(0, np.int64)  # (K,) by slot, as are the others
        self._confirmed = np.zeros(0, bool)
        self._entered = np.zeros((0, len(shapes)))  # (K, S) seconds; NaN where not inside
        self._entered_as = np.zeros((0, len(shapes)), np.int64)  # class
        self._dwelt = np.zeros((0, len(shapes)), bool)  # that was told
        self._held: dict[int, list[tuple[float, Event]]] = {}  # by slot: not told before which moment, and what
        self._told: list[Event] = []
        self._sums: dict[tuple[int, int], list[float]] = {}  # shape, class -> ins, outs, seconds inside of those out
        self._names: Mapping[int, str] = {}
        self._wanted: dict[tuple[int, int], bool] = {}
        self._looked_s = -np.inf  # time of the last look

    def update(
        self,
        ids: Ints,
        at: Reals,
        sizes: Reals,
        classes: Ints,
        confirmed: Mask,
        time_s: float,
        looked: bool,
        renamed: Mapping[int, int],
        names: Mapping[int, str],
    ) -> list[Event]:
        """What is certain now.

        Args:
            ids: (N,) of the tracks that are seen in this frame. at: (N, 2) their anchors. sizes: (N,) in pixels.
            looked: whether objects were looked for in this frame.
        """
        if names and names != self._names:
            self._names, self._wanted = names, {}
        for young, old in renamed.items():
            self._rename(young, old)
        slots, passages = self._ways.see(ids, at, sizes, time_s)
        self._begin(slots)
        self._classes[slots] = classes
        self._confirmed[slots] |= confirmed
        self._take(passages, time_s)
        self._dwell(time_s)
        if looked:
            seen_s = self._ways.tracks["seen_s"]
            self._leave((seen_s < self._looked_s) & (time_s - seen_s > LEFT_S), time_s)
            self._looked_s = time_s
        return self._tell(time_s)

    def finish(self) -> list[Event]:
        """What would have waited, now that no frame follows."""
        self._leave(self._ways.tracks["seen_s"] < self._looked_s, np.inf)
        self._take(self._ways.end(np.flatnonzero(self._ways.used)), np.inf)
        return self._tell(np.inf)

    def counts(self) -> list[Count]:
        """A row for each line and zone and class, or one without class."""
        now = self._ways.tracks["seen_s"].max(initial=0.0)
        told = self._confirmed.copy()  # what they have entered
        told[list(self._held)] = False
        rows = []
        for shape, place in enumerate(self.shapes):
            found = sorted((self._names.get(c, str(c)), c) for s, c in self._sums if s == shape)
            zone = place.is_zone
            if not found:
                rows.append(Count(place.name, "", 0, 0, 0 if zone else None, None))
            for name, number in found:
                ins, outs, seconds = self._sums[shape, number]
                mean = None
                if zone:
                    here = told & (self._entered_as[:, shape] == number)
                    mean = (seconds + float(np.nansum(now - self._entered[here, shape]))) / ins
                rows.append(Count(place.name, name, int(ins), int(outs), int(ins - outs) if zone else None, mean))
        return rows

    def _begin(self, slots: Ints) -> None:
        """Room for new tracks."""
        room = len(self._ways.used)
        if room > len(self._confirmed):
            for name, empty in (
                ("_classes", 0),
                ("_confirmed", False),
                ("_entered", np.nan),
                ("_entered_as", 0),
                ("_dwelt", False),
            ):
                old = getattr(self, name)
                grown = np.full((room, *old.shape[1:]), empty, old.dtype)
                grown[: len(old)] = old
                setattr(self, name, grown)
        new = slots[self._ways.tracks["steps"][slots] == 1]
        self._confirmed[new], self._entered[new] = False, np.nan

    def _take(self, passages: Passages, now: float) -> None:
        for slot, shape, side, moment, appeared in passages:
            number = int(self._classes[slot])
            if not self._zones[shape]:
                if self._counts_here(shape, number):
                    self._happened(slot, now, CROSS, shape, moment, number, side)
            elif side < 0:
                self._exit(slot, shape, moment, now)
            elif self._counts_here(shape, number):
                waits = appeared and self._somebody_unseen(shape, now)
                self._entered[slot, shape], self._entered_as[slot, shape] = moment, number
                self._dwelt[slot, shape] = False
                self._watch(slot, shape)
                until = now + _RECOGNISED_S if waits else -np.inf
                self._happened(slot, now, ENTER, shape, moment, number, 1, until=until)

    def _watch(self, slot: int, shape: int) -> None:
        """Somebody is inside: tell when it has been so for long."""
        due = float(self._entered[slot, shape] + self._dwell_s[shape])
        if np.isfinite(due):
            heappush(self._due, (due, slot, shape))

    def _somebody_unseen(self, shape: int, now: float) -> bool:
        unseen = self._ways.used & (self._ways.tracks["seen_s"] < now)
        return bool((~np.isnan(self._entered[unseen, shape])).any())

    def _exit(self, slot: int, shape: int, moment: float, now: float) -> None:
        since, number = float(self._entered[slot, shape]), int(self._entered_as[slot, shape])
        if np.isnan(since):  # of a class that does not count here
            return
        if not self._dwelt[slot, shape] and moment - since >= self._dwell_s[shape]:
            self._dwells(slot, shape, now)
        self._entered[slot, shape] = np.nan
        self._happened(slot, now, EXIT, shape, moment, number, -1, moment - since)

    def _dwell(self, now: float) -> None:
        unseen = []
        while self._due and self._due[0][0] <= now + 1e-9:
            moment, slot, shape = heappop(self._due)
            if np.isnan(self._entered[slot, shape]) or self._dwelt[slot, shape]:
                continue
            due = float(self._entered[slot, shape] + self._dwell_s[shape])
            if due > moment:  # it was another visit's
                heappush(self._due, (due, slot, shape))
            elif self._ways.tracks["seen_s"][slot] < moment - 1e-9:  # whether it was inside by then is not known yet
                unseen.append((moment, slot, shape))
            else:
                self._dwells(slot, shape, now)
        for later in unseen:
            heappush(self._due, later)

    def _dwells(self, slot: int, shape: int, now: float) -> None:
        self._dwelt[slot, shape] = True
        moment = float(self._entered[slot, shape] + self._dwell_s[shape])
        number = int(self._entered_as[slot, shape])
        self._happened(slot, now, DWELL, shape, moment, number, seconds=float(self._dwell_s[shape]))

    def _leave(self, gone: Mask, now: float) -> None:
        """Tracks (K,) that will not be seen again."""
        slots = np.flatnonzero(gone & self._ways.used)
        if not len(slots):
            return
        self._take(self._ways.end(slots), now)
        for slot, shape in zip(*np.nonzero(~np.isnan(self._entered[slots])), strict=True):
            track = int(slots[slot])
            self._exit(track, int(shape), self._ways.leaving_s(track, int(shape)), now)
        for slot in slots.tolist():
            held = self._held.pop(slot, [])
            if self._confirmed[slot]:
                for _, event in held:
                    self._is_told(event)
        self._ways.forget(slots)

    def _rename(self, young: int, old: int) -> None:
        """A track turned out to be one that was seen before."""
        slot, known = self._ways.slots_of(np.array([young, old])).tolist()
        if slot < 0:
            return
        if known < 0:
            self._ways.name(slot, old)
            for _, event in self._held.get(slot, []):
                event.track_id = old
            return
        now, last_s = self._ways.tracks["seen_s"][[slot, known]].tolist()
        both = bool(self._ways.tracks["first_s"][slot] <= last_s)  # what went by the old name lately was another object
        waiting = self._held.pop(slot, [])
        began = {event.shape for _, event in waiting if event.what == ENTER}  # entries that were not told yet
        told = set(np.flatnonzero(self._ways.first_inside(slot)).tolist()) - began
        self._confirmed[known] |= self._confirmed[slot]
        between, after = self._ways.join(slot, known)
        for passages in (between, after):
            again = (passages.sides > 0) & np.isin(passages.shapes, list(told))  # told as its first sighting inside
            self._take(Passages(*(column[~again] for column in passages.columns)), now)
        for shape in told:
            if not np.isnan(self._entered[known, shape]):
                self._exit(known, shape, last_s, now)
        if both:
            for shape in np.flatnonzero(~np.isnan(self._entered[known]) & self._ways.outside(known)).tolist():
                self._exit(known, shape, last_s, now)
        for until, event in waiting:
            event.track_id = old
            begun = self._entered[known, event.shape]
            if event.what == ENTER and event.shape in began and not np.isnan(begun):
                began.discard(event.shape)  # it was inside all the time
                self._entered[slot, event.shape] = np.where(np.isnan(self._entered[slot, event.shape]), np.nan, begun)
                continue
            if event.what == EXIT and not np.isnan(begun):
                event.seconds = event.time_s - float(begun)
                self._entered[known, event.shape] = np.nan
            self._queue(known, until, event, now)
        here = ~np.isnan(self._entered[slot])
        for values in (self._entered, self._entered_as, self._dwelt):
            values[known] = np.where(here, values[slot], values[known])
        self._entered[slot] = np.nan
        for shape in np.flatnonzero(here).tolist():
            self._watch(known, shape)

    def _counts_here(self, shape: int, number: int) -> bool:
        """Whether objects of a class count at a place."""
        classes = self.shapes[shape].classes
        if classes is None:
            return True
        key = shape, number
        if key not in self._wanted:
            self._wanted[key] = self._names.get(number, str(number)) in classes or str(number) in classes
        return self._wanted[key]

    def _happened(
        self,
        slot: int,
        now: float,
        what: str,
        shape: int,
        moment: float,
        number: int,
        direction: int = 0,
        seconds: float = np.nan,
        until: float = -np.inf,
    ) -> None:
        track_id = int(self._ways.tracks["id"][slot])
        self._queue(slot, until, Event(moment, what, shape, track_id, number, direction, seconds), now)

    def _queue(self, slot: int, until: float, event: Event, now: float) -> None:
        if self._confirmed[slot] and until <= now and slot not in self._held:
            self._is_told(event)
        else:
            self._held.setdefault(slot, []).append((until, event))

    def _is_told(self, event: Event) -> None:
        self._told.append(event)
        sums = self._sums.setdefault((event.shape, event.number), [0, 0, 0.0])
        sums[0] += event.direction > 0
        sums[1] += event.direction < 0
        if event.what == EXIT:
            sums[2] += event.seconds

    def _tell(self, now: float) -> list[Event]:
        for slot, held in list(self._held.items()):
            while held and self._confirmed[slot] and held[0][0] <= now:
                self._is_told(held.pop(0)[1])
            if not held:
                del self._held[slot]
        told, self._told = self._told, []
        return told
