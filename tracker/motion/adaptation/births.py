"""How far a stream's new tracks are to be believed: of those that began as sure, how many were seen again at once.

A detector that shows the next frame what it showed surely in this one needs no second look before a track is reported;
one that flickers needs more than that. A box that is wrong for a frame costs less than one that is right, and stays,
gains: so a sure one is reported at once as soon as more than a few are seen again, and every stream starts so. But a
track reported at once that is not seen again right away is waited for only where nearly all are.

What begins less surely is looked at by itself: some detectors are right about that, too, and some are not.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tracker.config import BankConfig
from tracker.structures import Floats, Ints, Mask
from tracker.system.state import Names, Stateful, fits

# What is believed at first: two of three sure ones are seen again, and half of the likely ones, less readily given up.
_SEEN, _BEGUN = np.array([2.0, 5.0]), np.array([3.0, 10.0])
_MEMORY = 100.0  # beginnings that are looked back on
_AT_ONCE = 0.65  # share of sure ones seen again from which on one is reported at once,
_BELIEVED = 0.8  # and from which on that is waited for when missed
_DOUBTED = 0.4  # share up to which it takes one detection more
_RIGHT = 0.65  # share of likely ones seen again from which on two detections are enough of them, too


class Births(Stateful):
    """What became of the tracks that began surely, and of those that began likely: at least halfway to that.

    Attributes:
        waiting: did any begin so in the frame before?
        seen: (2,) how many sure and how many likely ones were seen in the next frame, of `begun` (2,); what is long ago
            counts less.
    """

    saved: ClassVar[Names] = ("seen", "begun", "waiting")
    rebuilt: ClassVar[Names] = ("_config", "_likely")

    def __init__(self, config: BankConfig) -> None:
        self.seen, self.begun = _SEEN.copy(), _BEGUN.copy()
        self.waiting = False
        self._config = config
        self._likely = (config.birth_score + config.confirm_score) / 2  # from such a score on

    @property
    def believed(self) -> bool:
        """Is nearly all that begins surely there to stay?"""
        return bool(self.seen[0] > _BELIEVED * self.begun[0])

    def enough(self, hits: Ints, best: Floats, age_s: Floats, known: bool) -> Mask:
        """(N,) which new tracks were seen often enough, and once surely enough, to be confirmed.

        How sure that is falls with age: what is seen frame after frame needs less and less.

        Args:
            hits: (N,) detections. best: (N,) calibrated score of the surest. age_s: (N,) seconds since the first.
            known: whether embeddings are taken: who may be known by appearance is looked at first.
        """
        config, (sure, likely) = self._config, (self.seen / self.begun).tolist()
        score = self._likely if sure > _BELIEVED and likely > _RIGHT and not known else config.confirm_score
        often = hits >= config.confirm_hits + (sure < _DOUBTED and config.confirm_hits > 1)
        enough: Mask = often & (best >= np.interp(age_s, [0, config.confirm_s], [score, config.birth_score]))
        if sure > _AT_ONCE and not known:
            enough |= (hits >= config.confirm_hits - 1) & (best >= config.confirm_score)
        return enough

    def begin(self, confidence: Floats) -> None:
        """Calibrated scores (N,) of the tracks that begin in this frame."""
        self.waiting = bool((confidence >= self._likely).any())

    def learn(self, best: Floats, seen: Mask) -> None:
        """Of the tracks that began a frame ago (N,): calibrated scores, and which are seen in this one."""
        enough = best >= self._likely
        level = (best < self._config.confirm_score).astype(np.int64)[enough]
        begun, again = np.bincount(level, minlength=2), np.bincount(level, seen[enough], minlength=2)
        kept = np.minimum(1.0, _MEMORY / (self.begun + begun))
        self.seen, self.begun = kept * (self.seen + again), kept * (self.begun + begun)

    def _check_state(self) -> None:
        known = (self.seen >= 0) & (self.seen <= self.begun) & (self.begun <= 2 * _MEMORY)
        fits(bool(known.all()), "what is known of new tracks")
