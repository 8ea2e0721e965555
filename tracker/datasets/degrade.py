"""Inputs made worse on purpose, by a fixed seed: detections from ground truth, worse detections, fewer frames.

With them every data set that has ground truth can test association, at any frame rate and any quality of detection.
All functions work on the tables of `tracker.datasets.mot`.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy, iou, tlwh_to_xyxy, xyxy_to_cxcywh, xyxy_to_tlwh
from tracker.datasets.mot import FLAG, FRAME, HEIGHT, ID, LEFT, SCORE, WIDTH, MotSequence, Table

Boxes = NDArray[np.float64]


def generator(seed: int, sequence: str) -> np.random.Generator:
    """The random numbers of one sequence: the same whatever else is degraded before it."""
    return np.random.default_rng([seed, zlib.crc32(sequence.encode())])


@dataclass(frozen=True)
class Degradation:
    """How much worse detections are made.

    Attributes:
        jitter: standard deviation of the centre in box sizes, and of the logarithm of width and height.
        drop: share of the boxes that are missed, each on its own.
        false_positives: mean number in a frame, of a true object's size, anywhere in the frame.
    """

    jitter: float = 0.0
    drop: float = 0.0
    false_positives: float = 0.0


MEDIOCRE = Degradation(jitter=0.05, drop=0.1, false_positives=0.2)  # makes of the truth what a mediocre detector gives


def from_truth(
    truth: Table, length: int, size: tuple[int, int], rng: np.random.Generator, degradation: Degradation = MEDIOCRE
) -> Table:
    """Detections (R, 7) as a detector would give them: frame, -1, left, top, width, height, score.

    Args:
        truth: (R, 9) ground truth; its flagged rows are what can be detected.
        length: number of frames.
        size: width and height of the frame in pixels.
        rng: see `generator`.
        degradation: of the boxes.

    True boxes score around 0.8 (Beta(8, 2)), false ones around 0.4 (Beta(2, 3)).
    """
    objects = truth[truth[:, FLAG] > 0]
    found = _missed_and_moved(np.insert(objects[:, : HEIGHT + 1], SCORE, -1, axis=1), rng, degradation)
    found[:, ID] = -1
    found[:, SCORE] = rng.beta(8, 2, len(found))
    false = _false(objects, length, size, rng, degradation)
    shuffled: Table = rng.permutation(np.concatenate([found, false]))  # the order of the rows must tell nothing
    return _by_frame(shuffled)


def degraded(
    detections: Table, length: int, size: tuple[int, int], rng: np.random.Generator, degradation: Degradation
) -> Table:
    """Detections (R, 7) of a real detector degraded further; arguments as in `from_truth`. Scores stay."""
    found = _missed_and_moved(detections[:, : SCORE + 1], rng, degradation)
    return _by_frame(np.concatenate([found, _false(detections, length, size, rng, degradation)]))


def _missed_and_moved(detections: Table, rng: np.random.Generator, degradation: Degradation) -> Table:
    kept = detections[rng.random(len(detections)) >= degradation.drop].copy()
    kept[:, LEFT : HEIGHT + 1] = _jittered(
        kept[:, LEFT : HEIGHT + 1], rng.normal(0, degradation.jitter, (len(kept), 4))
    )
    return kept


def _false(
    objects: Table, length: int, size: tuple[int, int], rng: np.random.Generator, degradation: Degradation
) -> Table:
    """(R, 7) detections of nothing: a true object's size, anywhere in the frame."""
    count = rng.poisson(degradation.false_positives, length) if len(objects) else np.zeros(length, np.int64)
    false = np.full((int(count.sum()), 7), -1.0)
    false[:, FRAME] = np.repeat(np.arange(1, length + 1), count)
    if len(false):
        false[:, WIDTH : HEIGHT + 1] = objects[rng.integers(len(objects), size=len(false)), WIDTH : HEIGHT + 1]
        false[:, LEFT : LEFT + 2] = rng.random((len(false), 2)) * size - false[:, WIDTH : HEIGHT + 1] / 2
        false[:, SCORE] = rng.beta(2, 3, len(false))
    return false


def _by_frame(table: Table) -> Table:
    return table[np.argsort(table[:, FRAME], kind="stable")]


