"""Where a video is cut: behind it is another scene, or another view of this one, and no track goes on by its motion.

A track that is looked for there takes whoever stands in its place. Detections show the cut: tracks that keep to their
forecasts in every frame have all left them in one, while as many others are seen. How well forecasts usually hold
differs from stream to stream, so a cut is what is far below the usual; where they fail often (players at a low frame
rate, who pan with the camera), nothing can be told, and no cut is seen.

A camera that jerks or pans does the same to all tracks, but the detections are those of before, all moved alike.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tracker.boxes import xyxy_to_cxcywh
from tracker.structures import Floats
from tracker.system.state import Names, Stateful, fits

_TRACKS, _DETECTIONS = 4, 3  # of so many at least it can be told
_MEAN, _DEVIATION, _WEIGHT = 0.75, 0.15, 30.0  # how forecasts hold before any were seen, worth so many looks
_MEMORY = 300.0  # looks that are looked back on
_DEVIATIONS, _STEADY = 3.0, 0.4  # what is usual ends so far below the mean; if not above this, nothing is
_SHARE = 0.3  # of the lowest usual overlap: what is below it is a cut
_LONG = 2.0  # times the usual time between looks: behind so long a step forecasts do not hold anyway
_ALIKE, _NEAR = 0.4, 0.25  # log of sizes' ratio, and sizes, within which two boxes may be one, moved
_MOVED, _ALL = 0.5, 3  # share of boxes that moved alike, and least number: the camera did
_MOST, _GUIDES = 200, 8  # boxes that this is asked of, on either side, and those whose step the others may share


class SceneCuts(Stateful):
    """How well the forecasts of one stream hold from look to look, and where all fail at once.

    Attributes:
        mean, square: of the mean IoU of detections with the forecasts of their tracks, and of its square.
    """

    saved: ClassVar[Names] = ("mean", "square", "_weight", "_looked_s", "_step_s")

    def __init__(self) -> None:
        self.mean, self.square, self._weight = _MEAN, _MEAN**2 + _DEVIATION**2, _WEIGHT
        self._looked_s = -np.inf
        self._step_s = 0.0  # usually from look to look; 0: not known yet

    def behind(self, overlaps: Floats, expected: Floats, detected: Floats, time_s: float) -> bool:
        """Is this look the first behind a cut? If not, it says how well forecasts hold.

        Args:
            overlaps: (K,) IoU of those of these tracks and detections that match.
            expected: (N, 4) xyxy in pixels, of tracks seen a moment ago. detected: (M, 4) likewise, of likely objects.
            time_s: of the frame.
        """
        step_s, self._looked_s = time_s - self._looked_s, time_s
        usual_s = self._step_s or step_s
        if np.isfinite(step_s):
            self._step_s = usual_s + (min(step_s, _LONG * usual_s) - usual_s) / _WEIGHT
        if len(expected) < _TRACKS or len(detected) < _DETECTIONS or step_s > _LONG * usual_s:
            return False
        holds = min(float(overlaps.sum()) / min(len(expected), len(detected)), 1.0)
        lowest = self.mean - _DEVIATIONS * max(self.square - self.mean**2, 0.0) ** 0.5
        if lowest > _STEADY and holds < _SHARE * lowest:
            return not moved_alike(expected, detected)
        self._weight = min(self._weight + 1, _MEMORY)
        self.mean += (holds - self.mean) / self._weight
        self.square += (holds**2 - self.square) / self._weight
        return False

    def _check_state(self) -> None:
        known = 0 <= self.mean <= 1 and 0 <= self.square <= 1 and self._weight >= _WEIGHT
        fits(known and 0 <= self._step_s < np.inf and self._looked_s < np.inf, "how well forecasts hold")


def moved_alike(before: Floats, after: Floats) -> bool:
    """Whether half of these boxes, (N, 4) xyxy, are among those, (M, 4), all moved by one step."""
    start, end = xyxy_to_cxcywh(before[:_MOST, None]), xyxy_to_cxcywh(after[:_MOST])
    size = np.sqrt(start[..., 2:].prod(axis=2, keepdims=True))
    step = end[..., :2] - start[..., :2]  # (N, M, 2)
    step[np.abs(np.log(end[..., 2:] / start[..., 2:])).max(axis=2) > _ALIKE] = np.inf  # of those that cannot be one
    guides = np.linspace(0, len(step) - 1, min(len(step), _GUIDES)).astype(int)
    fewest = max(_MOVED * min(step.shape[:2]), _ALL)
    for guess in step[guides].reshape(-1, 2):
        if np.isfinite(guess[0]):
            near = (np.abs(step - guess) < _NEAR * size).all(axis=2)
            if min(np.count_nonzero(near.any(axis=1)), np.count_nonzero(near.any(axis=0))) >= fewest:
                return True
    return False
