"""Where two passes over one video disagree on who is who."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tracker.boxes import iou
from tracker.datasets.annotations import Annotations
from tracker.jobs.corrections.edits import Edit, Merge, Split, Swap
from tracker.structures import Ints

SAME = 0.5  # overlap of two boxes of one object
LASTS = 3  # frames for which a pass has to say the same, before and after
_NONE = 0  # no id


@dataclass(frozen=True)
class Disagreement:
    """A track that another pass takes for another object from a frame on, or two that it takes for one."""

    ids: tuple[int, ...]
    frame: int
    doubt: float
    words: str
    edits: tuple[Edit, ...]


def differences(rows: Annotations, other: Annotations) -> Iterator[Disagreement]:
    """What the other pass says of the tracks of this one, where it is not the same."""
    rows = rows.by_frame
    theirs = matched(rows, other.by_frame)
    changes = list(_changes(rows.ids, rows.frames, theirs))
    new = int(rows.ids.max(initial=0)) + 1
    done: set[tuple[int, int]] = set()
    for track, frame, before, after in changes:
        partner = next(
            (t for t, f, b, a in changes if t != track and (b, a) == (after, before) and abs(f - frame) <= 4 * LASTS),
            None,
        )
        if partner is None:
            words = f"the other pass takes track {track} for another object from frame {frame} on"
            yield Disagreement((track,), frame, 0.6, words, (Split(track, frame, new),))
        elif (partner, track) not in done:
            done.add((track, partner))
            words = f"the other pass has tracks {track} and {partner} the other way round from frame {frame} on"
            yield Disagreement((track, partner), frame, 0.9, words, (Swap((track, partner), frame),))
    known = theirs != _NONE
    for _, frame, before, after in _changes(theirs[known], rows.frames[known], rows.ids[known]):
        if rows.frames[rows.ids == before].max() < rows.frames[rows.ids == after].min():
            words = f"the other pass takes track {after} for track {before}"
            yield Disagreement((before, after), frame, 0.5, words, (Merge(after, before),))


def matched(rows: Annotations, other: Annotations) -> Ints:
    """(R,) the other pass' id of each row's object, 0 where it has none: the best of each other in their frame."""
    found = np.zeros(len(rows), np.int64)
    frames = np.intersect1d(rows.frames, other.frames)
    begin, end = (np.searchsorted(rows.frames, frames, side) for side in ("left", "right"))
    start, stop = (np.searchsorted(other.frames, frames, side) for side in ("left", "right"))
    for a, b, c, d in zip(begin.tolist(), end.tolist(), start.tolist(), stop.tolist(), strict=True):
        overlap = iou(rows.xyxy[a:b], other.xyxy[c:d])
        best = overlap.argmax(axis=1)
        mutual = (overlap.argmax(axis=0)[best] == np.arange(b - a)) & (overlap.max(axis=1) > SAME)
        found[a:b][mutual] = other.ids[c:d][best[mutual]]
    return found


def _changes(keys: Ints, frames: Ints, values: Ints) -> Iterator[tuple[int, int, int, int]]:
    """Key, frame, value before and after, where the value of a key changes to another, each lasting some frames."""
    known = values != _NONE
    keys, frames, values = keys[known], frames[known], values[known]
    order = np.lexsort((frames, keys))
    keys, frames, values = keys[order], frames[order], values[order]
    cut = np.append(True, (np.diff(keys) != 0) | (np.diff(values) != 0)) if len(keys) else np.zeros(0, bool)
    first = np.flatnonzero(cut)
    lasting = first[np.diff(np.append(first, len(keys))) >= LASTS]
    for before, after in zip(lasting[:-1].tolist(), lasting[1:].tolist(), strict=True):
        if keys[before] == keys[after] and values[before] != values[after]:
            yield int(keys[after]), int(frames[after]), int(values[before]), int(values[after])
