"""How well motion models forecast: ground-truth tracks, observed through one seeded degradation, the same for every
model.

Boxes are jittered by 5 % of their size, 10 % are missed, and bursts of frames in a row as well; or the observations are
a real detector's boxes, matched to the truth. From every observation after a short warm-up each model forecasts 1, 5,
10 and 30 frames ahead, through the very code that the tracker runs.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy, paired_iou, tlwh_to_xyxy, xyxy_to_cxcywh
from tracker.datasets.matching import match_detections
from tracker.datasets.mot import FLAG, FRAME, HEIGHT, ID, LEFT, MotSequence, find_sequences, read_table
from tracker.errors import DataError, UsageError
from tracker.motion.baselines.constant_velocity import ConstantVelocity, LastBox
from tracker.motion.baselines.frame_kalman import CLASSIC, FITTED, FrameKalman
from tracker.motion.load import load_predictor
from tracker.motion.predictor import Observations, Predictor

WARMUP = 5  # observations before the first forecast
JITTER, MISSED, BURST_RATE, BURST_FRAMES = 0.05, 0.10, 0.01, 5
SPEEDS = (0.15, 0.6)  # heights a second: slow below the first, fast from the second
LAPLACE = {p: -math.log(1 - p) / math.sqrt(2) for p in (0.5, 0.9, 0.99)}  # half width of an interval in std
NORMAL = {0.5: 0.6745, 0.9: 1.6449, 0.99: 2.5758}

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Model:
    """A motion model under test: how to make one for a frame interval, and what distribution its std is of."""

    name: str
    make: Callable[[float], Predictor]
    normal: bool = False

    @classmethod
    def of(cls, name: str) -> Model:
        """`lstm`, `kalman`, `velocity`, `last`, `xyah`, `xywh`, the latter two with `-fitted`, or a weights file.

        Raises:
            UsageError: neither a known name nor a file.
        """
        known: dict[str, Model] = {
            "lstm": cls(name, lambda _: load_predictor()),
            "kalman": cls(name, lambda _: load_predictor("kalman")),
            "velocity": cls(name, lambda _: ConstantVelocity()),
            "last": cls(name, lambda _: LastBox()),
            "xyah": cls(name, lambda dt: FrameKalman(dt, CLASSIC["xyah"], aspect=True), normal=True),
            "xywh": cls(name, lambda dt: FrameKalman(dt, CLASSIC["xywh"], aspect=False), normal=True),
            "xyah-fitted": cls(name, lambda dt: FrameKalman(dt, FITTED["xyah"].per_frame(dt), aspect=True)),
            "xywh-fitted": cls(name, lambda dt: FrameKalman(dt, FITTED["xywh"].per_frame(dt), aspect=False)),
        }
        if name in known:
            return known[name]
        if not Path(name).is_file():
            raise UsageError(f"no motion model {name!r}; give {', '.join(known)} or a file of `track train motion`")
        return cls(name, lambda _: load_predictor(name))


@dataclass(frozen=True, eq=False)
class ObservedSequence:
    """One sequence, R tracks in F frames (those that the stride leaves).

    Attributes:
        truth: (F, R, 4) float64 xyxy, NaN where there is no box.
        observed: (F, R, 4) float32 xyxy, NaN where nothing was seen.
        scores: (F, R) float32.
        interval_s: seconds a frame.
        frame_size: width and height, None where unknown.
    """

    name: str
    truth: NDArray[np.float64]
    observed: NDArray[np.float32]
    scores: NDArray[np.float32]
    interval_s: float
    frame_size: tuple[float, float] | None


def read_observed(sequence: MotSequence, stride: int, detections: bool, seed: int) -> ObservedSequence:
    """A sequence's tracks and what is seen of them: degraded truth, or the boxes of its det/det.txt.

    Raises:
        DataError: no ground truth, or no detections where they are asked for.
    """
    if not sequence.ground_truth_file.is_file():
        raise DataError(f"{sequence.folder} has no gt/gt.txt; forecasts are compared with ground truth")
    table = sequence.ground_truth()
    table = table[(table[:, FLAG] != 0) & (table[:, LEFT + 2 : HEIGHT + 1] > 0).all(axis=1)]
    table = table[(table[:, FRAME] - 1) % stride == 0]
    ids, track = np.unique(table[:, ID], return_inverse=True)
    frame = ((table[:, FRAME] - 1) // stride).astype(np.int64)
    truth = np.full((int(frame.max(initial=0)) + 1, len(ids), 4), np.nan)
    truth[frame, track] = tlwh_to_xyxy(table[:, LEFT : HEIGHT + 1])
    scores = np.ones(truth.shape[:2], np.float32)
    if detections:
        if not sequence.detection_file.is_file():
            raise DataError(f"{sequence.folder} has no det/det.txt; leave out --detections for degraded ground truth")
        observed = np.full(truth.shape, np.nan, np.float32)
        observed[frame, track], scores[frame, track] = match_detections(table, read_table(sequence.detection_file))
    else:
        observed = _degraded(truth, np.random.default_rng([seed, zlib.crc32(sequence.name.encode())]))
    size = sequence.size if all(sequence.size) else None
    return ObservedSequence(sequence.name, truth, observed, scores, stride / sequence.fps, size)


def _degraded(truth: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
    """The true boxes, jittered, with some missed and some bursts of misses; a size keeps at least half."""
    box = xyxy_to_cxcywh(truth)
    size = np.tile(box[..., 2:], 2)
    box = box + np.clip(rng.normal(0, JITTER, box.shape), -0.5, 0.5) * size
    missed = rng.random(box.shape[:2]) < MISSED
    begins = rng.random(box.shape[:2]) < BURST_RATE
    lengths = rng.geometric(1 / BURST_FRAMES, box.shape[:2])
    for frame, track in zip(*np.nonzero(begins), strict=True):
        missed[frame : frame + lengths[frame, track], track] = True
    box[missed] = np.nan
    return cxcywh_to_xyxy(box).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What one model said of one sequence, and what came: M forecasts of one horizon.

    Attributes:
        mean, std, truth: (M, 4) cxcywh in pixels.
        speed: (M,) heights a second the object really moved at.
        gap: (M,) frames from the observation before to the last one.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    truth: NDArray[np.float64]
    speed: NDArray[np.float64]
    gap: NDArray[np.int64]


def forecasts(sequence: ObservedSequence, predictor: Predictor, horizons: Sequence[int]) -> dict[int, Forecasts]:
    """Runs a model over a sequence, all tracks at once."""
    frames, tracks, _ = sequence.truth.shape
    truth = xyxy_to_cxcywh(sequence.truth)
    count, last = np.zeros(tracks, np.int64), np.zeros(tracks, np.int64)
    found: dict[int, list[tuple[NDArray[Any], ...]]] = {h: [] for h in horizons}
    for frame in range(frames):
        time_s = frame * sequence.interval_s
        rows = np.flatnonzero(np.isfinite(sequence.observed[frame, :, 0]))
        seen = Observations(
            sequence.observed[frame, rows], sequence.scores[frame, rows], time_s, None, sequence.frame_size
        )
        predictor.update(rows, seen, count[rows] == 0)
        gap, last[rows] = frame - last[rows], frame
        count[rows] += 1
        ready = count[rows] >= WARMUP
        for horizon in horizons:
            if frame + horizon >= frames:
                continue
            known = ready & np.isfinite(truth[frame + horizon, rows, 0]) & np.isfinite(truth[frame, rows, 0])
            slots = rows[known]
            if len(slots):
                said = predictor.forecast(slots, time_s + horizon * sequence.interval_s)
                now, then = truth[frame, slots], truth[frame + horizon, slots]
                way = np.linalg.norm(then[:, :2] - now[:, :2], axis=1) / then[:, 3]
                speed = way / (horizon * sequence.interval_s)
                found[horizon].append((said.cxcywh, said.std, then, speed, gap[known]))
    return {horizon: _stacked(parts) for horizon, parts in found.items()}


def _stacked(parts: Sequence[tuple[NDArray[Any], ...]]) -> Forecasts:
    if not parts:
        none = np.zeros((0, 4))
        return Forecasts(none, none, none, np.zeros(0), np.zeros(0, np.int64))
    mean, std, truth, speed, gap = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Forecasts(mean.astype(np.float64), std.astype(np.float64), truth, speed, gap)


def metrics(f: Forecasts, normal: bool = False) -> Metrics:
    """Mean IoU, centre error in heights, coverage of the 50, 90 and 99 % intervals, negative log-likelihood.

    Coverage counts all four coordinates (centre, size); the likelihood is a coordinate's mean, in units of the true
    size. Both are None where a model gives no uncertainty, everything is None where there was nothing to forecast.
    """
    names = ("iou", "centre_error_heights", "coverage50", "coverage90", "coverage99", "nll")
    result: Metrics = dict.fromkeys(names)
    if len(f.truth):
        error = f.mean - f.truth
        result["iou"] = float(paired_iou(cxcywh_to_xyxy(f.mean), cxcywh_to_xyxy(f.truth)).mean())
        result["centre_error_heights"] = float((np.linalg.norm(error[:, :2], axis=1) / f.truth[:, 3]).mean())
        if np.isfinite(f.std).all():
            distance = np.abs(error) / f.std
            for share, width in (NORMAL if normal else LAPLACE).items():
                result[f"coverage{100 * share:.0f}"] = float((distance <= width).mean())
            spread = f.std / np.concatenate([f.truth[:, 3:], f.truth[:, 3:], f.truth[:, 2:]], axis=1)
            if normal:
                nll = distance**2 / 2 + np.log(spread * math.sqrt(2 * math.pi))
            else:
                nll = distance * math.sqrt(2) + np.log(spread * math.sqrt(2))
            result["nll"] = float(nll.mean())
    return result | {"forecasts": len(f.truth)}


def _splits(f: Forecasts) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield "speed below 0.15 heights/s", f.speed < SPEEDS[0]
    yield "speed 0.15 to 0.6 heights/s", (f.speed >= SPEEDS[0]) & (f.speed < SPEEDS[1])
    yield "speed from 0.6 heights/s", f.speed >= SPEEDS[1]
    yield "seen in the frame before", f.gap <= 1
    yield "after a gap of 1 to 4 frames", (f.gap > 1) & (f.gap <= 5)
    yield "after a gap of 5 frames or more", f.gap > 5


@dataclass(frozen=True, eq=False)
class MotionEvaluation:
    """`metrics[model][horizon]` over everything; `details[model][horizon]` by speed, gap, frame rate and sequence."""

    metrics: dict[str, dict[str, Metrics]]
    details: dict[str, dict[str, dict[str, Metrics]]]


def evaluate_motion(
    roots: Sequence[str | Path],
    models: Sequence[str] = ("lstm", "kalman", "velocity", "last"),
    horizons: Sequence[int] = (1, 5, 10, 30),
    stride: int = 1,
    detections: bool = False,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> MotionEvaluation:
    """Forecasts of every model over every sequence of `roots`.

    Args:
        models: names as `Model.of` takes them.
        horizons: frames ahead, counted in the frames that the stride leaves.
        stride: only every so many-th frame is looked at: the same tracks at a lower frame rate.
        detections: observe the boxes of det/det.txt instead of degraded truth.
        progress: called with a line for every sequence.
    """
    sequences = [read_observed(sequence, stride, detections, seed) for sequence in find_sequences(roots)]
    report = MotionEvaluation({}, {})
    for model in map(Model.of, models):
        said: dict[int, list[tuple[ObservedSequence, Forecasts]]] = {h: [] for h in horizons}
        for sequence in sequences:
            progress(f"{model.name}: {sequence.name}")
            for horizon, f in forecasts(sequence, model.make(sequence.interval_s), horizons).items():
                said[horizon].append((sequence, f))
        report.metrics[model.name] = {}
        report.details[model.name] = {}
        for horizon, pairs in said.items():
            everything = together([f for _, f in pairs])
            report.metrics[model.name][str(horizon)] = metrics(everything, model.normal)
            parts = {name: _part(everything, mask) for name, mask in _splits(everything)}
            for rate in sorted({round(1 / sequence.interval_s, 2) for sequence, _ in pairs}):
                same = [f for sequence, f in pairs if round(1 / sequence.interval_s, 2) == rate]
                parts[f"{rate:g} frames/s"] = together(same)
            parts |= {sequence.name: f for sequence, f in pairs}
            report.details[model.name][str(horizon)] = {k: metrics(f, model.normal) for k, f in parts.items()}
    return report


def together(parts: Sequence[Forecasts]) -> Forecasts:
    """Forecasts of one horizon of several sequences."""
    return Forecasts(*(np.concatenate([getattr(f, name) for f in parts]) for name in vars(parts[0])))


def _part(f: Forecasts, mask: NDArray[np.bool_]) -> Forecasts:
    return Forecasts(*(column[mask] for column in vars(f).values()))
