"""Where labels go, so that in a crowd none lies on another.

A label stands above its box, and where that place is taken, below it or inside. All are placed by their short text
first; then each has its full text where that fits without hiding another. It stays as it was in the last frame as long
as there is room, and goes back above its box, or to its full text, only where there is some to spare: so it does not
jump about.
"""

from __future__ import annotations

import numpy as np

from tracker.boxes import intersection
from tracker.structures import Ints, Mask
from tracker.system.snapshots.resumable import Resumable

_SPARE = 0.5  # of a label's height, that has to be free around a better place before a label goes back there


class LabelPlaces(Resumable):
    """Places labels, and chooses how much of each there is room for, frame after frame."""

    saved = ("_last",)

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, bool]] = {}  # id -> its label's place in the last frame, and whether in full

    def __call__(
        self, ids: Ints, boxes: Ints, full: Ints, short: Ints, frame: tuple[int, int], margin: int
    ) -> tuple[Mask, Ints]:
        """How the labels of N tracks are written, and where; the last track chooses first, as it is drawn on top.

        Args:
            ids: (N,). boxes: (N, 4) left, top, right, bottom in pixels.
            full, short: (N, 2) sizes of the labels in pixels with their full and with their short text.
            frame: width and height; every label lies in it as far as it fits.
            margin: pixels that a label keeps off the edge of its box.

        Returns:
            (N,) whether in full, and (N, 2) left and top. Where no place is free, it is the one in which the least of
            the short text is hidden.
        """
        places, roomier = (_places(boxes, sizes, frame, margin) for sizes in (short, full))
        chosen = np.zeros((len(ids), 4), np.int64)
        last = [self._last.get(track, (0, True)) for track in ids.tolist()]
        numbers = [number for number, _ in last]
        nearest_first = range(len(ids) - 1, -1, -1)
        for row in nearest_first:
            nearer = chosen[row + 1 :]
            if _hidden(places[row, [numbers[row]]], nearer)[0]:
                numbers[row] = int(_hidden(places[row], nearer).argmin())
            chosen[row] = places[row, numbers[row]]
        spare = (_SPARE * full[:, 1]).astype(np.int64)[:, None] * np.array([-1, -1, 1, 1])
        whole = np.zeros(len(ids), bool)
        for row in nearest_first:
            place, number = chosen[row].copy(), numbers[row]
            chosen[row] = 0  # of itself nothing is hidden
            was_full = last[row][1]
            if was_full and not _hidden(roomier[row, [number]], chosen)[0]:
                if number and not _hidden(roomier[row, [0]] + spare[row], chosen)[0]:
                    number = 0
                whole[row] = True
            else:
                roomy = _hidden(roomier[row] + (0 if was_full else spare[row]), chosen) == 0
                if roomy.any():
                    whole[row], number = True, int(roomy.argmax())
            chosen[row] = roomier[row, number] if whole[row] else place
            numbers[row] = number
        self._last = dict(zip(ids.tolist(), zip(numbers, whole.tolist(), strict=True), strict=True))
        return whole, chosen[:, :2]


def _hidden(places: Ints, taken: Ints) -> Ints:
    """(K,) pixels of K places (K, 4) that lie on P others (P, 4)."""
    hidden: Ints = intersection(places, taken).sum(axis=1)
    return hidden


def _places(boxes: Ints, sizes: Ints, frame: tuple[int, int], margin: int) -> Ints:
    """(N, 8, 4) where each label can be: above its box, below it, and inside at its upper and its lower edge, each from
    the left and from the right.
    """
    left, top, right, bottom = boxes.T
    width, height = sizes.T
    above, below, from_left, from_right = top - margin - height, bottom + margin, left - margin, right + margin - width
    highest, lowest, leftmost, rightmost = top + margin, bottom - margin - height, left + margin, right - margin - width
    x = np.stack([from_left, from_right, from_left, from_right, leftmost, rightmost, leftmost, rightmost], axis=1)
    y = np.stack([above, above, below, below, highest, highest, lowest, lowest], axis=1)
    room = np.maximum(np.array(frame) - sizes, 0)
    starts = np.clip(np.stack([x, y], axis=2), 0, room[:, None])
    places: Ints = np.concatenate([starts, starts + sizes[:, None]], axis=2)
    return places
