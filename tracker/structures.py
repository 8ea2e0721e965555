"""What flows through the tracker: struct-of-arrays, checked once when they are made, never changed after.

Letters used in shapes everywhere: N detections or tracks, H forecast steps. Boxes are `xyxy` in pixels of the frame
(left, top, right, bottom; floats; x to the right, y down), times are seconds, scores are in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.columns import foreign
from tracker.columns.carried import Carrying, Columns
from tracker.columns.checked import column, mapping
from tracker.columns.embeddings import TakenEmbeddings
from tracker.columns.masks import Masks
from tracker.errors import InputError
from tracker.system.extras import extra
from tracker.system.renamed import renamed_fields

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

FEATURE_SIZE = 512
_NO_COLUMNS = Columns()
_ROUNDING = 1e-3  # scores this far outside of [0, 1] are those of a network in half precision


class Status(IntEnum):
    """Where a reported track is in its life."""

    TENTATIVE = 0  # seen, not yet often enough to be confirmed
    CONFIRMED = 1  # confirmed, and matched to a detection in this frame
    PREDICTED = 2  # confirmed, not detected in this frame: the box is the motion model's, or lies between detections


TENTATIVE, CONFIRMED, PREDICTED = map(int, Status)
"""The same as plain numbers: with those NumPy compares an array several times faster than with members of an enum."""


def as_image(frame: Any) -> Image:
    """A frame as the caller has it, as one that every library takes: a mirrored view is copied.

    Raises:
        InputError: not a uint8 array of shape (H, W, 3) with pixels.
    """
    if not isinstance(frame, np.ndarray) or frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        got = f"{getattr(frame, 'dtype', type(frame).__name__)} {getattr(frame, 'shape', '')}".strip()
        raise InputError(f"frame is {got}; expected a uint8 array of shape (H, W, 3), BGR as OpenCV gives it")
    if not frame.size:
        raise InputError(f"frame has shape {frame.shape}, no pixels; expected (H, W, 3)")
    return np.ascontiguousarray(frame) if min(frame.strides) < 0 else frame


@dataclass(frozen=True, eq=False)
class Detections(Carrying):
    """The objects found in one frame.

    What they carry beside box, score, class and feature changes no track, and travels with its row: `Tracks` has it by
    `detection_index`.

    Attributes:
        xyxy: (N, 4) float32 boxes in pixels, right > left and bottom > top.
        scores: (N,) float32 in [0, 1]; ones where not given.
        classes: (N,) int64 class numbers; zeros where not given.
        features: (N, D) float32 appearance vectors of any network, scaled to unit length here; a row of NaN (or None
            for all rows) means "no feature", which is neutral to the matching. The LSTM knows the embedded network's
            alone, which it takes those of D = 512 for, unless `appearance.enabled` is false.
        pixels: (H, W, 3) uint8 tensor, the frame they were found in where it lies on a GPU already; else None.
        columns: masks (given as `Masks` or booleans (N, H, W)), keypoints (N, K, 3), corners (N, 4, 2) and `data`,
            name -> N rows of anything.
        names: class number -> name; may be empty.

    Raises:
        InputError: a field with another shape or dtype, NaN or infinite boxes, reversed or empty boxes, scores
            outside [0, 1].

    Examples:
        >>> Detections([[10, 20, 50, 100]], scores=[0.9]).xyxy.shape
        (1, 4)
        >>> len(Detections.empty())
        0
    """

    xyxy: Floats
    scores: Floats
    classes: Ints
    features: Floats | None = None
    pixels: Any = None
    columns: Columns = _NO_COLUMNS
    names: Mapping[int, str] = field(default_factory=dict)

    def __init__(
        self,
        xyxy: ArrayLike,
        scores: ArrayLike | None = None,
        classes: ArrayLike | None = None,
        features: ArrayLike | None = None,
        pixels: Any = None,
        *,
        masks: Masks | ArrayLike | None = None,
        keypoints: ArrayLike | None = None,
        corners: ArrayLike | None = None,
        data: Mapping[str, ArrayLike] | None = None,
        names: Mapping[int, str] | None = None,
    ) -> None:
        boxes = column("xyxy", xyxy, np.float32, (4,), None)
        n = len(boxes)
        score = np.ones(n, np.float32) if scores is None else column("scores", scores, np.float32, (), n)
        label = np.zeros(n, np.int64) if classes is None else column("classes", classes, np.int64, (), n)
        _check_boxes(boxes)
        if not ((score >= 0) & (score <= 1)).all():
            score = _rounded(score)
        unit = None if features is None else _unit_rows(column("features", features, np.float32, ("D",), n))
        carried = Columns.checked(n, masks, keypoints, corners, data)
        values = boxes, score, label, unit, pixels, carried, mapping("names", names, "class number -> name")
        for name, value in zip(_FIELDS, values, strict=True):
            object.__setattr__(self, name, value)

    @property
    def _columns(self) -> Columns:
        return self.columns

    @classmethod
    def empty(cls) -> Detections:
        """No detections: arrays of length 0, never None."""
        return cls(np.zeros((0, 4), np.float32))

    @classmethod
    def from_ultralytics(cls, results: Any) -> Detections:
        """Of the `Results` of one frame, with masks, keypoints, oriented boxes and class names; row by row.

        Raises:
            InputError: something else, or results without boxes.
        """
        return cls(**foreign.of_ultralytics(results))

    @classmethod
    def from_supervision(cls, detections: Any) -> Detections:
        """Of a `supervision.Detections`, with masks, class names and all that is in its `data`; row by row.

        Raises:
            InputError: something else.
        """
        return cls(**foreign.of_supervision(detections))

    def __len__(self) -> int:
        return len(self.xyxy)

    def __getitem__(self, keep: NDArray[Any] | slice) -> Detections:
        """The same columns for the rows of a mask, index array or slice. Rows were checked when they came in."""
        part = object.__new__(Detections)
        rows = isinstance(keep, np.ndarray) and keep.dtype.kind == "i"
        for name in ("xyxy", "scores", "classes", "features"):
            values = getattr(self, name)
            if values is not None:  # of few rows `take` is several times faster than an index
                values = values.take(keep, axis=0) if rows else values[keep]
            object.__setattr__(part, name, values)
        for name, value in (("pixels", self.pixels), ("columns", self.columns[keep]), ("names", self.names)):
            object.__setattr__(part, name, value)
        return part

    @property
    def bare(self) -> Detections:
        """The same without what they only carry."""
        if not self.columns:
            return self
        part = object.__new__(Detections)
        vars(part).update(vars(self), columns=_NO_COLUMNS)
        return part

    def with_features(self, features: Floats) -> Detections:
        """The same detections with (N, D) appearance vectors."""
        more = vars(self.columns)
        return Detections(self.xyxy, self.scores, self.classes, features, self.pixels, names=self.names, **more)

    def without_features(self, rows: Ints) -> Detections:
        """The same detections with NaN for the appearance vectors of these rows (K,)."""
        if self.features is None or not len(rows):
            return self
        features = self.features.copy()
        features[rows] = np.nan
        return self.with_features(features)


_FIELDS = ("xyxy", "scores", "classes", "features", "pixels", "columns", "names")


def _rounded(scores: Floats) -> Floats:
    """Scores that rounding has taken out of [0, 1], back in it; what is further out is an error."""
    bad = np.flatnonzero(~((scores >= -_ROUNDING) & (scores <= 1 + _ROUNDING)))
    if len(bad):
        raise InputError(f"scores[{bad[0]}] is {scores[bad[0]]}; scores are confidences in [0, 1]")
    return np.clip(scores, 0, 1)


def _check_boxes(xyxy: Floats) -> None:
    finite = np.isfinite(xyxy)
    if not finite.all():
        bad = int(np.flatnonzero(~finite.all(axis=1))[0])
        raise InputError(f"xyxy[{bad}] is {xyxy[bad].tolist()}; boxes must be finite numbers")
    proper = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    if not proper.all():
        bad = int(np.flatnonzero(~proper)[0])
        raise InputError(
            f"xyxy[{bad}] is {xyxy[bad].tolist()}, empty or reversed; boxes are left, top, right, bottom "
            "with right > left and bottom > top"
        )


def _unit_rows(features: Floats) -> Floats:
    """Rows scaled to length 1; rows of NaN (no feature) stay NaN; a zero or infinite row is an error."""
    missing = np.asarray(np.isnan(features).all(axis=1))
    length = np.linalg.norm(features, axis=1, keepdims=True).astype(np.float32)
    bad = ~missing & ~((length[:, 0] > 0) & np.isfinite(length[:, 0]))
    if bad.any():
        raise InputError(f"features[{int(np.flatnonzero(bad)[0])}] is zero or not finite; use a row of NaN for none")
    return (features / np.where(missing[:, None], 1, length)).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Forecast:
    """Where tracks will be.

    Attributes:
        xyxy: (N, H, 4) float32 boxes in pixels.
        std: (N, H, 4) float32 standard deviation of each edge in pixels.
        seconds: (H,) float32 seconds ahead of the frame the tracks were reported in.
    """

    xyxy: Floats
    std: Floats
    seconds: Floats


Forecaster = Callable[[Floats], tuple[Floats, Floats]]
"""Seconds ahead (H,) -> boxes (N, H, 4) and standard deviations (N, H, 4) in pixels. Plain data: it can be pickled."""


def of_rows(forecaster: Forecaster | None, rows: Ints) -> Forecaster | None:
    """A forecaster of some of the tracks, (M,) rows; of a row -1 nothing is known: NaN."""
    return None if forecaster is None else ForecastOfRows(forecaster, rows)


@dataclass(frozen=True, eq=False)
class ForecastOfRows:
    forecaster: Forecaster
    rows: Ints

    def __call__(self, seconds: Floats) -> tuple[Floats, Floats]:
        said = self.forecaster(seconds)
        boxes, std = (np.pad(part, ((0, 1), (0, 0), (0, 0)), constant_values=np.nan) for part in said)
        return boxes[self.rows], std[self.rows]


@renamed_fields({"shake": "jitter"})
@dataclass(frozen=True, eq=False)
class Tracks(Carrying):
    """The tracks of one frame, ordered by id.

    Attributes:
        ids: (N,) int64, unique in this tracker's life, never reused, counting from 1.
        xyxy: (N, 4) float32 boxes in pixels: near the detection's where there is one, else the prediction's, or what
            later frames say of it.
        scores: (N,) float32 score of the detection; of a predicted box, the last score.
        classes: (N,) int64 class by score-weighted vote over the track's life.
        raw_classes: (N,) int64 class of this frame's detection, -1 where predicted.
        status: (N,) int64 of `Status`.
        detection_index: (N,) int64 row of the detection given to `update`, -1 where predicted.
        time_s: time of the frame in seconds.
        interval_s: seconds from one frame to the next, the unit of `forecast`'s steps.
        names: class number -> name; may be empty.
        renamed: provisional id -> id, of new tracks that were re-identified in this frame as known ones.
        jitter: how far the detector's boxes are from steady ones: 0 as a person draws them, 1 as detectors do.
        pending: (K,) int64 ids of tentative tracks that are as sure as confirmed ones, and only wait to be
            re-identified: whoever looks at the last frame of a stream knows that nobody comes for them any more.
        looked: whether objects were looked for in this frame; where not, all boxes are predicted.
        cut: whether this frame is the first behind a cut: no track of the one before goes on by its motion.
        detected: what the M detections of the frame carried, of which `masks`, `keypoints`, `corners` and `data` are
            the tracks' rows.
        embedded: the embeddings that were taken of these detections; None: none at all.
    """

    ids: Ints
    xyxy: Floats
    scores: Floats
    classes: Ints
    raw_classes: Ints
    status: Ints
    detection_index: Ints
    time_s: float
    interval_s: float
    names: Mapping[int, str] = field(default_factory=dict)
    renamed: Mapping[int, int] = field(default_factory=dict)
    jitter: float = 1.0
    forecaster: Forecaster | None = field(default=None, repr=False)
    pending: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    looked: bool = True
    cut: bool = False
    detected: Columns = field(default=_NO_COLUMNS, repr=False)
    embedded: TakenEmbeddings | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, keep: NDArray[Any] | slice) -> Tracks:
        """The same columns for the rows of a mask, index array or slice."""
        return Tracks(
            self.ids[keep],
            self.xyxy[keep],
            self.scores[keep],
            self.classes[keep],
            self.raw_classes[keep],
            self.status[keep],
            self.detection_index[keep],
            self.time_s,
            self.interval_s,
            self.names,
            self.renamed,
            self.jitter,
            of_rows(self.forecaster, np.arange(len(self))[keep]),
            self.pending,
            self.looked,
            self.cut,
            self.detected,
            self.embedded,
        )

    @cached_property
    def _columns(self) -> Columns:
        return self.detected.take(self.detection_index)

    @property
    def embeddings(self) -> Floats | None:
        """(N, D) unit vectors of what each looks like in this frame; NaN where predicted or not looked at closely.

        None where nothing in this frame was.
        """
        return None if self.embedded is None else self.embedded.take(self.detection_index)

    @property
    def confirmed(self) -> Tracks:
        """Only confirmed tracks, seen or predicted in this frame; no tentative ones."""
        return self[self.status != Status.TENTATIVE]

    def forecast(self, steps: int, step_s: float | None = None) -> Forecast:
        """Boxes and their uncertainty for the next `steps` frames (or steps of `step_s` seconds).

        Valid at any later time: it holds what was known when this frame was tracked. NaN for objects of which nothing
        was known then: those that are here because they were seen again later.

        Raises:
            InputError: `steps` below 1 or `step_s` not positive.
        """
        if steps < 1 or (step_s is not None and not step_s > 0):
            raise InputError(f"forecast(steps={steps}, step_s={step_s}): give at least 1 step of positive length")
        seconds = (np.arange(1, steps + 1) * (step_s or self.interval_s)).astype(np.float32)
        if self.forecaster is None or not len(self):
            empty = np.zeros((len(self), steps, 4), np.float32)
            return Forecast(empty + self.xyxy[:, None], empty, seconds)
        return Forecast(*self.forecaster(seconds), seconds)

    def to_mot(self, frame_number: int) -> str:
        """Lines of MOTChallenge's format: frame,id,left,top,width,height,score,-1,-1,-1 (tentative rows left out)."""
        rows = self.confirmed
        left, top, right, bottom = rows.xyxy.T
        return "".join(
            f"{frame_number},{i},{x:.2f},{y:.2f},{w:.2f},{h:.2f},{s:.4f},-1,-1,-1\n"
            for i, x, y, w, h, s in zip(rows.ids, left, top, right - left, bottom - top, rows.scores, strict=True)
        )

    def to_dataframe(self) -> Any:
        """A pandas DataFrame with columns id, time_s, class, name, score, left, top, right, bottom, status."""
        pandas = extra("pandas", "pandas")
        return pandas.DataFrame(
            {
                "id": self.ids,
                "time_s": self.time_s,
                "class": self.classes,
                "name": [self.names.get(int(c), str(int(c))) for c in self.classes],
                "score": self.scores,
                **dict(zip(("left", "top", "right", "bottom"), self.xyxy.T, strict=True)),
                "status": [Status(s).name.lower() for s in self.status],
            }
        )

    def to_supervision(self) -> Any:
        """A `supervision.Detections` of the confirmed tracks with `tracker_id`, for its annotators and zones.

        It has their class names, masks, oriented boxes, keypoints and `data`, too.
        """
        return foreign.to_supervision(self.confirmed)
