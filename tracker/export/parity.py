"""Parity check of an exported network with PyTorch's, on a calibration set of frames.

In 32 bits: the largest difference of any number. INT8, too coarse for that, by what it is for: mAP of the detections,
rank-1 of the embeddings, IoU of the forecasts, beside those of PyTorch, on the frames that it was not calibrated with;
and how near masks, keypoints and angles are to PyTorch's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from tracker.appearance.embedder import Embedder
from tracker.boxes import iou, paired_iou
from tracker.columns.foreign import ANGLE
from tracker.config import Config
from tracker.detection import yolo
from tracker.detection.chosen import load_detector
from tracker.export.calibration_data import CalibrationSet
from tracker.export.detectors import exportable
from tracker.export.rf_detr_table import FromQueries
from tracker.export.yolo_tables import FromPixels
from tracker.motion.kalman import KalmanParameters
from tracker.motion.learned import LearnedPredictor
from tracker.motion.load import load_predictor
from tracker.motion.networks.base import TorchCore
from tracker.motion.networks.lstm import MotionNetwork
from tracker.motion.predictor import Observations, Predictor
from tracker.motion.weights import EMBEDDED, read_weights
from tracker.structures import Detections, Floats, Ints
from tracker.system.engine import Export

_THRESHOLDS = np.arange(0.5, 1.0, 0.05)  # of IoU, averaged over in mAP50-95
_FAINT = 0.01  # scores from here on count in mAP
_SURE = 0.25  # scores from here on are objects
_AHEAD_S = 1.0  # forecasts and second embeddings are this much later


@dataclass(frozen=True)
class ParityCheck:
    """Largest differences by what differs; and, of INT8, a measure with PyTorch's and the exported network's value.

    Of what a detector says beside boxes, how near it is to PyTorch's on average, by what that is.
    """

    differences: dict[str, float]
    measure: str = ""
    pytorch: float | None = None
    exported: float | None = None
    beside: dict[str, float] = field(default_factory=dict, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, those that are there."""
        return {key: value for key, value in asdict(self).items() if value not in ("", None, {})}

    def __str__(self) -> str:
        text = "largest difference " + ", ".join(f"{value:.2g} ({what})" for what, value in self.differences.items())
        if self.exported is None or self.pytorch is None:
            return text
        text += f"; {self.measure} {self.exported:.2f}, PyTorch {self.pytorch:.2f}"
        return text + "".join(f"; {what} {value:.2f}" for what, value in self.beside.items())


def of_detector(config: Config, export: Export, calibration_set: CalibrationSet, int8: bool) -> ParityCheck:
    """Of all cells with a score that counts; boxes in pixels of the letterbox, of what is stretched in shares of it."""
    with torch.inference_mode():
        plain = exportable(config.detector)
        reference = plain.module
        run = export.open("detector", any_shape=False)
        edges = scores = beside = 0.0
        for frame in calibration_set.frames[1::16]:
            pixels = plain.fit(frame)[None]
            own, table = run(pixels)[0][0], reference(torch.from_numpy(pixels))[0][0].numpy()
            counts = table[:, 4] >= config.detector.conf
            edges = max(edges, float(np.abs(own - table)[counts, :4].max(initial=0)))
            scores = max(scores, float(np.abs(own - table)[counts, 4].max(initial=0)))
            beside = max(beside, float(np.abs(own - table)[counts, 6:].max(initial=0)))
    differences = {"box, px": edges, "score": scores} | ({name: beside} if (name := _beside(reference)) else {})
    if not int8:
        return ParityCheck(differences)
    faint = replace(config.detector, conf=_FAINT)
    frames = calibration_set.frames[1::2]
    ours = load_detector(replace(faint, model=str(export.folder), prompt=()))(frames)
    theirs = load_detector(faint)(frames)
    sure = [found[found.scores >= _SURE] for found in theirs]
    truth = calibration_set.truth[1::2] if calibration_set.truth else sure
    measure = "mAP50-95 of the labels" if calibration_set.truth else "mAP50-95 of what PyTorch detects"
    precision, exported = (mean_average_precision(found, truth) for found in (theirs, ours))
    return ParityCheck(differences, measure, precision, exported, beside=nearness(ours, sure))


def _beside(network: FromPixels | FromQueries) -> str:
    """What a detector says of an object beside its box, and in what."""
    return "keypoint, px" if network.of_point else "angle" if network.oriented else "mask" if network.masks else ""


