"""Ground-truth tracks of MOTChallenge-style datasets, as the motion model is trained on them.

All tracks lie in flat arrays, one row for each frame from a track's first to its last, so that a batch of windows is
one gather. What is wrong with a dataset is said once, in a sentence with file and line, before training starts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.datasets.matching import by_frame, match_detections
from tracker.datasets.mot import FLAG, FRAME, HEIGHT, ID, LEFT, MotSequence, find_sequences, line_numbers, read_table
from tracker.errors import DataError
from tracker.structures import FEATURE_SIZE, Floats, Image
from tracker.system.images import read_image

SHORTEST = 6  # boxes of a track to learn from
SAME_VIDEO_IOU = 0.7  # two sequences whose boxes agree this well in every frame looked at are one video

Describe = Callable[[Image, Floats], Floats]  # a frame and (N, 4) boxes -> (N, 512) features, as `loop.Embedder`


@dataclass(frozen=True, eq=False)
class TrainingTracks:
    """R tracks, laid out one after the other in M rows, one row a frame.

    Attributes:
        xyxy: (M, 4) float32 true boxes in pixels; NaN where the object has none in the frame.
        detected: (M, 4) float32 boxes a real detector gave for it, NaN where none.
        scores: (M,) float32 their scores.
        embedding_row: (M,) int64 row of `embeddings` that the true box has, -1 where none.
        embeddings: (L, 512) float16 features of what the images show in the true boxes.
        first: (R,) int64 row of each track's first frame.
        length: (R,) int64 rows of each track.
        fps: (R,) float64 frames per second.
        frame_size: (R, 2) float32 width and height of the frame, NaN where unknown.
        group: (R,) int64 the dataset (root folder) a track is from, an index of `groups`.
        sequence: (R,) int64 the sequence it is from, an index of `sequences`.
        familiar: (R,) bool the detector was trained on these very images, so its boxes are better than elsewhere.
        groups: names of the datasets.
        sequences: names of the sequences.
    """

    xyxy: NDArray[np.float32]
    detected: NDArray[np.float32]
    scores: NDArray[np.float32]
    embedding_row: NDArray[np.int64]
    embeddings: NDArray[np.float16]
    first: NDArray[np.int64]
    length: NDArray[np.int64]
    fps: NDArray[np.float64]
    frame_size: NDArray[np.float32]
    group: NDArray[np.int64]
    sequence: NDArray[np.int64]
    familiar: NDArray[np.bool_]
    groups: tuple[str, ...]
    sequences: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.first)

    def subset(self, keep: NDArray[np.bool_]) -> TrainingTracks:
        """The tracks of a mask (R,); the rows stay where they are."""
        columns = {
            name: getattr(self, name)[keep]
            for name in ("first", "length", "fps", "frame_size", "group", "sequence", "familiar")
        }
        return replace(self, **columns)


Part = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int64], MotSequence]


def read_tracks(
    roots: Sequence[str | Path],
    hold_out: Iterable[str] = (),
    first_half: Iterable[str] = (),
    familiar: Iterable[str] = (),
    remark: Callable[[str], None] = lambda _: None,
    describe: Describe | None = None,
) -> TrainingTracks:
    """Every ground-truth track under `roots`, checked.

    Args:
        roots: sequence folders or folders of sequences; each root is one dataset, drawn from with its own weight.
        hold_out: names (shell patterns) of sequences that are left out.
        first_half: names of sequences of which only frames 1 to n/2 + 1 are read (MOT17's usual training half).
        familiar: names of sequences whose det/det.txt is of a detector that was trained on their images.
        remark: called with a sentence for each thing that is wrong or was skipped.
        describe: gives the embeddings, of the sequences that have images.

    Raises:
        DataError: a root without sequences, a file that cannot be read, or no track at all.
    """
    parts: list[Part] = []
    groups: list[int] = []
    for number, root in enumerate(roots):
        for sequence in find_sequences([root]):
            if any(fnmatch(sequence.name, pattern) for pattern in hold_out):
                remark(f"{sequence.name} is held out; it is not trained on")
                continue
            last = sequence.length
            if any(fnmatch(sequence.name, pattern) for pattern in first_half):
                last = sequence.length // 2 + 1
            part = _read_sequence(sequence, last, remark)
            if part is not None:
                parts.append(part)
                groups.append(number)
    if not parts:
        raise DataError(f"no ground-truth tracks in {', '.join(map(str, roots))}; give folders with gt/gt.txt")
    framed = [(part[4], part[0], _frames(part)) for part in parts]
    for one, other in same_videos(framed):
        remark(f"{one.folder} and {other.folder} are the same video; make sure that neither is used to validate")
    known = [any(fnmatch(part[4].name, pattern) for pattern in familiar) for part in parts]
    embeddings = [_embeddings(*part, describe, remark) for part in framed]
    return _joined(parts, embeddings, groups, known, tuple(map(str, roots)))


def _embeddings(
    sequence: MotSequence,
    xyxy: NDArray[np.float32],
    frames: NDArray[np.int64],
    describe: Describe | None,
    remark: Callable[[str], None],
) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
    """Of one sequence's M rows: (M,) which feature each has, -1 for none, and the (L, 512) features."""
    embedding_row = np.full(len(xyxy), -1, np.int64)
    images = sequence.images() if describe else []
    boxed = np.flatnonzero(np.isfinite(xyxy[:, 0]) & (frames <= len(images)))
    if describe is None or not len(boxed):
        return embedding_row, np.zeros((0, FEATURE_SIZE), np.float16)
    remark(f"{sequence.name} has images: the embeddings of its {len(boxed)} boxes are taken from them")
    numbers, groups = by_frame(frames[boxed])
    features = [
        describe(read_image(images[number - 1]), xyxy[boxed[rows]]).astype(np.float16)
        for number, rows in zip(numbers.tolist(), groups, strict=True)
    ]
    embeddings = np.concatenate(features)
    seen = ~np.isnan(embeddings[:, 0])
    embedding_row[boxed[np.concatenate(groups)[seen]]] = np.arange(seen.sum())
    return embedding_row, embeddings[seen]


def _read_sequence(sequence: MotSequence, last: int, remark: Callable[[str], None]) -> Part | None:
    """Rows of one sequence ordered by track, and the rows at which tracks begin."""
    if not sequence.ground_truth_file.is_file():
        remark(f"{sequence.folder} has no gt/gt.txt; the sequence is skipped")
        return None
    _check_file(sequence, remark)
    table = sequence.ground_truth()
    table = table[(table[:, FLAG] != 0) & (table[:, FRAME] <= last) & (table[:, LEFT + 2 : HEIGHT + 1] > 0).all(axis=1)]
    table = table[np.lexsort((table[:, FRAME], table[:, ID]))]
    if not len(table):
        remark(f"{sequence.ground_truth_file} has no box that counts (flag other than 0); the sequence is skipped")
        return None
    begins = np.flatnonzero(np.diff(table[:, ID], prepend=np.nan) != 0)
    ends = np.append(begins[1:], len(table)) - 1
    length = (table[ends, FRAME] - table[begins, FRAME] + 1).astype(np.int64)
    first = np.cumsum(length) - length
    track = np.repeat(np.arange(len(begins)), np.diff(np.append(begins, len(table))))
    row = first[track] + (table[:, FRAME] - table[begins[track], FRAME]).astype(np.int64)
    xyxy, detected = (np.full((int(length.sum()), 4), np.nan, np.float32) for _ in range(2))
    scores = np.zeros(len(xyxy), np.float32)
    xyxy[row] = tlwh_to_xyxy(table[:, LEFT : HEIGHT + 1])
    if sequence.detection_file.is_file():
        found = read_table(sequence.detection_file)
        box, score = match_detections(table, found)
        detected[row], scores[row] = box, score
    layout = np.stack([first, length, table[begins, FRAME].astype(np.int64)], axis=1)
    return xyxy, detected, scores, layout, sequence


def _check_file(sequence: MotSequence, remark: Callable[[str], None]) -> None:
    """Remarks on rows as they stand in the file, with the first line concerned."""
    path = sequence.ground_truth_file
    rows = read_table(path)
    lines = line_numbers(path)
    counted = (rows[:, ID] >= 0) & (rows[:, FLAG] != 0) if rows.shape[1] > FLAG else rows[:, ID] >= 0
    width, height = sequence.size

    def say(mask: NDArray[Any], what: str, then: str) -> None:
        where = np.flatnonzero(mask & counted)
        if len(where):
            remark(f"{path} line {lines[where[0]]}: {what} ({len(where)} in all); {then}")

    order = np.lexsort((rows[:, FRAME], rows[:, ID]))
    same = np.diff(rows[order, ID], prepend=np.nan) == 0
    step = np.diff(rows[order, FRAME], prepend=0)
    backwards = np.zeros(len(rows), bool)
    by_id = np.argsort(rows[:, ID], kind="stable")
    backwards[by_id] = (np.diff(rows[by_id, ID], prepend=np.nan) == 0) & (np.diff(rows[by_id, FRAME], prepend=0) < 0)
    gap = np.zeros(len(rows), bool)
    gap[order] = same & (step > 1)
    say(backwards, "an id goes back in time", "rows are put in order")
    say(gap, "an id is missing for some frames before this", "they are left open, not interpolated")
    say(
        np.asarray(rows[:, FRAME] > sequence.length),
        f"a frame after the last ({sequence.length})",
        "these boxes are skipped",
    )
    say(np.any(rows[:, LEFT + 2 : HEIGHT + 1] <= 0, axis=1), "a box without area", "these boxes are skipped")
    if width and height:
        box = tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1])
        outside = (box[:, 2] <= 0) | (box[:, 3] <= 0) | (box[:, 0] >= width) | (box[:, 1] >= height)
        say(outside, f"a box wholly outside the {width}x{height} image", "it is kept as it is; check the annotation")


