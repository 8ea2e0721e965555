"""How long a lost track is waited for: longer, the longer it was followed, while it is in the picture.

What was followed for seconds is an object, and comes out again from behind another; a false alarm that was confirmed is
gone for good soon. And who walks out of the picture is not waited for any longer: who comes in there is somebody else.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy
from tracker.structures import Floats, Mask
from tracker.system.state import Names, Stateful, fits

_SHARE = 0.5  # of the time that it was followed a track is waited for,
_LONGEST = 2.0  # but at most so many times as long as at first


class Patience(Stateful):
    """What it takes to wait: where the picture ends, as far as that was seen.

    Attributes:
        view: (4,) float32 left, top, right and bottom in pixels of all boxes looked at; empty before the first.
    """

    saved: ClassVar[Names] = ("view",)

    def __init__(self) -> None:
        self.view: Floats = np.array([np.inf, np.inf, -np.inf, -np.inf], np.float32)

    def learn(self, xyxy: Floats) -> None:
        """Boxes (M, 4) of a frame, in pixels."""
        np.minimum(self.view[:2], xyxy[:, :2].min(axis=0, initial=np.inf), out=self.view[:2])
        np.maximum(self.view[2:], xyxy[:, 2:].max(axis=0, initial=-np.inf), out=self.view[2:])

    def times(self, expected: Floats, followed_s: NDArray[np.float64], least_s: float) -> NDArray[np.float64]:
        """(N,) how many times as long as at first each lost track is waited for.

        Args:
            expected: (N, 4) cxcywh in pixels. followed_s: (N,) seconds from its first to its last detection.
            least_s: so long each is waited for.
        """
        inside = self.inside(cxcywh_to_xyxy(expected))
        return np.where(inside, np.clip(_SHARE * followed_s / max(least_s, 1e-9), 1, _LONGEST), 1)

    def inside(self, xyxy: Floats) -> Mask:
        """(N,) which boxes (N, 4) touch no edge of the picture: who is expected there has not walked out of it."""
        return np.asarray(((xyxy[:, :2] > self.view[:2]) & (xyxy[:, 2:] < self.view[2:])).all(axis=1))

    def _check_state(self) -> None:
        fits(not np.isnan(self.view).any(), "the edges of the picture")
