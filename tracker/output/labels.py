"""Where labels go, so that in a crowd none lies on another.

A label stands above its box, and where that place is taken, below it or inside. It stays where it was in the last frame
as long as that place is free, and goes back above its box only where there is some room to spare: so it does not jump
about.
"""

from __future__ import annotations

import numpy as np

from tracker.boxes import intersection
from tracker.structures import Ints

_SPARE = 0.5  # of a label's height, that has to be free around the first place before a label goes back there


class LabelPlaces:
    """Places labels, frame after frame."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}  # id -> the number of its label's place in the last frame

    def __call__(self, ids: Ints, boxes: Ints, sizes: Ints, frame: tuple[int, int], margin: int) -> Ints:
        """Where the labels of N tracks begin; the last track chooses first, as it is drawn on top.

        Args:
            ids: (N,). boxes: (N, 4) left, top, right, bottom in pixels. sizes: (N, 2) of the labels in pixels.
            frame: width and height; every label lies in it as far as it fits.
            margin: pixels that a label keeps off the edge of its box.

        Returns:
            (N, 2) left and top. Where no place is free, it is the one in which the least is hidden.
        """
        starts = _places(boxes, sizes, frame, margin)
        ends = starts + sizes[:, None]
        chosen = np.zeros((len(ids), 4), np.int64)
        last, self._last = self._last, {}
        for row in reversed(range(len(ids))):
            track = int(ids[row])
            hidden = _hidden(starts[row], ends[row], chosen[row + 1 :])
            place = last.get(track, 0)
            if hidden[place]:
                place = int(hidden.argmin())
            elif place:
                spare = int(_SPARE * sizes[row, 1])
                if not _hidden(starts[row, :1] - spare, ends[row, :1] + spare, chosen[row + 1 :]).any():
                    place = 0
            self._last[track] = place
            chosen[row, :2], chosen[row, 2:] = starts[row, place], ends[row, place]
        return chosen[:, :2]


def _hidden(starts: Ints, ends: Ints, taken: Ints) -> Ints:
    """(K,) pixels of K places (K, 2), (K, 2) that lie on P others (P, 4)."""
    hidden: Ints = intersection(np.concatenate([starts, ends], axis=1), taken).sum(axis=1)
    return hidden


def _places(boxes: Ints, sizes: Ints, frame: tuple[int, int], margin: int) -> Ints:
    """(N, 5, 2) left and top of each label above its box (from the left, from the right), below it, and inside."""
    left, top, right, bottom = boxes.T
    width, height = sizes.T
    above, below = top - margin - height, bottom + margin
    from_left, from_right = left - margin, right + margin - width
    x = np.stack([from_left, from_right, from_left, from_right, left + margin], axis=1)
    y = np.stack([above, above, below, below, top + margin], axis=1)
    room = np.maximum(np.array(frame) - sizes, 0)
    inside: Ints = np.clip(np.stack([x, y], axis=2), 0, room[:, None])
    return inside
