"""Whether it pays to associate oriented boxes by their own overlap, and not by that of the upright boxes around them.

    python scripts/studies/oriented.py UAVDT --out OUT [--stride 6] [--only M0403,M0602] [--slim 2.5]

No oriented tracks are at hand, so they are made (synthetic): of real vehicles' upright boxes, seen by a drone (UAVDT),
detections with a detector's errors, then the whole scene is turned about the picture's middle by a known angle, or by
more in each frame; angles get an error of their own. Both ways track the same detections, and each tracked row is
scored as the upright box that its detection was before it was turned, so what is measured is association alone. The
oriented overlap is asked for the pairs that association lists; a track's box keeps the outline it was seen with last.

It does not pay: at 5 frames a second (2026-11-29, 7 sequences) HOTA and switches are 75.55 and 354 by upright boxes and
75.20 and 378 by oriented ones at 15 degrees, 75.11 and 379, 75.06 and 384 at 45, 73.08 and 524, 72.53 and 649 where the
drone turns by 10 degrees a second (the mean of both overlaps: 72.85 and 556); at 30 frames a second there is nothing
between them. With every box at least 2.5 times as long as wide (`--slim 2.5 --only M0101,M0403,M0602`, 2026-11-30), as
rows of vehicles are from right above, it is 77.32 and 151 against 76.55 and 171 at 45 degrees, 74.25 and 146 against
71.91 and 182 at 2 frames a second. Oriented boxes leave each other sooner, which loses more objects than it tells
apart. So the tracker matches upright boxes, and carries the oriented ones.

Leaves OUT/oriented.csv: scene, way -> HOTA, AssA, IDF1, switches, and milliseconds a frame.
"""

from __future__ import annotations

import contextlib
import csv
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import tracker.tracker as whole
from options import Only, Out, Sequences, study
from tracker import Config, Detections, Tracker
from tracker.association.assignment import Candidates
from tracker.association.stages import TrackPredictions, motion_terms, reachable
from tracker.boxes import tlwh_to_xyxy, xyxy_to_cxcywh
from tracker.columns.oriented import Array, corners_of, enclosing
from tracker.config import AssociationConfig
from tracker.datasets.lifelike import ANY_WAY_UP, from_truth
from tracker.datasets.mot import FRAME, HEIGHT, LEFT, SCORE, MotSequence, Table, find_sequences, write_sequence
from tracker.evaluation.tracking import score
from tracker.structures import Tracks

SCENES = {"upright": (0, 0), "15 deg": (15, 0), "30 deg": (30, 0), "45 deg": (45, 0), "10 deg/s": (0, 10)}
WAYS = ("upright boxes around them", "oriented boxes")
CROWDED = "M0101,M0202,M0401,M0402,M0403,M0601,M0602"
_ANGLE_ERROR = np.radians(2.0)
COLUMNS = ("HOTA", "AssA", "IDF1", "IDSW")