def nearness(found: Sequence[Detections], truth: Sequence[Detections]) -> dict[str, float]:
    """How near masks, keypoints and angles are to the true ones on average, of the objects that both have.

    Points count by their confidence.
    """
    said: dict[str, list[tuple[float, float]]] = {}  # value and weight
    for own, true in zip(found, truth, strict=True):
        overlap = iou(own.xyxy, true.xyxy) * (own.classes[:, None] == true.classes)
        rows, columns = linear_sum_assignment(-overlap)
        for row, column in zip(rows, columns, strict=True):
            if overlap[row, column] >= _THRESHOLDS[0]:
                for what, value, weight in _apart(own[row : row + 1], true[column : column + 1]):
                    said.setdefault(what, []).append((value, weight))
    columns = {what: np.transpose(pairs) for what, pairs in said.items()}
    return {what: float(values @ weights / weights.sum()) for what, (values, weights) in columns.items()}


def _apart(own: Detections, true: Detections) -> Iterator[tuple[str, float, float]]:
    """Of one object each, what is compared, how they compare, and how much that counts."""
    if own.masks is not None and true.masks is not None:
        mask, other = own.masks.dense(), true.masks.dense()
        yield "IoU in percent of masks with PyTorch's", 100 * (mask & other).sum() / max(1, (mask | other).sum()), 1.0
    if own.keypoints is not None and true.keypoints is not None and true.keypoints[..., 2].any():
        away = np.linalg.norm(own.keypoints[0, :, :2] - true.keypoints[0, :, :2], axis=1)
        side, sure = np.sqrt(np.prod(true.xyxy[0, 2:] - true.xyxy[0, :2])), true.keypoints[0, :, 2]
        yield "keypoints off by percent of the box", 100 * float(away @ sure / sure.sum() / side), float(sure.sum())
    if ANGLE in own.data and ANGLE in true.data:
        turn = float(np.abs(own.data[ANGLE] - true.data[ANGLE])[0]) % np.pi
        yield "angles off by degrees", float(np.degrees(min(turn, np.pi - turn))), 1.0


def mean_average_precision(found: Sequence[Detections], truth: Sequence[Detections]) -> float:
    """mAP50-95 in percent, over the classes that `truth` has."""
    hits = np.concatenate([_hits(own, true) for own, true in zip(found, truth, strict=True)])
    scores, classes = (np.concatenate([getattr(own, name) for own in found]) for name in ("scores", "classes"))
    wanted = np.concatenate([true.classes for true in truth])
    precision = yolo.ultralytics("utils.metrics").ap_per_class(hits, scores, classes, wanted)[5]
    return 100 * float(precision.mean())


def _hits(found: Detections, truth: Detections) -> NDArray[np.bool_]:
    """(N, 10): for each threshold, does the detection find an object that no surer one has found."""
    hits = np.zeros((len(found), len(_THRESHOLDS)), bool)
    if not len(truth):
        return hits
    overlap = iou(found.xyxy, truth.xyxy) * (found.classes[:, None] == truth.classes)
    for column, threshold in enumerate(_THRESHOLDS):
        free = np.ones(len(truth), bool)
        for row in np.argsort(-found.scores, kind="stable"):
            best = int(np.argmax(overlap[row] * free))
            if free[best] and overlap[row, best] >= threshold:
                hits[row, column], free[best] = True, False
    return hits


def of_appearance(config: Config, export: Export, calibration_set: CalibrationSet, int8: bool) -> ParityCheck:
    """Of all numbers of the unit vectors."""
    reference, embedder = Embedder(config.appearance), Embedder(replace(config.appearance, model=str(export.folder)))
    boxes = [found.xyxy[~np.isnan(found.features[:, 0])] for found in calibration_set.found]  # type: ignore[index]
    theirs, ours = (
        [run(frame, box) for frame, box in zip(calibration_set.frames, boxes, strict=True)]
        for run in (reference, embedder)
    )
    difference = max((float(np.abs(a - b).max(initial=0)) for a, b in zip(ours, theirs, strict=True)), default=0.0)
    differences = {"feature": difference}
    if not int8:
        return ParityCheck(differences)
    return ParityCheck(
        differences, "rank-1 a second later", _rank1(theirs, calibration_set), _rank1(ours, calibration_set)
    )


