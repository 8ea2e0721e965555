"""Where a video is cut: behind it is another scene, or another view of this one, and no track goes on by its motion.

A track that is looked for there takes whoever stands in its place. Detections show the cut: tracks that keep to their
forecasts in every frame have all left them in one, while as many others are seen. How well forecasts usually hold
differs from stream to stream, so a cut is what is far below the usual; where they fail often (players at a low frame
rate, who pan with the camera), nothing can be told, and no cut is seen.

A camera that jerks or pans does the same to all tracks, but by one step, which is expected by then (`common_step.py`).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tracker.system.state import Names, Stateful, fits

_TRACKS, _DETECTIONS = 4, 3  # of so many at least it can be told
_MEAN, _DEVIATION, _WEIGHT = 0.75, 0.15, 30.0  # how forecasts hold before any were seen, worth so many looks
_MEMORY = 300.0  # looks that are looked back on
_DEVIATIONS, _STEADY = 3.0, 0.4  # what is usual ends so far below the mean; if not above this, nothing is
_SHARE = 0.3  # of the lowest usual overlap: what is below it is a cut
_LONG = 2.0  # times the usual time between looks: behind so long a step forecasts do not hold anyway


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

    def behind(self, overlap: float, tracks: int, detections: int, time_s: float) -> bool:
        """Is this look the first behind a cut? If not, it says how well forecasts hold.

        Args:
            overlap: of these tracks, seen a moment ago, with those of these likely objects that match; a sum of IoU.
            tracks, detections: how many. time_s: of the frame.
        """
        step_s, self._looked_s = time_s - self._looked_s, time_s
        usual_s = self._step_s or step_s
        if np.isfinite(step_s):
            self._step_s = usual_s + (min(step_s, _LONG * usual_s) - usual_s) / _WEIGHT
        if tracks < _TRACKS or detections < _DETECTIONS or step_s > _LONG * usual_s:
            return False
        holds = min(overlap / min(tracks, detections), 1.0)
        lowest = self.mean - _DEVIATIONS * max(self.square - self.mean**2, 0.0) ** 0.5
        if lowest > _STEADY and holds < _SHARE * lowest:
            return True
        self._weight = min(self._weight + 1, _MEMORY)
        self.mean += (holds - self.mean) / self._weight
        self.square += (holds**2 - self.square) / self._weight
        return False

    def _check_state(self) -> None:
        known = 0 <= self.mean <= 1 and 0 <= self.square <= 1 and self._weight >= _WEIGHT
        fits(known and 0 <= self._step_s < np.inf and self._looked_s < np.inf, "how well forecasts hold")
