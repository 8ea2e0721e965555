"""How well features tell identities apart: rank-1 and mAP across gaps of time, and across cameras.

Across time, from sequences with ground truth: a query is one crop of an object; its gallery is every crop in the frame
`gap` seconds later, of the same class. A query counts where its own identity is in that gallery beside at least one
other. Occluded crops are left out: what is in front of an object belongs to another.

Across cameras, from folders of pictures (`datasets/reid_folders.py`): a query is a picture; its gallery are all others
but those of the same person by the same camera (Zheng et al., ICCV 2015). A query counts where another camera has a
picture of it.

Rank-1 is how often the most similar crop is its own; mAP is the mean over queries of the average precision, which for
one right answer is one over its rank.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import occluded_fraction, tlwh_to_xyxy
from tracker.datasets.mot import CLASS, FLAG, FRAME, HEIGHT, ID, LEFT, MotSequence
from tracker.datasets.reid_folders import pictures
from tracker.errors import DataError
from tracker.structures import Floats, Image, Ints
from tracker.system.images import read_image

GAPS_S = (1.0, 5.0, 10.0, 20.0)
MAX_OCCLUDED = 0.1  # share of a box that another one may occlude
RESAMPLES = 200  # of the bootstrap over identities
CAMERAS = "cameras"  # the row of what is measured across cameras, beside those of gaps
_CHUNK = 512  # queries compared at once


class Describes(Protocol):
    """What turns boxes into features: `embedder.Embedder`, `detector_features.DetectorFeatures`."""

    crop_size: tuple[int, int]
    device: Any

    def __call__(self, frame: Image, xyxy: Floats, /) -> Floats:
        """A frame and (N, 4) boxes -> (N, D) unit rows, NaN where nothing is visible."""


@dataclass(frozen=True)
class Embeddings:
    """Every ground-truth crop of a sequence that is not occluded.

    Attributes:
        features: (R, 512) float32 unit rows.
        ids, frames, classes: (R,) int64; frames ascend.
        fps: frames per second.
    """

    features: Floats
    ids: Ints
    frames: Ints
    classes: Ints
    fps: float


def embeddings(sequence: MotSequence, embedder: Describes, stride: int = 1) -> Embeddings:
    """Features of every `stride`-th frame's ground-truth boxes that are not occluded.

    Raises:
        DataError: no images, or no ground truth.
    """
    images = sequence.images()
    if not images:
        raise DataError(
            f"{sequence.folder} has no images; appearance is measured on sequences with {sequence.image_folder}"
        )
    truth = sequence.ground_truth()
    truth = truth[truth[:, FLAG] != 0]
    columns: list[tuple[Floats, Ints, Ints, Ints]] = []
    for index in range(0, len(images), stride):
        rows = truth[truth[:, FRAME] == index + 1]
        if not len(rows):
            continue
        boxes = tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1]).astype(np.float32)
        occluded = occluded_fraction(boxes, boxes)
        np.fill_diagonal(occluded, 0)
        features = embedder(read_image(images[index]), boxes)
        keep = (occluded.max(axis=1) <= MAX_OCCLUDED) & ~np.isnan(features).any(axis=1)
        ids, classes = rows[keep, ID].astype(np.int64), rows[keep, CLASS].astype(np.int64)
        columns.append((features[keep], ids, np.full(len(ids), index + 1), classes))
    if not columns:
        raise DataError(f"{sequence.ground_truth_file} has no box in any frame that has an image; check the folder")
    features, ids, frames, classes = (np.concatenate(column) for column in zip(*columns, strict=True))
    return Embeddings(features, ids, frames, classes, sequence.fps)


def ranks(seen: Embeddings, gap_s: float) -> tuple[Ints, Ints]:
    """Rank (from 1) of the right answer for each query across `gap_s` seconds, and the query's identity."""
    gap = max(1, round(gap_s * seen.fps))
    found: list[tuple[Ints, Ints]] = []
    for frame in np.unique(seen.frames):
        queries, gallery = np.flatnonzero(seen.frames == frame), np.flatnonzero(seen.frames == frame + gap)
        if not len(gallery):
            continue
        similarity = seen.features[queries] @ seen.features[gallery].T
        rivals = seen.classes[queries, None] == seen.classes[None, gallery]
        own = (seen.ids[queries, None] == seen.ids[None, gallery]) & rivals
        counts = own.any(axis=1) & (rivals.sum(axis=1) > 1)
        best = np.where(own, similarity, -np.inf).max(axis=1, keepdims=True)
        rank = 1 + (rivals & ~own & (similarity >= best)).sum(axis=1)
        found.append((rank[counts], seen.ids[queries][counts]))
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate([rank for rank, _ in found]), np.concatenate([ids for _, ids in found])


def across_cameras(folder: Path, embedder: Describes) -> tuple[Floats, Floats, Ints]:
    """Average precision of each query, whether its first answer is right, and whose picture it is, by number.

    Raises:
        DataError: no picture in `folder` names a person whom two cameras saw.
    """
    found = pictures(folder)
    number = {name: i for i, name in enumerate(sorted({picture.identity for picture in found}))}
    identity = np.array([number[picture.identity] for picture in found], np.int64)
    camera = np.array([picture.camera for picture in found], np.int64)
    features = []
    for picture in found:
        image = read_image(picture.file)
        height, width = image.shape[:2]
        features.append(embedder(image, np.array([[0, 0, width, height]], np.float32)))
    precision, first, asked = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)], [np.zeros(0, np.int64)]
    for start in range(0, len(found), _CHUNK):
        queries = np.arange(start, min(start + _CHUNK, len(found)))
        same = identity[queries, None] == identity
        elsewhere = camera[queries, None] != camera
        similarity = np.concatenate(features)[queries] @ np.concatenate(features).T
        order = np.argsort(np.where(same & ~elsewhere, -np.inf, similarity), axis=1)[:, ::-1]
        right = np.take_along_axis(same & elsewhere, order, axis=1)
        counts = right.any(axis=1)
        right = right[counts]
        hits = right.cumsum(axis=1) / np.arange(1, len(found) + 1)
        precision.append((hits * right).sum(axis=1) / right.sum(axis=1))
        first.append(right[:, 0].astype(np.float32))
        asked.append(identity[queries][counts])
    if not sum(map(len, asked)):
        raise DataError(
            f"{folder} holds no person whom two cameras saw; give a sequence with images and gt/, or pictures named as "
            "in Market-1501 (0002_c1s1_000451_03.jpg) or MSMT17"
        )
    return np.concatenate(precision), np.concatenate(first), np.concatenate(asked)