def _frames(part: Part) -> NDArray[np.int64]:
    """(M,) frame number of each row of a sequence."""
    first, length, frame = part[3].T
    numbers: NDArray[np.int64] = np.repeat(frame - first, length) + np.arange(len(part[0]))
    return numbers


def same_videos(
    parts: Sequence[tuple[MotSequence, NDArray[Any], NDArray[np.int64]]], checks: int = 5
) -> list[tuple[MotSequence, MotSequence]]:
    """Pairs of sequences that show the same video: their boxes agree in each of `checks` frames both have boxes in.

    Boxes are compared as shares of the frame, so a scaled copy is found too. Each part is a sequence, its boxes
    (M, 4) and their frame numbers (M,).
    """
    found = []
    shares: list[tuple[MotSequence, dict[int, NDArray[Any]]]] = []
    for sequence, xyxy, frames in parts:
        size = np.array(sequence.size * 2, np.float64)
        keep = np.flatnonzero(np.isfinite(xyxy[:, 0]))
        numbers, groups = by_frame(frames[keep])
        share = xyxy[keep] / np.where(size > 0, size, 1)
        shares.append((sequence, {n: share[rows] for n, rows in zip(numbers.tolist(), groups, strict=True)}))
    for i, (one, boxes_of) in enumerate(shares):
        for other, other_boxes_of in shares[i + 1 :]:
            common = sorted(boxes_of.keys() & other_boxes_of.keys())
            chosen = common[:: max(1, (len(common) - 1) // (checks - 1))][:checks]
            if len(chosen) == checks and all(_agree(boxes_of[f], other_boxes_of[f]) for f in chosen):
                found.append((one, other))
    return found


def _agree(a: NDArray[Any], b: NDArray[Any]) -> bool:
    """Whether the boxes of the frame with fewer have each their like in the other."""
    overlap = iou(a, b) if len(a) <= len(b) else iou(b, a)
    return bool(overlap.max(axis=1).mean() >= SAME_VIDEO_IOU)


def _joined(
    parts: Sequence[Part],
    embeddings: Sequence[tuple[NDArray[np.int64], NDArray[np.float16]]],
    groups: Sequence[int],
    familiar: Sequence[bool],
    names: tuple[str, ...],
) -> TrainingTracks:
    offsets = np.cumsum([0, *(len(part[0]) for part in parts)])
    before = np.cumsum([0, *(len(features) for _, features in embeddings)])
    tracks = [len(part[3]) for part in parts]

    def per_track(values: Sequence[Any], dtype: Any) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype), tracks, axis=0)

    sizes = [part[4].size if all(part[4].size) else (np.nan, np.nan) for part in parts]
    return TrainingTracks(
        xyxy=np.concatenate([part[0] for part in parts]),
        detected=np.concatenate([part[1] for part in parts]),
        scores=np.concatenate([part[2] for part in parts]),
        embedding_row=np.concatenate(
            [
                np.where(embedding_row < 0, -1, embedding_row + n)
                for (embedding_row, _), n in zip(embeddings, before[:-1], strict=True)
            ]
        ),
        embeddings=np.concatenate([features for _, features in embeddings]),
        first=np.concatenate([part[3][:, 0] + offset for part, offset in zip(parts, offsets[:-1], strict=True)]),
        length=np.concatenate([part[3][:, 1] for part in parts]),
        fps=per_track([part[4].fps for part in parts], np.float64),
        frame_size=per_track(sizes, np.float32),
        group=per_track(groups, np.int64),
        sequence=per_track(range(len(parts)), np.int64),
        familiar=per_track(familiar, np.bool_),
        groups=names,
        sequences=tuple(part[4].name for part in parts),
    )


def split_by_sequence(tracks: TrainingTracks, share: float, seed: int) -> tuple[TrainingTracks, TrainingTracks]:
    """Training and validation tracks; whole sequences go to one or the other, at least one to each where there are two.

    Where there is one sequence, or a share of 0, all tracks are both: nothing is set aside.
    Drawn by chance, but those that are more than a tenth of their dataset last: they would be missed in training.
    """
    names = np.unique(tracks.sequence[tracks.length >= SHORTEST])  # the others have nothing to measure on
    if len(names) < 2 or share == 0:
        return tracks, tracks
    count = max(1, round(share * len(names)))
    size = np.bincount(tracks.sequence, weights=tracks.length)
    whole = np.bincount(tracks.group, weights=tracks.length)
    dataset = np.zeros(len(size), np.int64)
    dataset[tracks.sequence] = tracks.group
    drawn = np.random.default_rng(seed).permutation(names)
    chosen = sorted(drawn, key=lambda name: size[name] > 0.1 * whole[dataset[name]])[:count]
    aside = np.isin(tracks.sequence, chosen)
    return tracks.subset(~aside), tracks.subset(aside)