def degrade(
    detections: Table,
    truth: Table,
    fps: float,
    rng: np.random.Generator,
    drop: float = 0.075,
    burst_s: float = 0.4,
    noise: tuple[float, float, float, float] = (0.02, 0.018, 0.055, 0.03),
    correlation: float = 0.85,
    bolder: float = 0.9,
) -> Table:
    """Detections of a detector that knew the images, made like those of one that did not.

    The defaults bring the published YOLOX detections of MOT17's first halves, which it was trained on, near those of
    the second halves, which it was not: in mean IoU and in confident false positives; recall stays a little higher,
    and weak false positives (score 0.1 to 0.3) become more than there.

    Args:
        detections: (R, 7 or more).
        truth: (R, 9); a detection belongs to the object it overlaps most, if by half.
        fps: frames per second.
        rng: see `generator`.
        drop: share of each object's detections that is missed, in bursts.
        burst_s: mean length of such a burst in seconds.
        noise: standard deviation added to centre x, y (in widths, heights) and to the logarithm of width and height.
        correlation: of an object's noise from one frame to the next.
        bolder: added to the log odds of the scores of detections that belong to no object.
    """
    objects = truth[truth[:, FLAG] > 0]
    owner = _owners(detections, objects)
    degraded = detections.copy()
    keep = np.ones(len(detections), bool)
    stay, enter = _burst_chances(drop, burst_s * fps)
    for identity in np.unique(owner[owner >= 0]):
        rows = np.flatnonzero(owner == identity)
        rows = rows[np.argsort(detections[rows, FRAME], kind="stable")]
        missed = rng.random() < drop
        error = rng.normal(0, noise)
        for row in rows:
            missed = rng.random() < (stay if missed else enter)
            error = correlation * error + np.sqrt(1 - correlation**2) * rng.normal(0, noise)
            keep[row] = not missed
            degraded[row, LEFT : HEIGHT + 1] = _jittered(degraded[row, None, LEFT : HEIGHT + 1], error[None])[0]
    loose = owner < 0
    score = np.clip(degraded[loose, SCORE], 1e-3, 1 - 1e-3)
    degraded[loose, SCORE] = 1 / (1 + (1 - score) / score * np.exp(-bolder))
    return degraded[keep]


def stride(table: Table, step: int, offset: int = 0) -> Table:
    """The rows of every `step`-th frame from frame 1 + `offset` on, with frames renumbered from 1."""
    place = table[:, FRAME] - 1 - offset
    rows = (place >= 0) & (place % step == 0)
    kept: Table = table[rows].copy()
    kept[:, FRAME] = place[rows] // step + 1
    return kept


def stride_sequence(sequence: MotSequence, step: int) -> MotSequence:
    """Length and rate of a sequence of which every `step`-th frame is kept."""
    return replace(sequence, length=-(-sequence.length // step), fps=sequence.fps / step)


def between(table: Table, first: int, last: int) -> Table:
    """The rows of frames `first` to `last`, both included, with frames renumbered from 1."""
    kept: Table = table[(table[:, FRAME] >= first) & (table[:, FRAME] <= last)].copy()
    kept[:, FRAME] -= first - 1
    return kept


def stride_motion(motion: Table, step: int) -> Table:
    """(L, 2, 3) camera motion from frame to frame -> (ceil(L / step), 2, 3) from kept frame to kept frame."""
    square = np.zeros((len(motion), 3, 3))
    square[:, :2], square[:, 2, 2] = motion, 1
    kept = [np.eye(3)]
    for end in range(step, len(motion), step):
        product = np.eye(3)
        for affine in square[end - step + 1 : end + 1]:
            product = affine @ product
        kept.append(product)
    return np.asarray(np.stack(kept)[:, :2] if len(motion) else motion)


def _jittered(tlwh: Boxes, error: Boxes) -> Boxes:
    """(N, 4) boxes with their centre moved by error[:, :2] sizes and their sizes scaled by exp(error[:, 2:])."""
    box = xyxy_to_cxcywh(tlwh_to_xyxy(tlwh))
    moved = np.concatenate([box[:, :2] + error[:, :2] * box[:, 2:], box[:, 2:] * np.exp(error[:, 2:])], axis=1)
    return np.asarray(xyxy_to_tlwh(cxcywh_to_xyxy(moved)))


def _owners(detections: Table, objects: Table) -> NDArray[np.int64]:
    """(R,) id of the object each detection overlaps most, at least by half; -1 for none."""
    owner = np.full(len(detections), -1)
    for frame in np.unique(detections[:, FRAME]):
        rows, there = np.flatnonzero(detections[:, FRAME] == frame), objects[objects[:, FRAME] == frame]
        if len(there):
            overlap = iou(*(tlwh_to_xyxy(t[:, LEFT : HEIGHT + 1]) for t in (detections[rows], there)))
            owner[rows] = np.where(overlap.max(axis=1) >= 0.5, there[overlap.argmax(axis=1), ID], -1)
    return owner


def _burst_chances(share: float, frames: float) -> tuple[float, float]:
    """Chances to stay in and to enter a burst of mean length `frames`, such that `share` of all frames lie in one."""
    stay = 1 - 1 / max(frames, 1.0)
    return stay, (1 - stay) * share / max(1 - share, 1e-9)
