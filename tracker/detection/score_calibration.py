"""What a detection score means in this stream: detectors differ in how sure they say they are.

A detector's scores come in two heaps, false alarms low and objects high, and the sparsest place between them is where
a detection is as likely true as false. Where that place is differs from detector to detector and from scene to scene
(0.4 here, 0.65 there), so no constant fits: it is found in the stream itself, from a histogram of its scores, and
scores are stretched so that it comes to lie at 0.5 and the objects' heap at 0.9. What is long ago counts less and less,
as a camera sees the day and the night.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracker.config import DetectorConfig
from tracker.structures import Floats
from tracker.system.state import Stateful

_BINS = 50
_LEAST = DetectorConfig.conf  # how many scores there are below depends on what was asked of the detector alone
_KERNEL = np.exp(-0.5 * (np.arange(-6, 7) / 2.0) ** 2)  # smoothing with a standard deviation of two bins
_CENTRES = (np.arange(_BINS) + 0.5) / _BINS
_RISE = 1.1  # walking down from the objects' heap, the density has turned when it rises by this factor
_FOOT = 2.5  # standard deviations, in log-odds, from the peak of a heap to its lower end
_SHOULDER = 0.15  # a heap with more than this share of all scores below its lower end has false alarms there
_PRIOR = (0.5, 0.85)  # valley and peak assumed before anything was seen ...
_PRIOR_WEIGHT = 300.0  # ... which counts as much as this many detections
_MEMORY = 100_000  # detections that are looked back on: minutes of a crowd, hours of a quiet street
_STRETCHED = np.array([0.0, 0.5, 0.9, 1.0])  # where 0, the valley, the peak and 1 come to lie
_BOUNDS = (0.3, 0.85)  # a valley outside of these is not accepted


class ScoreScale(Stateful):
    """Stretches the scores of one stream; learns from every frame it sees."""

    saved = ("_histogram", "_seen", "_next_fit", "_knots")

    def __init__(self) -> None:
        self._histogram = np.zeros(_BINS)
        self._seen = 0
        self._next_fit = 0
        self._knots = np.array([0.0, *_PRIOR, 1.0])

    def __call__(self, scores: Floats) -> Floats:
        """(N,) raw scores of the next frame -> (N,) stretched ones, monotonously: 0.5 is as likely true as false."""
        counted = scores[scores >= _LEAST]
        self._histogram += np.bincount(np.minimum(counted * _BINS, _BINS - 1).astype(int), minlength=_BINS)
        self._seen += len(counted)
        if self._seen >= self._next_fit:  # ever more rarely: the estimate settles
            if self._seen > _MEMORY:
                self._histogram *= _MEMORY / self._seen
                self._seen = _MEMORY
            self._fit()
            self._next_fit = int(1.05 * self._seen) + 20
        stretched: Floats = np.interp(scores, self._knots, _STRETCHED).astype(np.float32)
        return stretched

    def _fit(self) -> None:
        density = np.convolve(self._histogram, _KERNEL, "same")
        peak = int((density * _CENTRES).argmax())
        low = float(np.clip(self._border(density, peak), *_BOUNDS))
        share = self._seen / (self._seen + _PRIOR_WEIGHT)
        valley = share * low + (1 - share) * _PRIOR[0]
        self._knots[1:3] = valley, max(share * float(_CENTRES[peak]) + (1 - share) * _PRIOR[1], valley + 0.05)

    def _border(self, density: NDArray[np.float64], peak: int) -> float:
        """Where false alarms end and objects begin."""
        valley = peak
        for i in range(peak, -1, -1):
            if density[i] <= density[valley]:
                valley = i
            elif density[i] > _RISE * density[valley]:
                return float(_CENTRES[valley])
        # No valley: the false alarms are a shoulder of the objects' heap, or there are none. The heap's upper side,
        # which is objects alone, says where its lower side must end.
        log_odds = np.log(_CENTRES / (1 - _CENTRES))
        above = np.cumsum(self._histogram[peak:])
        middle = int(np.searchsorted(above, above[-1] / 2))
        deviation = max((log_odds[peak + middle] - log_odds[peak]) / 0.6745, 0.1)
        foot = 1 / (1 + np.exp(-(log_odds[peak] - _FOOT * deviation)))
        below = self._histogram[foot > _CENTRES].sum()
        return float(foot) if below > _SHOULDER * self._histogram.sum() else float(_CENTRES[valley])