def measure(all_embeddings: Sequence[Embeddings], gaps_s: Sequence[float] = GAPS_S) -> dict[str, dict[str, float]]:
    """For each gap in seconds: rank1, map and rank1_error in percent, queries and identities.

    `rank1_error` is the standard error by resampling identities: crops of one person are not independent.
    """
    table: dict[str, dict[str, float]] = {}
    for gap in gaps_s:
        parts = [ranks(seen, gap) for seen in all_embeddings]
        rank = np.concatenate([part[0] for part in parts])
        identity = np.concatenate([part[1] + 1_000_000 * index for index, part in enumerate(parts)])
        table[f"{gap:g}"] = _row((1 / rank).astype(np.float32), rank == 1, identity)
    return table


def _row(precision: Floats, first: Floats | NDArray[np.bool_], identity: Ints) -> dict[str, float]:
    """The scores of (Q,) queries: their average precision, whether the first answer is right, and their identities."""
    people, member = np.unique(identity, return_inverse=True)
    row: dict[str, float] = {"queries": len(identity), "identities": len(people)}
    if len(identity):
        row["rank1"] = round(100 * float(first.mean()), 2)
        row["map"] = round(100 * float(precision.mean()), 2)
        row["rank1_error"] = round(100 * _bootstrap_error(first, member, len(people)), 2)
    return row


def _bootstrap_error(right: Floats | NDArray[np.bool_], member: Ints, people: int) -> float:
    """Standard deviation of the mean of `right` when identities are drawn anew with replacement."""
    total, hits = np.bincount(member, minlength=people), np.bincount(member, right, minlength=people)
    drawn = np.random.default_rng(0).integers(0, people, (RESAMPLES, people))
    return float((hits[drawn].sum(axis=1) / total[drawn].sum(axis=1)).std())


def milliseconds_per_crop(embedder: Describes, crops: int = 32, repeats: int = 15) -> float:
    """Cutting, resizing and the network, of `crops` boxes of 60x150 pixels in a frame; the best of `repeats`.

    Of a network that looks at whole frames (`DetectorFeatures`) it is a frame's time, shared out. On the CPU it is
    processor time, summed over threads: what one thread takes when nothing else runs.
    """
    clock = time.process_time if str(embedder.device) == "cpu" else time.perf_counter
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    left = 16.0 * np.arange(crops) % 560
    boxes = np.stack([left, np.full(crops, 100), left + 60, np.full(crops, 250)], axis=1)
    seconds = []
    for _ in range(repeats):
        start = clock()
        embedder(frame, boxes)
        seconds.append(clock() - start)
    return round(1000 * min(seconds) / crops, 3)


def evaluate(
    sequences: Sequence[MotSequence],
    embedders: dict[str, Describes],
    gaps_s: Sequence[float] = GAPS_S,
    stride: int = 1,
    folders: Sequence[Path] = (),
) -> dict[str, Any]:
    """One protocol for all networks: {name: {"crop_size", "ms_per_crop", "gaps": {seconds: row}, "sequences"}}.

    `folders` of pictures add the row `CAMERAS` to "gaps", over all of them, and each under its name to "sequences".
    """
    result: dict[str, Any] = {}
    for name, embedder in embedders.items():
        seen = {sequence.name: embeddings(sequence, embedder, stride) for sequence in sequences}
        gaps = measure(list(seen.values()), gaps_s) if seen else {}
        parts = {sequence: measure([part], gaps_s) for sequence, part in seen.items()}
        queries = [across_cameras(folder, embedder) for folder in folders]
        if queries:
            people = [identity + 1_000_000 * index for index, (_, _, identity) in enumerate(queries)]
            precision, first = (np.concatenate([query[i] for query in queries]) for i in range(2))
            gaps[CAMERAS] = _row(precision, first, np.concatenate(people))
            parts |= {folder.name: {CAMERAS: _row(*query)} for folder, query in zip(folders, queries, strict=True)}
        result[name] = {
            "crop_size": list(embedder.crop_size),
            "ms_per_crop": milliseconds_per_crop(embedder),
            "gaps": gaps,
            "sequences": parts,
        }
    return result


def plot(result: dict[str, Any], path: Path) -> None:
    """Rank-1 and mAP of each network over the rows of its table, where matplotlib is installed (the extra `train`)."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(6.6, 6.6), layout="constrained")
    for axis, (key, title) in zip(figure.subplots(2, 1), (("rank1", "rank-1, %"), ("map", "mAP, %")), strict=True):
        for name, model in result.items():
            rows = [(gap, row[key]) for gap, row in model["gaps"].items() if key in row]
            axis.plot([gap for gap, _ in rows], [value for _, value in rows], marker=".", label=name)
        axis.set(ylabel=title, xlabel="seconds apart, or across cameras")
        axis.grid(alpha=0.3)
    axis.legend()
    figure.savefig(path, dpi=180)
