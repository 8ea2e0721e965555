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
        name: what the video's file is called.
        step: every which frame was looked at, from the first one on; there is nothing to be known of those between.
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
    name: str = "video"
    step: int = 1

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
    def class_names(self) -> list[str]:
        """The name of each row's class."""
        return [self.names.get(number, str(number)) for number in self.classes.tolist()]

    @property
    def by_frame(self) -> Annotations:
        """The same rows, ordered by frame and id."""
        return self[np.lexsort((self.ids, self.frames))]

    @property
    def by_id(self) -> Annotations:
        """The same rows, ordered by id and frame."""
        return self[np.lexsort((self.frames, self.ids))]

    @property
    def compact(self) -> Annotations:
        """The same with classes numbered from 0 without gaps, in their order, and of each name only one."""
        numbers = sorted(self.names)
        texts = list(dict.fromkeys(self.names[number] for number in numbers))
        place = {number: texts.index(self.names[number]) for number in numbers}
        kinds, rows = np.unique(self.classes, return_inverse=True)
        classes = np.array([place[kind] for kind in kinds.tolist()], np.int64)[rows]
        return replace(self, classes=classes, names=dict(enumerate(texts)))

    @property
    def of_one_class(self) -> Annotations:
        """The same with the class of an object's last row in all of its rows."""
        order = np.lexsort((self.frames, self.ids))
        objects, rows = np.unique(self.ids, return_inverse=True)
        last = np.zeros(len(objects), np.int64)
        last[rows[order]] = self.classes[order]
        return replace(self, classes=last[rows])

    @property
    def without_step(self) -> Annotations:
        """The same of a video that has only the frames that were looked at, numbered from 1."""
        if self.step == 1:
            return self
        return replace(self, frames=(self.frames - 1) // self.step + 1, times_s=self.times_s[:: self.step], step=1)

    def equals(self, other: Annotations, pixels: float = 0.0) -> bool:
        """Whether both say the same, in any order of rows and with any numbers of the classes.

        Args:
            pixels: by which coordinates may differ.
        """
        one, two = self.by_id, other.by_id
        exact = ("frames", "ids", "occluded", "keyframes")
        if (self.size, self.step, len(one)) != (other.size, other.step, len(two)):
            return False
        same = all(np.array_equal(getattr(one, name), getattr(two, name)) for name in exact)
        same &= one.class_names == two.class_names
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


def times_of_all(
    frames: NDArray[np.int64], times_s: NDArray[np.float64], count: int, step_s: float
) -> NDArray[np.float64]:
    """(count,) time of every frame, evenly between those that are known, and by `step_s` before and after them.

    Args:
        frames: (R,) numbers from 1, in any order and more than once each; times_s: (R,) their times.
    """
    every = np.arange(1, count + 1)
    numbers, first = np.unique(frames, return_index=True)
    if not len(numbers):
        return np.asarray((every - 1) * step_s, np.float64)
    at = np.asarray(times_s, np.float64)[first]
    times = np.interp(every, numbers, at)
    before, after = every < numbers[0], every > numbers[-1]
    times[before] = at[0] - (numbers[0] - every[before]) * step_s
    times[after] = at[-1] + (every[after] - numbers[-1]) * step_s
    return np.asarray(times, np.float64)
