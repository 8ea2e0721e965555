"""What every motion model offers the tracker: the state of all tracks in fixed slots, one batched step a frame.

A slot is a row of the model's state arrays. The track bank hands slots out, the model only stores and computes:
`update` steps a slot or writes it anew, and a slot that is not asked about costs nothing (elapsed time is an input, so
an occluded object needs no steps). Arrays grow by doubling to the largest number of tracks alive at once, and stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy
from tracker.structures import Floats, Forecaster, Ints, Mask


@dataclass(frozen=True, eq=False)
class Observations:
    """What was seen of N tracks in one frame.

    Attributes:
        xyxy: (N, 4) float32 boxes in pixels.
        scores: (N,) float32 detection scores.
        time_s: time of the frame in seconds; later than that of every slot's last observation.
        features: (N, D) float32 unit appearance vectors, a row of NaN where there is none; None: none for all. Those
            of another width than the motion model was trained with are none to it.
        frame_size: width and height of the frame in pixels, None where unknown.
        turned: (N,) True where a detection far from the prediction shows another velocity, not an error; None: nowhere.
    """

    xyxy: Floats
    scores: Floats
    time_s: float
    features: Floats | None = None
    frame_size: tuple[float, float] | None = None
    turned: Mask | None = None


@dataclass(frozen=True, eq=False)
class Prediction:
    """Where N tracks should be at one time.

    Attributes:
        cxcywh: (N, 4) float32 expected centre and size in pixels.
        std: (N, 4) float32 standard deviations of the same in pixels.
    """

    cxcywh: Floats
    std: Floats

    @property
    def xyxy(self) -> Floats:
        """(N, 4) float32 expected corners in pixels."""
        return cxcywh_to_xyxy(self.cxcywh)


class Predictor(Protocol):
    """The batched-state protocol. `slots` are (N,) int64 rows, each at most once in a call."""

    def fresh(self) -> Predictor:
        """One more of the same model, with nothing seen yet; what was loaded is shared."""

    def predict(self, slots: Ints, time_s: float) -> Prediction:
        """Where the tracks are at `time_s`, given all they were seen at before. Changes no state."""

    def forecast(self, slots: Ints, time_s: float) -> Prediction:
        """The same, with the spread that errors of this stream have shown: what is reported, not what is matched by."""

    def estimate(self, slots: Ints) -> Floats:
        """(N, 4) float32 centre and size in pixels at the last observation, that included: `predict` at its time."""

    def update(self, slots: Ints, seen: Observations, new: Mask) -> None:
        """Step the tracks by one observation each.

        Those that are `new` (N,) begin with it, and whatever their slots held is forgotten. One call a frame for both:
        a step costs much the same for one track as for ten.
        """

    def warp(self, slots: Ints, affine: NDArray[np.float64]) -> None:
        """Move the state into a new frame's coordinates: (2, 3) camera motion, previous frame to this one."""

    def snapshot(self, slots: Ints, time_s: float) -> Forecaster:
        """A function of seconds after `time_s` that keeps its own copy: later steps do not change its answers."""
