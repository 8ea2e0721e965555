"""How far a stream's new tracks are to be believed at once: of those that began surely, how many were seen again.

A detector that shows the next frame what it showed surely in this one needs no second look before a track is reported;
one that flickers does. Every stream starts as one that flickers.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from tracker.structures import Mask
from tracker.system.state import Names, Stateful, fits

_SEEN, _BEGUN = 2.0, 3.0  # what is believed at first: two of three sure beginnings are seen again
_MEMORY = 100.0  # beginnings that are looked back on
_ENOUGH = 0.8  # share of them seen again from which on a sure one is believed at once


class Births(Stateful):
    """What became of the tracks that began surely.

    Attributes:
        waiting: did any begin surely in the frame before?
        seen: how many of them were seen in the next frame, of `begun`; what is long ago counts less.
    """

    saved: ClassVar[Names] = ("seen", "begun", "waiting")

    def __init__(self) -> None:
        self.seen, self.begun = _SEEN, _BEGUN
        self.waiting = False

    @property
    def believed(self) -> bool:
        """Is one sure detection enough?"""
        return self.seen > _ENOUGH * self.begun

    def learn(self, fresh: Mask, missed: Mask) -> None:
        """Of all tracks (N,) those that began surely a frame ago, and which are not seen in this one."""
        begun = int(np.count_nonzero(fresh))
        seen = begun - int(np.count_nonzero(fresh & missed))
        kept = min(1.0, _MEMORY / (self.begun + begun))
        self.seen, self.begun = kept * (self.seen + seen), kept * (self.begun + begun)

    def _check_state(self) -> None:
        fits(0 <= self.seen <= self.begun <= 2 * _MEMORY, "what is known of new tracks")