def main(
    roots: Sequences,
    out: Out,
    only: Only = CROWDED,
    frames: Annotated[int, typer.Option(help="Of each sequence, from its beginning.")] = 600,
    stride: Annotated[int, typer.Option(help="Every so many frames are looked at: 6 of UAVDT's are 5 a second.")] = 6,
    slim: Annotated[float, typer.Option(help="Boxes are made at least so many times as long as wide; 0: not.")] = 0,
    scenes: Annotated[str, typer.Option(help="Some of the turns, separated by commas.")] = ",".join(SCENES),
) -> None:
    """Track the turned scenes in both ways."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = [s for s in find_sequences(roots) if s.name in only.split(",")]
    cut = []
    for number, sequence in enumerate(chosen):
        short = replace(sequence, length=min(frames, sequence.length) // stride, fps=sequence.fps / stride)
        truth = sequence.ground_truth()
        truth = truth[(truth[:, FRAME] % stride == 0) & (truth[:, FRAME] <= short.length * stride)]
        truth[:, FRAME] //= stride
        if slim:
            truth = slimmed(truth, slim)
        rng = np.random.default_rng(number)
        found = from_truth(truth, short.length, short.fps, short.size, rng, ANY_WAY_UP)
        cut.append((write_sequence(out / "truth" / sequence.name, short, truth), found))
    with (out / "oriented.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["scene", "way", *COLUMNS, "ms a frame"])
        for scene in scenes.split(","):
            angle, speed = SCENES[scene]
            for way in WAYS:
                folder = out / "tracks" / scene.replace("/", " a ") / way
                folder.mkdir(parents=True, exist_ok=True)
                seconds = sum(_tracked(s, f, angle, speed, way == WAYS[1], folder / f"{s.name}.txt") for s, f in cut)
                scores = score(out / "truth", folder, preproc=False)["combined"]
                row = [*(round(scores[name], 2) for name in COLUMNS)]
                row.append(round(1000 * seconds / sum(s.length for s, _ in cut), 2))
                table.writerow([scene, way, *row])
                file.flush()
                print(f"{scene:9} {way:26}", *row, flush=True)


def slimmed(truth: Table, ratio: float) -> Table:
    """The same rows, the shorter side of each box at most a `ratio`-th of the longer, about the same middle."""
    upright = tlwh_to_xyxy(truth[:, LEFT : HEIGHT + 1])
    size = upright[:, 2:] - upright[:, :2]
    short = np.argmin(size, axis=1)
    row = np.arange(len(size))
    wide = np.minimum(size[row, short], size.max(axis=1) / ratio)
    made = truth.copy()
    made[row, LEFT + short] += (size[row, short] - wide) / 2
    made[row, LEFT + 2 + short] = wide
    return made


def _tracked(sequence: MotSequence, found: Table, angle: float, speed: float, oriented: bool, file: Path) -> float:
    """Track one turned sequence, write its rows as they were before; seconds that `update` took."""
    tracker = Tracker(Config(), device="cpu")
    overlap = OrientedOverlap(tracker)
    rng = np.random.default_rng(0)
    middle = np.array(sequence.size) / 2
    seconds, lines = 0.0, []
    for number in range(1, sequence.length + 1):
        rows = found[found[:, FRAME] == number]
        upright = tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1])
        by = np.radians(angle + speed * (number - 1) / sequence.fps)
        boxes = xyxy_to_cxcywh(upright)
        turn = np.array([[np.cos(by), -np.sin(by)], [np.sin(by), np.cos(by)]])
        boxes[:, :2] = (boxes[:, :2] - middle) @ turn.T + middle
        corners = corners_of(boxes, by + _ANGLE_ERROR * rng.standard_normal(len(boxes)))
        around = enclosing(corners)
        detections = Detections(around, rows[:, SCORE], corners=corners)
        begin = time.perf_counter()
        with overlap.of(detections) if oriented else contextlib.nullcontext():
            tracks = tracker.update(None, detections, time_s=(number - 1) / sequence.fps)
        seconds += time.perf_counter() - begin
        overlap.see(tracks)
        tracks = tracks.confirmed
        for track, row in zip(tracks.ids.tolist(), tracks.detection_index.tolist(), strict=True):
            if row >= 0:
                box = ",".join(f"{value:.2f}" for value in rows[row, LEFT : HEIGHT + 1])
                lines.append(f"{number},{track},{box},1,-1,-1,-1\n")
    file.write_text("".join(lines))
    return seconds


class OrientedOverlap:
    """What is tried: the overlap of oriented boxes in the place of the upright ones', for one tracker."""

    def __init__(self, tracker: Tracker) -> None:
        self._bank, self._corners = tracker._bank, np.zeros((0, 4, 2))
        self._outlines: dict[int, Array] = {}  # of tracks, (4, 2) corners in shares of the box around them

    @contextlib.contextmanager
    def of(self, found: Detections) -> Iterator[None]:
        """While a frame with these detections is tracked, which the tracker sorts."""
        assert found.corners is not None
        self._corners = found.corners[np.lexsort((*found.xyxy.T[::-1], -found.scores))]
        before = whole.motion_similarity
        whole.motion_similarity = self._similarity
        try:
            yield
        finally:
            whole.motion_similarity = before

    def see(self, tracks: Tracks) -> None:
        """How the oriented boxes of a frame's tracks lie."""
        assert tracks.corners is not None
        around = enclosing(tracks.corners)
        outlines = (tracks.corners - around[:, None, :2]) / (around[:, 2:] - around[:, :2])[:, None]
        seen = tracks.detection_index >= 0
        self._outlines |= dict(zip(tracks.ids[seen].tolist(), outlines[seen], strict=True))

    def _similarity(self, tracks: TrackPredictions, found: Detections, config: AssociationConfig) -> Candidates:
        row, column, ratio = reachable(tracks, found, config)
        overlap, height, same_class = motion_terms(tracks, found, row, column, ratio, config)
        unknown = np.full((4, 2), np.nan)
        ids = self._bank.ids(self._bank.live).tolist()
        outline = np.array([self._outlines.get(i, unknown) for i in ids]).reshape(-1, 4, 2)
        asked = np.flatnonzero((overlap > 0) & ~np.isnan(outline[row, 0, 0]))
        r, c, grown = row[asked], column[asked], ratio[row[asked]]
        size = tracks.xyxy[r, 2:] - tracks.xyxy[r, :2]
        corner = tracks.xyxy[r, :2] - grown * size
        own = corner[:, None] + outline[r] * (size * (1 + 2 * grown))[:, None]
        middle = (found.xyxy[c, None, :2] + found.xyxy[c, None, 2:]) / 2
        overlap[asked] = paired_iou(own, middle + (self._corners[c] - middle) * (1 + 2 * grown[:, None]))
        similarity = overlap * height * same_class
        return Candidates(row, column, similarity).take(similarity.nonzero()[0])


