"""Detections made from ground truth with the errors of a real detector: they last, and come where objects are occluded.

White jitter flatters a tracker that smooths. A detector's error of a box persists from frame to frame; its score falls
with how much of the object another occludes, until the object is missed; and its false alarms stay for a while.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from tracker.boxes import cxcywh_to_xyxy, occluded_share, tlwh_to_xyxy, xyxy_to_cxcywh, xyxy_to_tlwh
from tracker.datasets.mot import FLAG, FRAME, HEIGHT, ID, LEFT, SCORE, Table

Errors = NDArray[np.float64]

# Standard deviations of centre x, y (in widths, heights) and of log width and height, of YOLOX on MOT17's second halves
UPRIGHT = (0.046, 0.018, 0.086, 0.032)
ANY_WAY_UP = (0.033, 0.033, 0.06, 0.06)  # the same without a preferred direction
_STAYS_S = 0.25  # after which an error has fallen to 1/e: .86 from frame to frame at 25 frames/s
_SURE = 2.2  # log-odds of an object's score: mean over objects, ...
_SURE_VARIES = (0.5, 0.7)  # ... their deviation, and that over time
_OCCLUSION = 5.0  # taken from them where an object is occluded wholly
_WORSE = 2.0  # by so many times an error grows there
_MISSED, _MISSED_S = 0.03, 0.15  # share of detections that are missed for no reason to be seen, and for how long
_FALSE, _FALSE_S = 0.3, 0.5  # false alarms a frame, and mean time that each lasts
_DOUBT = (-0.7, 0.8)  # log-odds of a false alarm's score, mean and deviation
_LEAST = 0.1  # no detection scores less


def from_truth(
    truth: Table,
    length: int,
    fps: float,
    size: tuple[int, int],
    rng: np.random.Generator,
    error: Sequence[float] = UPRIGHT,
    false_alarms: float = _FALSE,
    sure: float = _SURE,
    missed: float = _MISSED,
) -> Table:
    """Detections (R, 7) as a usual detector would give them: frame, -1, left, top, width, height, score.

    Args:
        truth: (R, 9) ground truth; its flagged rows are what can be detected.
        length: number of frames. fps: of these a second. size: width and height of the frame in pixels.
        rng: see `degrade.generator`.
        error: standard deviations of centre x, y in widths, heights, and of the logarithms of width and height.
        false_alarms: mean number in a frame, of true objects' sizes, anywhere in the frame.
        sure: mean log-odds of an object's score. missed: share of detections that are missed for no reason to be seen.
    """
    objects = truth[truth[:, FLAG] > 0]
    occluded = _occluded(objects)
    found = np.insert(objects[:, : HEIGHT + 1], SCORE, 0, axis=1)
    keep = np.ones(len(found), bool)
    for identity in np.unique(objects[:, ID]):
        rows = np.flatnonzero(objects[:, ID] == identity)
        rows = rows[np.argsort(objects[rows, FRAME], kind="stable")]
        hidden = occluded[rows]
        off = _lasting(len(rows), 5, fps, rng)
        box = off[:, :4] * np.asarray(error) * (1 + _WORSE * hidden[:, None])
        found[rows, LEFT : HEIGHT + 1] = _moved(found[rows, LEFT : HEIGHT + 1], box)
        between, within = _SURE_VARIES
        odds = rng.normal(sure, between) + within * off[:, 4] - _OCCLUSION * hidden
        found[rows, SCORE] = 1 / (1 + np.exp(-odds))
        keep[rows] = ~_bursts(len(rows), missed, _MISSED_S * fps, rng)
    keep &= found[:, SCORE] >= _LEAST
    found[:, ID] = -1
    found = np.concatenate([found[keep], _false(objects, length, fps, size, rng, false_alarms)])
    found = rng.permutation(found)
    ordered: Table = found[np.argsort(found[:, FRAME], kind="stable")]
    return ordered


def _occluded(objects: Table) -> Errors:
    """(R,) largest share of each box that one nearer to the camera, which reaches lower, occludes in its frame."""
    share = np.zeros(len(objects))
    xyxy = tlwh_to_xyxy(objects[:, LEFT : HEIGHT + 1])
    for frame in np.unique(objects[:, FRAME]):
        rows = np.flatnonzero(objects[:, FRAME] == frame)
        share[rows] = occluded_share(xyxy[rows])
    return share


def _lasting(count: int, columns: int, fps: float, rng: np.random.Generator) -> Errors:
    """(count, columns) of unit variance, each correlated with itself as errors are."""
    stays = np.exp(-1 / (_STAYS_S * fps))
    white = rng.normal(size=(count, columns))
    white[1:] *= np.sqrt(1 - stays**2)
    return np.asarray(lfilter([1], [1, -stays], white, axis=0))


def _bursts(count: int, share: float, frames: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(count,) True in bursts of `frames` on average that make up this share."""
    ends = 1 / max(frames, 1.0)
    begins = rng.random(count) < share * ends
    return np.convolve(begins, np.ones(max(round(frames), 1)))[:count] > 0 if count else begins


def _moved(tlwh: Errors, error: Errors) -> Errors:
    """Boxes (N, 4) with their centres moved by error[:, :2] sizes and their sizes scaled by exp(error[:, 2:])."""
    box = xyxy_to_cxcywh(tlwh_to_xyxy(tlwh))
    moved = np.concatenate([box[:, :2] + error[:, :2] * box[:, 2:], box[:, 2:] * np.exp(error[:, 2:])], axis=1)
    return np.asarray(xyxy_to_tlwh(cxcywh_to_xyxy(moved)))


def _false(
    objects: Table, length: int, fps: float, size: tuple[int, int], rng: np.random.Generator, mean: float
) -> Table:
    """(R, 7) detections of nothing, each where it began until it ends."""
    begun = rng.poisson(mean / (_FALSE_S * fps), length) if len(objects) else np.zeros(length, np.int64)
    rows = [np.zeros((0, 7))]
    for frame in np.repeat(np.arange(length) + 1, begun).tolist():
        lasts = min(1 + int(rng.exponential(_FALSE_S * fps)), length + 1 - frame)
        row = np.full((lasts, 7), -1.0)
        row[:, FRAME] = frame + np.arange(lasts)
        width, height = objects[rng.integers(len(objects)), LEFT + 2 : HEIGHT + 1]
        left, top = rng.random(2) * size - np.array([width, height]) / 2
        off = _lasting(lasts, 5, fps, rng)
        row[:, LEFT : HEIGHT + 1] = _moved(np.tile([left, top, width, height], (lasts, 1)), 2 * off[:, :4] * UPRIGHT)
        odds = rng.normal(*_DOUBT) + 0.5 * off[:, 4]
        row[:, SCORE] = 1 / (1 + np.exp(-odds))
        rows.append(row[row[:, SCORE] >= _LEAST])
    return np.concatenate(rows)
