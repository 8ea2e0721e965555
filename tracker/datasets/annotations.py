"""What annotation tools and our own results both say of a video: which object is where in which frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns

_OF_A_ROW = ("frames", "ids", "xyxy", "classes", "scores", "occluded", "keyframes", "columns")


@dataclass(frozen=True, eq=False)
class Annotations:
    """The objects in one video, a row for an object in a frame; letters: R rows, F frames.

    Attributes:
        frames: (R,) int64 number of the row's frame, from 1.
        ids: (R,) int64 the object, from 1; it has at most one row in a frame. A frame without a row of it is one in
            which it is out of the picture, or not to be seen.
        xyxy: (R, 4) float64 boxes in pixels.
        classes: (R,) int64 numbers of `names`.
        scores: (R,) float64 confidence, 1 of what was annotated by hand.
        occluded: (R,) bool, hidden by something else there: of our results, predicted.
        keyframes: (R,) bool, looked at there, not interpolated between others.
        columns: masks, keypoints and the like of R rows; empty rows where there are none.
        times_s: (F,) float64 time of every frame, increasing.
        size: width and height of the frames in pixels.
        names: class number -> name.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    xyxy: NDArray[np.float64]
    classes: NDArray[np.int64]
    scores: NDArray[np.float64]
    occluded: NDArray[np.bool_]
    keyframes: NDArray[np.bool_]
    times_s: NDArray[np.float64]
    size: tuple[int, int]
    names: Mapping[int, str]
    columns: Columns = field(default_factory=Columns)

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in _OF_A_ROW if name != "columns"}
        assert len(lengths) == 1, f"rows of columns: {lengths}"

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> Annotations:
        """The same columns for the rows of a mask, index array or slice."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _OF_A_ROW})

    @property
    def frame_count(self) -> int:
        return len(self.times_s)

    @property
    def frames_per_s(self) -> float:
        """The mean over the video; 25 of a single frame."""
        if self.frame_count < 2 or self.times_s[-1] <= self.times_s[0]:
            return 25.0
        return float((self.frame_count - 1) / (self.times_s[-1] - self.times_s[0]))

    @property
    def by_frame(self) -> Annotations:
        """The same rows, ordered by frame and id."""
        return self[np.lexsort((self.ids, self.frames))]

    @property
    def by_id(self) -> Annotations:
        """The same rows, ordered by id and frame."""
        return self[np.lexsort((self.frames, self.ids))]

    def equals(self, other: Annotations, pixels: float = 0.0) -> bool:
        """Whether both say the same, in any order of rows.

        Args:
            pixels: by which coordinates may differ.
        """
        one, two = self.by_id, other.by_id
        exact = ("frames", "ids", "classes", "occluded", "keyframes")
        if (self.size, dict(self.names), len(one)) != (other.size, dict(other.names), len(two)):
            return False
        same = all(np.array_equal(getattr(one, name), getattr(two, name)) for name in exact)
        near = np.allclose(one.xyxy, two.xyxy, rtol=0, atol=pixels)
        return same and near and _alike(one.columns, two.columns, pixels)


def _alike(one: Columns, two: Columns, pixels: float) -> bool:
    for name in ("keypoints", "corners"):
        a, b = getattr(one, name), getattr(two, name)
        if (a is None) != (b is None):
            return False
        if a is not None and not np.allclose(a, b, rtol=0, atol=max(pixels, 1e-4), equal_nan=True):
            return False
    if (one.masks is None) != (two.masks is None):
        return False
    return one.masks is None or two.masks is None or one.masks.to_coco() == two.masks.to_coco()