def area(corners: Array) -> Array:
    """(N, K, 2) -> (N,) square pixels of polygons, whichever way round (the shoelace formula); 0 where NaN."""
    x, y = np.moveaxis(corners - corners[:, :1], 2, 0)  # near the origin: nothing is lost to rounding
    twice: Array = np.abs((x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1))
    size: Array = np.nan_to_num(twice / 2)
    return size


def paired_intersection(a: Array, b: Array) -> Array:
    """(P, 4, 2), (P, 4, 2) convex quadrilaterals -> (P,) square pixels that both of a pair cover.

    Sutherland & Hodgman's clipping (CACM 1974), of all pairs at once: `a` is cut along each edge of `b` in turn. A cut
    leaves K corners at most one more; what has fewer repeats its last one, which adds no area.
    """
    centre = b.mean(axis=1, keepdims=True)
    polygon, clip = a - centre, b - centre
    count = np.full(len(a), polygon.shape[1])
    begin, end = clip, np.roll(clip, -1, axis=1)
    x, y = np.moveaxis(clip, 2, 0)
    turn = np.sign((x * np.roll(y, -1, axis=1) - np.roll(x, -1, axis=1) * y).sum(axis=1))
    for edge in range(clip.shape[1]):
        along = (end[:, edge] - begin[:, edge])[:, None]
        off = polygon - begin[:, edge, None]
        side = turn[:, None] * (along[..., 0] * off[..., 1] - along[..., 1] * off[..., 0])  # from 0: inside
        polygon, count = _cut(polygon, side, count)
    return area(polygon)


def _cut(polygon: Array, side: Array, count: Array) -> tuple[Array, Array]:
    """Polygons (P, K, 2) of `count` (P,) corners, without what is outside: where `side` (P, K) is below 0."""
    corner = np.arange(polygon.shape[1])
    real = corner < count[:, None]
    following = np.where(corner + 1 < count[:, None], corner + 1, 0)
    row = np.arange(len(polygon))[:, None]
    other, other_side = polygon[row, following], side[row, following]
    inside = real & (side >= 0)
    crosses = real & ((side >= 0) != (other_side >= 0))
    share = np.divide(side, side - other_side, out=np.zeros_like(side), where=crosses)[..., None]
    both = np.stack([polygon, polygon + share * (other - polygon)], axis=2).reshape(len(polygon), 2 * len(corner), 2)
    kept = np.stack([inside, crosses], axis=2).reshape(len(polygon), 2 * len(corner))
    left = kept.sum(axis=1)
    most = max(1, int(left.max(initial=0)))
    order = np.argsort(~kept, axis=1, kind="stable")[:, :most]
    order = np.where(np.arange(most) < left[:, None], order, order[:, :1])
    cut = both[row, order]
    cut[left == 0] = 0
    return cut, left


def paired_iou(a: Array, b: Array) -> Array:
    """(P, 4, 2), (P, 4, 2) -> (P,) intersection over union; 0 where a corner is NaN."""
    common = paired_intersection(a, b)
    union = area(a) + area(b) - common
    return common / np.where(union > 0, union, np.inf)


if __name__ == "__main__":
    study(main)
