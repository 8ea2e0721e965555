"""Doubles: a detector puts two boxes on one object for a while, and it is two tracks.

Two people who walk abreast may overlap as much, but hardly from the moment in which the second is seen first to that in
which either is seen last, and within a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from tracker.boxes import paired_iou
from tracker.config import OfflineConfig
from tracker.smoothing.direction import Ends
from tracker.smoothing.track_table import TrackTable
from tracker.structures import Ints

_ALWAYS = 0.8  # of a track's rows beside another: so many overlap, where the two are one object


def merged(table: TrackTable, settings: OfflineConfig) -> TrackTable:
    """The table without doubles.

    A track that begins as a second box of another and ends before it is left out. If it stays when the other ends, it
    is the same object: it goes on under the other's id, and of the time that both were there its own rows are kept.

    Args:
        table: seen rows, ordered by id and frame.
        settings: `double_overlap` and `double_s`.

    Returns:
        Rows ordered by id and frame; ids are among those that came in.
    """
    ends = Ends.of(table)
    first, last = table.frames[ends.first], table.frames[ends.last]
    younger, elder, count = _beside(table, ends, settings.double_overlap)
    begin, end = first[younger], np.minimum(last[younger], last[elder])
    place = ends.track * len(table.times_s) + table.frames
    rows = place.searchsorted(younger * len(table.times_s) + end, "right") - ends.first[younger]
    one = (count >= _ALWAYS * rows) & (table.times_s[end] - table.times_s[begin] < settings.double_s)
    double = np.flatnonzero(one)
    double = double[np.argsort(-count[double], kind="stable")]
    double = double[np.unique(younger[double], return_index=True)[1]]  # of one elder each, that most beside it
    stays = last[younger[double]] > last[elder[double]]
    second, heir = double[~stays], double[stays]
    heir = heir[np.argsort(-count[heir], kind="stable")]
    heir = heir[np.unique(elder[heir], return_index=True)[1]]
    until = np.full(len(first), len(table.times_s))  # the frame from which on a track's rows are left out
    until[elder[heir]] = first[younger[heir]]
    until[younger[second]] = 0
    part_of = np.arange(len(first))
    part_of[younger[heir]] = elder[heir]
    while (part_of != part_of[part_of]).any():
        part_of = part_of[part_of]
    ids = table.ids[ends.first[part_of]][ends.track]
    return replace(table, ids=ids)[table.frames < until[ends.track]].ordered


def _beside(table: TrackTable, ends: Ends, overlap: float) -> tuple[Ints, Ints, Ints]:
    """Pairs of tracks of one class whose boxes overlap by more than this in some frame.

    Returns:
        (P,) the younger, (P,) the elder, which began no later, (P,) the number of frames.
    """
    tracks = len(ends.first)
    begin = table.frames[ends.first]
    keys = [np.zeros(0, np.int64)]
    for row, other in _in_one_frame(table):
        over = table.classes[row] == table.classes[other]
        row, other = row[over], other[over]
        over = paired_iou(table.xyxy[row], table.xyxy[other]) > overlap
        one, two = ends.track[row[over]], ends.track[other[over]]
        later = (begin[one] > begin[two]) | ((begin[one] == begin[two]) & (one > two))
        keys.append(np.where(later, one, two) * tracks + np.where(later, two, one))
    pairs, count = np.unique(np.concatenate(keys), return_counts=True)
    return pairs // max(tracks, 1), pairs % max(tracks, 1), count


def _in_one_frame(table: TrackTable) -> Iterator[tuple[Ints, Ints]]:
    """All pairs of rows (P,), (P,) of one frame."""
    order = np.argsort(table.frames, kind="stable")
    frames = table.frames[order]
    for step in range(1, len(order)):
        same = np.flatnonzero(frames[step:] == frames[:-step])
        if not len(same):
            break
        yield order[same], order[same + step]
