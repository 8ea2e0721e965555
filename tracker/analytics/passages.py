"""On which side of every border each track is, and when it went over.

A track is on a side once its anchor is clearly there: further from the border than a share of the object's own size, so
that the jitter of a box is no passage (hysteresis). It has passed when it was clearly on one side and then is on the
other, at the moment in which its way crossed the border last; of a line only a way through the line itself counts, none
around its ends. Over a line it is only when it is surely so, further off: a box that takes in its neighbour now and
then would count forth and back as long as its object stands there. Where a track begins and ends, clearly will do. A
way is straight from one sighting to the next, however many frames lie between: a passage while the object was not seen,
or not looked for, is told once, at the moment in between. A way that is walked back passes the same borders the other
way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.analytics.borders import Borders, Reals, Sides
from tracker.structures import Ints, Mask
from tracker.system.snapshots.resumable import Resumable

CLEARLY = 0.1  # of an object's size (the root of its box's area): further from a border it is on a side of it
SURELY = 0.3  # likewise: further from a line it has gone over

_TRACK = np.dtype(
    [
        ("id", "i8"),
        ("steps", "i4"),  # sightings
        ("xy", "f8", (2,)),
        ("seen_s", "f8"),
        ("first_xy", "f8", (2,)),
        ("first_s", "f8"),
        ("size", "f8"),  # pixels
    ],
    align=True,
)
_PAIR = np.dtype(
    [
        ("step", "i4"),  # of the track, at which this was worked out last; its way was not near the border after that
        ("at", "i1"),  # the side the anchor is on, ...
        ("side", "i1"),  # ... and the one that counts as its own; 0: none yet
        ("net", "i1"),  # crossings since, towards 1 less those towards -1
        ("since", "f8"),  # moment of the last crossing, or of the first sighting
        ("first_side", "i1"),  # where it was clearly first, ...
        ("first_net", "i1"),  # ... crossings before, ...
        ("first_since", "f8"),  # ... and the last one's moment
        ("last_side", "i1"),  # where it was clearly last, ...
        ("last_net", "i1"),  # ... crossings since it went off its side, ...
        ("last_since", "f8"),  # ... and the last one's moment
    ],
    align=True,
)
_LAST = ("last_side", "last_net", "last_since")


@dataclass(frozen=True, eq=False)
class Passages:
    """What became certain in a frame; letter: C passages.

    Attributes:
        slots: (C,) of the tracks. shapes: (C,) the borders.
        sides: (C,) 1: to the left of a line, into a zone; -1: back, out.
        moments: (C,) seconds.
        appeared: (C,) it was on no other side before: an object that was seen inside of a zone first.
    """

    slots: Ints
    shapes: Ints
    sides: Sides
    moments: Reals
    appeared: Mask

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """Its arrays, in order."""
        return self.slots, self.shapes, self.sides, self.moments, self.appeared

    def __iter__(self) -> Iterator[tuple[int, int, int, float, bool]]:
        return zip(*(column.tolist() for column in self.columns), strict=True)

    def __len__(self) -> int:
        return len(self.slots)


class Ways(Resumable):
    """Where K tracks are relative to the borders of S shapes; arrays of slots that double when they are full.

    Attributes:
        tracks: (K,) of `_TRACK`. used: (K,) which slots hold a track.
    """

    saved = ("tracks", "_pairs", "used")
    rebuilt = ("_borders", "_known")

    def __init__(self, borders: Borders) -> None:
        self._borders = borders
        self.tracks: Any = np.zeros(16, _TRACK)
        self._pairs: Any = np.zeros((16, len(borders.closed)), _PAIR)
        self.used = np.zeros(16, bool)
        self._known: tuple[Ints, Ints] = (np.zeros(0, np.int64), np.zeros(0, np.int64))  # ids in order, their slots

    def slots_of(self, ids: Ints) -> Ints:
        """(N,) slot of each id (N,); -1 where there is none."""
        known, slots = self._known
        if not len(known):
            return np.full(len(ids), -1)
        place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        return np.where(known[place] == ids, slots[place], -1)

    def outside(self, slot: int) -> Mask:
        """(S,) which zones a track is clearly outside of."""
        return np.asarray(self._pairs["side"][slot] < 0)

    def first_inside(self, slot: int) -> Mask:
        """(S,) in which zones a track was seen at first."""
        return np.asarray((self._pairs["first_side"][slot] > 0) & self._borders.closed)

    def leaving_s(self, slot: int, shape: int) -> float:
        """When a track that is not seen any more left a zone: as it crossed the border, or was seen last."""
        pair, track = self._pairs[slot, shape], self.tracks[slot]
        return float(pair["since"] if pair["at"] < 0 else track["seen_s"])

    def see(self, ids: Ints, at: Reals, sizes: Reals, time_s: float) -> tuple[Ints, Passages]:
        """The tracks that are seen in a frame.

        Args:
            at: (N, 2) anchors in pixels. sizes: (N,) of the objects in pixels.

        Returns:
            (N,) their slots, and what they have passed.
        """
        slots = self.slots_of(ids)
        begun = slots < 0
        found = []
        if begun.any():
            slots[begun] = self._free(int(begun.sum()))
            self._known_again(slots[begun], ids[begun])
            found.append(self._begin(slots[begun], at[begun], sizes[begun], time_s))
        rows = np.flatnonzero(~begun)
        if len(rows):
            there = slots[rows]
            before = self.tracks.take(there)  # `take` and `put` of records are many times faster than an index
            step = np.hypot(*(at[rows] - before["xy"]).T)
            size = np.maximum(sizes[rows], before["size"])
            row, shapes = self._borders.near(at[rows], SURELY * size + step, CLEARLY * size + step)
            if len(row):
                after = at[rows[row]], time_s, sizes[rows[row]]
                found.append(self._walk(there[row], shapes, *after))
            before["xy"], before["size"], before["seen_s"] = at[rows], sizes[rows], time_s
            before["steps"] += 1
            self.tracks.put(there, before)
        return slots, _together(found)

    def join(self, young: int, old: int) -> tuple[Passages, Passages]:
        """Slot `young` turned out to be the track of slot `old`, seen again; it goes on there.

        Returns:
            What it has passed between its last sighting as `old` and the first as `young`; and what it was not clearly
            over before it had gone on as `young`.
        """
        mine, theirs = self.tracks[young].copy(), self.tracks[old].copy()
        pairs, later = self._pairs, self._pairs[young].copy()
        between, after = _together([]), _together([])
        if mine["first_s"] > theirs["seen_s"]:
            shapes = np.arange(len(later))
            olds, way = np.full(len(later), old), np.tile(mine["first_xy"], (len(later), 1))
            between = self._walk(olds, shapes, way, float(mine["first_s"]), np.full(len(later), mine["size"]))
            now, closed, settled = pairs[old].copy(), self._borders.closed, later["side"] != 0
            own = {name: np.where(settled, later[f"first_{name}"], later[name]) for name in ("side", "net", "since")}
            net = now["net"] + own["net"]
            since = np.where(own["net"] != 0, own["since"], now["since"])
            passed = settled & (now["side"] != 0) & (own["side"] != now["side"]) & (closed | (net == own["side"]))
            told = np.flatnonzero(passed)
            after = Passages(olds[told], shapes[told], own["side"][told], since[told], np.zeros(len(told), bool))
            first = settled & (now["side"] == 0)
            for name, value in (("side", own["side"]), ("net", net), ("since", since)):
                pairs[f"first_{name}"][old] = np.where(first, value, now[f"first_{name}"])
            pairs["side"][old] = np.where(settled, later["side"], now["side"])
            pairs["net"][old] = np.where(settled, later["net"], net)
            pairs["since"][old] = np.where(settled, later["since"], since)
            for name in _LAST:
                pairs[name][old] = np.where(settled, later[name], now[name])
        else:  # what went by its name meanwhile was another object
            for name in ("side", "net", "since", *_LAST):
                pairs[name][old] = later[name]
        pairs["at"][old], pairs["step"][old] = later["at"], later["step"]
        for name in ("steps", "xy", "seen_s", "size"):
            self.tracks[name][old] = mine[name]
        self.forget(np.array([young]))
        return between, after

    def end(self, slots: Ints) -> Passages:
        """What tracks (K,) have passed that will not be seen again and were not surely over, but clearly."""
        pairs = self._pairs[slots].reshape(-1)
        row, shapes = np.divmod(np.arange(len(pairs)), len(self._borders.closed))
        tracks, closed = self.tracks.take(slots[row]), self._borders.closed[shapes]
        stale, lines = _stale(pairs, tracks, closed)
        _settle_stale(pairs, stale, closed, self._borders.sides(tracks["xy"][lines], shapes[lines])[1])
        side = pairs["last_side"]
        told = np.flatnonzero((side != pairs["side"]) & (pairs["side"] != 0) & (pairs["last_net"] == side))
        since = pairs["last_since"][told]
        return Passages(slots[row[told]], shapes[told], side[told], since, np.zeros(len(told), bool))

    def name(self, slot: int, track_id: int) -> None:
        """A track goes by another id from now on."""
        self.tracks["id"][slot] = track_id
        self._known_again()

    def forget(self, slots: Ints) -> None:
        """These tracks are over."""
        self.used[slots] = False
        self._known_again()

    def _free(self, wanted: int) -> Ints:
        while len(self.used) - int(self.used.sum()) < wanted:
            for name in ("tracks", "_pairs", "used"):
                old = getattr(self, name)
                setattr(self, name, np.concatenate([old, np.zeros_like(old)]))
        return np.flatnonzero(~self.used)[:wanted]

    def _taken_over(self) -> None:
        self._known_again()

    def _known_again(self, slots: Ints | None = None, ids: Ints | None = None) -> None:
        """Look up the ids anew, where some have come into slots."""
        if slots is not None:
            self.used[slots], self.tracks["id"][slots] = True, ids
        held = np.flatnonzero(self.used)
        order = np.argsort(self.tracks["id"][held], kind="stable")
        self._known = self.tracks["id"][held][order], held[order]

    def _begin(self, slots: Ints, at: Reals, sizes: Reals, time_s: float) -> Passages:
        """First sightings."""
        tracks = np.zeros(len(slots), _TRACK)
        tracks["id"], tracks["steps"], tracks["size"] = self.tracks["id"][slots], 1, sizes
        tracks["xy"] = tracks["first_xy"] = at
        tracks["seen_s"] = tracks["first_s"] = time_s
        self.tracks[slots] = tracks
        count = len(self._borders.closed)
        row, shapes = np.divmod(np.arange(len(slots) * count), count)
        distance, side = self._borders.sides(at[row], shapes)
        pairs = np.zeros(len(row), _PAIR)
        pairs["step"], pairs["at"], pairs["since"] = 1, side, time_s
        passed, appeared = _settled(pairs, distance / sizes[row], self._borders.closed[shapes])
        self._pairs[slots] = pairs.reshape(len(slots), count)
        told = np.flatnonzero(passed | appeared)
        return Passages(slots[row[told]], shapes[told], side[told], pairs["since"][told], appeared[told])

    def _walk(self, slots: Ints, shapes: Ints, end: Reals, time_s: float, sizes: Reals) -> Passages:
        """One step of each pair (P,), to (P, 2), where it is at `time_s`."""
        place = slots * self._pairs.shape[1] + shapes
        tracks, pairs = self.tracks.take(slots), self._pairs.take(place)
        closed = self._borders.closed[shapes]
        start, begun_s = tracks["xy"], tracks["seen_s"]
        step = end - start
        stale, lines = _stale(pairs, tracks, closed)
        both = np.concatenate([end, start[lines]]), np.concatenate([shapes, shapes[lines]])  # in one call: it is faster
        distance, side = self._borders.sides(*both)
        _settle_stale(pairs, stale, closed, side[len(end) :])
        distance, side = distance[: len(end)], side[: len(end)]
        may = np.flatnonzero(distance <= np.hypot(*step.T) + 1e-6)
        row, share, direction = self._borders.crossed(start[may], end[may], shapes[may])
        row = may[row]
        count = np.bincount(row, minlength=len(slots))
        number = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)[: len(row)]
        shares = np.ones((len(slots), int(count.max(initial=0)) + 1))  # of the step, before each crossing, then its end
        towards = np.zeros(shares.shape, np.int8)
        shares[row, number], towards[row, number] = share, direction
        found = []
        for turn in range(max(1, shares.shape[1] - 1)):  # mostly one: a step crosses a border once at most
            on = np.flatnonzero((count > turn) | (turn == 0))
            last = count[on] <= turn + 1
            part, shape = pairs.take(on), shapes[on]
            there, away = side[on], distance[on]
            if not last.all():  # between two crossings, the middle stands for the way
                between = on[~last]
                middle = (shares[between, turn] + shares[between, turn + 1]) / 2
                away[~last], there[~last] = self._borders.sides(
                    start[between] + middle[:, None] * step[between], shape[~last]
                )
            moment = begun_s[on] + shares[on, turn] * (time_s - begun_s[on])
            part["net"] += towards[on, turn]
            over = np.where(closed[on], there != part["at"], (towards[on, turn] != 0) & (part["net"] != 0))
            part["since"] = np.where(over, moment, part["since"])
            part["at"] = there
            since = part["since"].copy()
            passed, appeared = _settled(part, away / sizes[on], closed[on])
            pairs.put(on, part)
            told = np.flatnonzero(passed | appeared)
            found.append(Passages(slots[on[told]], shape[told], there[told], since[told], appeared[told]))
        pairs["step"] = tracks["steps"] + 1
        self._pairs.put(place, pairs)
        return _together(found)


def _stale(pairs: Any, tracks: Any, closed: Mask) -> tuple[Ints, Ints]:
    """Which of pairs (P,) were far from the border lately, and which of these are of a line."""
    stale = np.flatnonzero(pairs["step"] != tracks["steps"])
    return stale, stale[~closed[stale]]


def _settle_stale(pairs: Any, stale: Ints, closed: Mask, sides: Sides) -> None:
    """Those were clearly on the side where they were: of a line on these `sides`, whose end they may have gone around;
    in place."""
    if not len(stale):
        return
    part, zones = pairs.take(stale), closed[stale]
    part["at"][~zones] = sides
    _settled(part, np.full(len(part), np.inf), zones)
    pairs.put(stale, part)


def _settled(pairs: Any, sizes_away: Reals, closed: Mask) -> tuple[Mask, Mask]:
    """Note for pairs (P,) of `_PAIR` which of them have come to the side they are on, in place.

    Args:
        sizes_away: (P,) how far from the border they are, in sizes of the object.

    Returns:
        (P,) which of them have passed the border, and (P,) which appeared inside of a zone.
    """
    clearly = sizes_away > CLEARLY
    first = clearly & (pairs["side"] == 0)
    moved = pairs["at"] != pairs["side"]
    settled = clearly & (first | ~moved | closed | (sizes_away > SURELY))
    # a way around the end of a line, or over it and around it back, is no passage
    passed = settled & ~first & moved & (closed | (pairs["net"] == pairs["at"]))
    for name in ("side", "net", "since") if first.any() else ():
        pairs[f"first_{name}"] = np.where(first, pairs["at" if name == "side" else name], pairs[f"first_{name}"])
    pairs["side"] = np.where(settled, pairs["at"], pairs["side"])
    pairs["net"] = np.where(settled, 0, pairs["net"])
    for name, now in zip(_LAST, ("at", "net", "since"), strict=True):
        pairs[name] = np.where(clearly, pairs[now], pairs[name])
    return passed, first & closed & (pairs["at"] > 0)


def _together(found: list[Passages]) -> Passages:
    if len(found) == 1:
        return found[0]
    none = np.zeros(0, np.int64)
    parts = [part.columns for part in found] or [(none, none, none.astype(np.int8), np.zeros(0), np.zeros(0, bool))]
    slots, shapes, sides, moments, appeared = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return Passages(slots, shapes, sides, moments, appeared)
