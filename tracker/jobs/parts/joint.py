"""The joint of two neighbouring parts: which track of the later one is which of the earlier.

Both have tracked the frames around the cut, and the same objects have the same boxes there. What is open after that, an
object that was away for all of these frames, is joined by the linker of offline post-processing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.affine import Array
from tracker.association.assignment import assign
from tracker.boxes import iou
from tracker.config import Config
from tracker.jobs.parts.cutting import WARM_UP_S
from tracker.motion.load import load_predictor
from tracker.smoothing.linking import appearance_odds, first_parts, link_odds, pairs
from tracker.smoothing.track_table import TrackTable, filled
from tracker.structures import Ints

_SAME = 0.5  # mean overlap of two tracks of one object
_AT_S = 0.5  # from the cut: who is seen there is known by that alone
_NEAR_S = 1.0  # what is further away counts less
_KNOWN_S = 2.0  # of a new track that the linker sees


class IdNames:
    """What ids are called now; in the order of theirs, some ids have no name.

    Args:
        names: id -> its name.
    """

    def __init__(self, names: Mapping[int, int]) -> None:
        self.old = np.array(sorted(names), np.int64)
        self.new = np.array([names[key] for key in self.old.tolist()], np.int64)

    def known(self, ids: Ints) -> NDArray[np.bool_]:
        """(R,) which have one."""
        mask: NDArray[np.bool_] = np.isin(ids, self.old)
        return mask

    def of(self, ids: Ints) -> Ints:
        """Those of ids that have one, in the same shape."""
        named: Ints = self.new[np.searchsorted(self.old, ids)]
        return named


@dataclass(frozen=True, eq=False)
class Seen:
    """What a part has seen.

    Attributes:
        table: rows of its tracks, ordered by id and frame. numbers: (F,) number in the video of each frame in it.
    """

    table: TrackTable
    numbers: Ints

    @property
    def row_numbers(self) -> Ints:
        """(R,) number of each row's frame."""
        return self.numbers[self.table.frames]

    def within(self, first: int, last: int) -> Seen:
        """The rows of these frames alone."""
        numbers = self.row_numbers
        return replace(self, table=self.table[(numbers >= first) & (numbers <= last)])

    def named(self, names: IdNames) -> Seen:
        """The rows of ids that have a name, under that."""
        table = self.table[names.known(self.table.ids)]
        known = names.known(table.embedding_ids)
        table = replace(
            table,
            ids=names.of(table.ids),
            embedding_ids=names.of(table.embedding_ids[known]),
            embeddings=table.embeddings[known],
        )
        return replace(self, table=table.ordered)


def continued(before: Seen, after: Seen, cut: int, fill_s: float) -> dict[int, int]:
    """Ids of the later part -> the ids of the earlier one that they go on with, of a cut before frame `cut`.

    Who is seen at the cut is known by that alone: an id that went over to another object before is that one's by then.
    Whoever is away there is known by the frames before and after.
    """
    first, last = int(after.numbers[0]), int(before.numbers[-1])
    one, two = (
        replace(s, table=filled(s.table, fill_s)) for s in (before.within(first, last), after.within(first, last))
    )
    numbers = np.intersect1d(before.numbers, after.numbers)
    apart = np.abs(_times(after, numbers) - _times(after, np.array([cut])))
    found: dict[int, int] = {}
    for near in (apart <= _AT_S, apart < np.inf):
        found |= _alike(one, two, numbers[near], np.exp(-apart[near] / _NEAR_S))
        one = replace(one, table=one.table[~np.isin(one.table.ids, list(found.values()))])
        two = replace(two, table=two.table[~np.isin(two.table.ids, list(found))])
    return found


def _alike(one: Seen, two: Seen, numbers: Ints, weights: Array) -> dict[int, int]:
    """Ids of the second -> ids of the first, of tracks whose boxes are the same in these frames (K,)."""
    ids, later = np.unique(one.table.ids), np.unique(two.table.ids)
    total, both = np.zeros((2, len(ids), len(later)))
    for number, weight in zip(numbers.tolist(), weights.tolist(), strict=True):
        a, b = (s.table[s.row_numbers == number] for s in (one, two))
        place = np.ix_(np.searchsorted(ids, a.ids), np.searchsorted(later, b.ids))
        total[place] += weight * iou(a.xyxy, b.xyxy)
        both[place] += weight
    total[total <= _SAME * both] = 0.0
    rows, columns = assign(total.astype(np.float32), 0.0)
    return dict(zip(later[columns].tolist(), ids[rows].tolist(), strict=True))


def _times(seen: Seen, numbers: Ints) -> Array:
    at = np.minimum(np.searchsorted(seen.numbers, numbers), len(seen.numbers) - 1)
    return seen.table.times_s[at]


def returned(before: Seen, after: Seen, cut: int, gone: Ints, new: Ints, config: Config) -> dict[int, int]:
    """New ids of the later part -> the ids that had gone before the cut and are the same object.

    Args:
        before, after: their ids tell all objects apart by now.
        gone, new: ids, of which only these may be joined.
    """
    table = _around(before, after, cut, new, config.offline.link_s + _KNOWN_S)
    if not len(gone) or not len(new) or not len(table):
        return {}
    found = pairs(table, load_predictor(config.motion.model), config.offline.link_s)
    ids = np.unique(table.ids)
    odds = link_odds(found) + appearance_odds(table, found, config)
    odds[~(np.isin(ids[found.ended], gone) & np.isin(ids[found.began], new))] = -np.inf
    under = first_parts(table, found, odds, config.offline.link_odds)
    return {own: first for own, first in zip(ids.tolist(), under.tolist(), strict=True) if own != first}


def _around(before: Seen, after: Seen, cut: int, new: Ints, beyond_s: float) -> TrackTable:
    """One table of the frames around the cut: of each part its own ones, and of new ids also those before."""
    cut_s = float(_times(after, np.array([cut]))[0])
    old = np.flatnonzero((before.numbers < cut) & (before.table.times_s >= cut_s - WARM_UP_S))
    young = np.flatnonzero((after.numbers >= cut) & (after.table.times_s <= cut_s + beyond_s))
    numbers = np.concatenate([before.numbers[old], after.numbers[young]])
    mine = np.isin(before.row_numbers, before.numbers[old])
    theirs = np.isin(after.row_numbers, after.numbers[young])
    theirs |= np.isin(after.table.ids, new) & np.isin(after.row_numbers, before.numbers[old])
    own = replace(before.table[mine], frames=np.searchsorted(numbers, before.row_numbers[mine]))
    more = replace(after.table[theirs], frames=np.searchsorted(numbers, after.row_numbers[theirs]))

    def both(name: str) -> NDArray[Any]:
        one, two = getattr(before.table, name)[old], getattr(after.table, name)[young]
        joined: NDArray[Any] = np.concatenate([one, two])
        return joined

    fresh = ~np.isin(after.table.embedding_ids, before.table.embedding_ids)
    embeddings = [t for t in (before.table.embeddings, after.table.embeddings[fresh]) if len(t)]
    return replace(
        own.stacked(more),
        times_s=both("times_s"),
        camera=both("camera"),
        looked=both("looked"),
        cuts=both("cuts"),
        embedding_ids=np.concatenate([before.table.embedding_ids, after.table.embedding_ids[fresh]]),
        embeddings=np.concatenate(embeddings) if embeddings else before.table.embeddings,
    ).ordered