def _rank1(features: Sequence[Floats], calibration_set: CalibrationSet) -> float | None:
    """Percent of embeddings whose most alike, of all that are seen a second later, is that of the same track."""
    right = []
    embedded = [~np.isnan(found.features[:, 0]) for found in calibration_set.found]  # type: ignore[index]
    for before, after in _pairs(calibration_set):
        old, new = calibration_set.tracks[before][embedded[before]], calibration_set.tracks[after][embedded[after]]
        known = np.isin(old, new)
        if known.any() and len(new) > 1:
            best = np.argmax(features[before][known] @ features[after].T, axis=1)
            right.append(new[best] == old[known])
    return 100 * float(np.concatenate(right).mean()) if right else None


def _pairs(calibration_set: CalibrationSet) -> list[tuple[int, int]]:
    """Pairs of frames a second apart."""
    times = np.asarray(calibration_set.times_s)
    after = np.searchsorted(times, times + _AHEAD_S - 1e-6)
    return [(index, int(later)) for index, later in enumerate(after) if later < len(times)]


def of_motion(config: Config, export: Export, calibration_set: CalibrationSet, int8: bool) -> ParityCheck:
    """Of all numbers of the hidden (-1 to 1) and the cell state (of any size) after one step from the same state."""
    run = export.open("motion")
    differences = {"hidden": 0.0, "cell": 0.0}
    for inputs, outputs in steps(config, calibration_set):
        for name, own, other in zip(differences, run(*inputs), outputs, strict=True):
            differences[name] = max(differences[name], float(np.abs(own - other).max(initial=0)))
    if not int8:
        return ParityCheck(differences)
    predictors = _by_torch(config)[0], load_predictor(str(export.folder))
    scores = [_forecast_iou(predictor, calibration_set) for predictor in predictors]
    return ParityCheck(differences, "IoU in percent of forecasts of a second", *scores)


def _forecast_iou(predictor: Predictor, calibration_set: CalibrationSet) -> float | None:
    """Mean IoU in percent of where tracks are forecast to be a second later and where they are; None without such."""
    later = dict(_pairs(calibration_set))
    overlaps = []
    for index in _replayed(predictor, calibration_set):
        if index not in later:
            continue
        end = later[index]
        _, now, then = np.intersect1d(calibration_set.tracks[index], calibration_set.tracks[end], return_indices=True)
        ahead = predictor.predict(calibration_set.tracks[index][now], calibration_set.times_s[end]).xyxy
        overlaps.append(paired_iou(ahead, calibration_set.found[end].xyxy[then]))
    together = np.concatenate([np.zeros(0), *overlaps])
    return 100 * float(together.mean()) if len(together) else None


CoreStep = tuple[tuple[NDArray[Any], ...], tuple[NDArray[Any], ...]]


def steps(config: Config, calibration_set: CalibrationSet) -> list[CoreStep]:
    """Every step of the calibration set's tracks by PyTorch: geometry, features, hidden, cell; hidden, cell."""
    predictor, recorder = _by_torch(config)
    for _ in _replayed(predictor, calibration_set):
        pass
    return recorder.steps


class _RecordingCore(TorchCore):
    """The LSTM by PyTorch, keeping every step."""

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(MotionNetwork(), dict(tensors))
        self.steps: list[CoreStep] = []

    def step(self, slots: Ints, geometry: Floats, features: Floats | None) -> Floats:
        assert features is not None
        before = tuple(part[:, slots].numpy() for part in self.state)
        result = super().step(slots, geometry, features)
        after = tuple(part[:, slots].numpy() for part in self.state)
        self.steps.append(((geometry, features, *before), after))
        return result


def _by_torch(config: Config) -> tuple[LearnedPredictor, _RecordingCore]:
    """The predictor with its network run by PyTorch."""
    tensors = read_weights(Path(config.motion.model) if config.motion.model else EMBEDDED).tensors
    recorder = _RecordingCore(tensors)
    parameters = KalmanParameters.from_tensors(tensors)
    return LearnedPredictor(parameters, recorder, tensors["head.weight"], tensors["head.bias"]), recorder


def _replayed(predictor: Predictor, calibration_set: CalibrationSet) -> Iterator[int]:
    """Step the tracks of the calibration set through its frames; yields the number of each frame when it is done."""
    seen: set[int] = set()
    for index, (found, tracks) in enumerate(zip(calibration_set.found, calibration_set.tracks, strict=True)):
        height, width = calibration_set.frames[index].shape[:2]
        new = np.array([track not in seen for track in tracks.tolist()], bool)
        seen.update(tracks.tolist())
        observed = Observations(
            found.xyxy, found.scores, calibration_set.times_s[index], found.features, (float(width), float(height))
        )
        if len(tracks):
            predictor.update(tracks, observed, new)
        yield index
