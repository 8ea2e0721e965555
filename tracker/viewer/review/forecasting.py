"""Where an object will be, as the motion network says by what is known of it up to a frame.

Runs keep no forecasts. The network is run over the object's boxes, as they are reported and corrected; what only the
tracker knew, its detections as they came and how the camera moved, is not in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.datasets.annotations import Annotations
from tracker.motion.predictor import Observations, Predictor
from tracker.output.draw import corridor

_AHEAD_S = 1.0
_STEPS = 10
_AWAY_S = 2.0  # unseen, after which it may be anywhere
_ROWS = 90  # before the frame, from which on more change nothing
_SLOT = np.zeros(1, np.int64)


def forecast(
    rows: Annotations, track: int, frame: int, predictor: Predictor, repeated: NDArray[np.int64]
) -> dict[str, Any]:
    """Where an object is in the seconds after a frame.

    Args:
        rows: ordered by object and frame. predictor: with nothing seen yet.
        repeated: frames that show the picture before them once more, in which objects only seem to stand still.

    Returns:
        `seconds` (H,) ahead, `feet` (H, 2) places of the middle of the lower edge and `radii` (H, 2) of the ellipses
        that hold it with 90 %, in pixels; no element where the object was not detected shortly before.
    """
    known = rows[slice(*np.searchsorted(rows.ids, [track, track + 1]))]
    there = (known.xyxy[:, 2:] > known.xyxy[:, :2]).all(axis=1)  # a box of no size says nothing to the network
    known = known[(known.frames <= frame) & ~known.occluded & there]
    known = known[~np.isin(known.frames, repeated)][-_ROWS:]
    now_s = float(rows.times_s[frame - 1])
    if not len(known) or now_s - rows.times_s[known.frames[-1] - 1] > _AWAY_S:
        return {"seconds": [], "feet": [], "radii": []}
    times = rows.times_s[known.frames - 1].tolist()
    size = float(rows.size[0]), float(rows.size[1])
    boxes, scores = known.xyxy.astype(np.float32), known.scores.astype(np.float32)
    for number, time_s in enumerate(times):
        here = slice(number, number + 1)
        seen = Observations(boxes[here], scores[here], time_s, frame_size=size)
        predictor.update(_SLOT, seen, np.array([number == 0]))
    seconds = (np.arange(1, _STEPS + 1) * (_AHEAD_S / _STEPS)).astype(np.float32)
    feet, radii = corridor(*predictor.snapshot(_SLOT, now_s)(seconds))
    return {
        "seconds": seconds.round(3).tolist(),
        "feet": feet[0].round(2).tolist(),
        "radii": radii[0].astype(float).round(2).tolist(),
    }
