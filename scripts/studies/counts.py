"""How wrong counts are: crossings, entries and dwell of `Zones`, of supervision and of Ultralytics, beside the truth.

    pip install shapely                     # for Ultralytics' counter; supervision is in the extra of that name
    python scripts/studies/peers.py SETS/mot17 --out PEERS/mot17     # tracks of other trackers, for each set
    python scripts/studies/counts.py SETS --peers PEERS --out OUT [--only mot17] [--perfect] [--speed]

Each sequence gets ten lines and ten zones around places where objects are, drawn by its name and `SEED`. All trackers
get the same detections. Each tool is held against its own rule on the ground truth, so that what differs is not its
definition but its error, and all that are compared go by the same point of a box: feet are harder to find than
centres, and Ultralytics' `ObjectCounter` goes by centres alone. It has no dwell; supervision's `LineZone` and
`PolygonZone` have the time from first to last frame inside of its own example. Of the others the tracker whose counts
are best is shown for each set and column: nobody could have chosen better. With `--perfect` there is a row of perfect
association, too: what our rule makes of the same detections, each under the id of the object that it is of (IoU of a
half or more). In MOT17 the boxes of distractors (people on vehicles, static people, reflections) are taken from all
tools alike, as its own evaluation does.

Leaves OUT/counts.csv: for each set, anchor and tool the sum of all errors in percent of what there was.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.optimize import linear_sum_assignment

from accuracy import SETS
from options import Only, Out, Sets, study
from tracker import Config, Tracker, Tracks, Zones
from tracker.boxes import iou, tlwh_to_xyxy
from tracker.datasets import degrade
from tracker.datasets.mot import MotSequence, find_sequences, read_table
from tracker.evaluation.matching import of_distractors
from tracker.jobs.sequences import given
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.smoothing.offline import Recorder, post_processed
from tracker.structures import CONFIRMED, PREDICTED, Detections

SEED = 0
_SAME = 0.5  # IoU from which on a detection is of an object
PLACES = 10  # lines, and as many zones, of each sequence
SHOWN = ("mot17", "uadetrac", "hockey", "uavdt")
OURS = ("live", "half a second later", "offline")
PERFECT = "perfect association"
ANCHORS = ("bottom", "centre")
COLUMNS = ("crossings", "entries", "dwell")


@dataclass
class Found:
    """What a tool found at each line and zone, by name: crossings in and out, entries, mean seconds inside."""

    crossings: dict[str, tuple[int, int]] = field(default_factory=dict)
    entries: dict[str, int] = field(default_factory=dict)
    dwell_s: dict[str, float] = field(default_factory=dict)


@dataclass
class Error:
    """Sums over lines and zones: how far from the truth, and how much there was."""

    crossings: np.ndarray = field(default_factory=lambda: np.zeros(2))
    entries: np.ndarray = field(default_factory=lambda: np.zeros(2))
    dwell: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def add(self, found: Found, truth: Found) -> None:
        for name, true in truth.crossings.items():
            off = sum(abs(a - b) for a, b in zip(found.crossings.get(name, (0, 0)), true, strict=True))
            self.crossings += off, sum(true)
        for name, visits in truth.entries.items():
            self.entries += abs(found.entries.get(name, 0) - visits), visits
        for name, seconds in truth.dwell_s.items():
            visits = truth.entries[name]  # each counts as much as all others
            self.dwell += visits * abs(found.dwell_s.get(name, 0.0) - seconds), visits * seconds

    def percent(self) -> dict[str, float]:
        sums = {"crossings": self.crossings, "entries": self.entries, "dwell": self.dwell}
        return {name: 100 * off / there if there else math.nan for name, (off, there) in sums.items()}


def places(sequence: MotSequence, truth: np.ndarray) -> dict[str, Any]:
    """Lines and zones as `zones.yaml` has them, around feet of the ground truth."""
    rng = degrade.generator(SEED, sequence.name)
    size = np.array(sequence.size)
    feet = truth[:, 2:4] + truth[:, 4:6] * (0.5, 1)
    feet = feet[((feet > 0) & (feet < size)).all(axis=1)]
    said: dict[str, Any] = {"lines": {}, "zones": {}}
    for number in range(PLACES):
        angle, half = rng.uniform(0, math.pi), rng.uniform(0.08, 0.2) * size[0]
        centre = feet[rng.integers(len(feet))]
        ends = centre + half * np.array([[-math.cos(angle), -math.sin(angle)], [math.cos(angle), math.sin(angle)]])
        said["lines"][f"line {number}"] = {"points": np.clip(ends, 0, size).tolist()}
        centre = feet[rng.integers(len(feet))]
        angles = rng.uniform(0, math.pi / 2) + np.arange(4) * math.pi / 2
        reach = rng.uniform(0.06, 0.15, 4) * size[0]
        corners = centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        said["zones"][f"zone {number}"] = {"points": np.clip(corners, 0, size).tolist()}
    return said


def true_tracks(sequence: MotSequence, truth: np.ndarray) -> Iterator[Tracks]:
    """The objects of the ground truth, or what a tracker wrote in its format, as tracks."""
    begin = np.searchsorted(truth[:, 0], np.arange(1, sequence.length + 2))
    for frame in range(sequence.length):
        rows = truth[begin[frame] : begin[frame + 1]]
        rows = rows[(rows[:, 4:6] > 0).all(axis=1)]
        rows = rows[np.argsort(rows[:, 1], kind="stable")]
        box = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1).astype(np.float32)
        number, seen = np.zeros(len(rows), np.int64), np.full(len(rows), CONFIRMED)
        score = np.ones(len(rows), np.float32)
        index = np.arange(len(rows))
        about = frame / sequence.fps, 1 / sequence.fps
        yield Tracks(rows[:, 1].astype(np.int64), box, score, number, number, seen, index, *about)


def without_distractors(frames: Iterable[Tracks], truth: np.ndarray) -> list[Tracks]:
    """Frames without tracks that stand for what is neither right nor wrong in the whole ground truth of MOT17."""
    kept = []
    for number, tracks in enumerate(frames, 1):
        tracks = tracks[tracks.status != PREDICTED]
        objects = truth[truth[:, 0] == number]
        overlap = iou(tlwh_to_xyxy(objects[:, 2:6]), tracks.xyxy)
        kept.append(tracks[~of_distractors(objects, overlap)])
    return kept


def our_tracks(tracker: Tracker, sequence: MotSequence) -> dict[str, list[Tracks]]:
    """Of one run: as tracked, half a second later and offline, as the files are written."""
    tracker.reset()
    smoother: FixedLagSmoother[None] = FixedLagSmoother(tracker.config.bank.report_delay_s, tracker.config.offline)
    recorder, live, later = Recorder(), [], []
    for frame in given(tracker, sequence):
        tracks = frame.tracked(tracker)
        live.append(tracks)
        recorder.add(tracks, frame.detections, tracker.camera_motion, tracker.features)
        later += [rows for _, rows in smoother.push(None, tracks, tracker.camera_motion)]
    later += [rows for _, rows in smoother.flush()]
    table = post_processed(recorder.table(), tracker.config)
    offline = [table.at(position, {}) for position in range(len(recorder))]
    return dict(zip(OURS, (live, later, offline), strict=True))


def perfect(frames: Iterable[Tracks], detections: Iterable[Detections]) -> list[Tracks]:
    """The objects of the ground truth where they are detected, with the boxes of their detections."""
    found = []
    for objects, boxes in zip(frames, detections, strict=True):
        overlap = iou(objects.xyxy, boxes.xyxy)
        there, box = linear_sum_assignment(-overlap)
        same = overlap[there, box] >= _SAME
        found.append(replace(objects[there[same]], xyxy=boxes.xyxy[box[same]].astype(np.float32)))
    return found


def ours(said: dict[str, Any], frames: Iterable[Tracks], anchor: str) -> Found:
    by = {kind: {name: shape | {"anchor": anchor} for name, shape in shapes.items()} for kind, shapes in said.items()}
    zones, found = Zones.parsed(by, "drawn"), Found()
    for tracks in frames:
        zones.update(tracks)
    zones.finish()
    for row in zones.counts():
        if row.inside is None:
            found.crossings[row.zone] = row.ins, row.outs
        else:
            found.entries[row.zone], found.dwell_s[row.zone] = row.ins, row.mean_dwell_s or 0.0
    return found


def supervisions(said: dict[str, Any], frames: Iterable[Tracks], anchor: str) -> Found:
    import supervision as sv

    point = (sv.Position.BOTTOM_CENTER if anchor == "bottom" else sv.Position.CENTER,)
    lines = {
        name: sv.LineZone(*(sv.Point(*end) for end in shape["points"]), triggering_anchors=point)
        for name, shape in said["lines"].items()
    }
    zones = {name: sv.PolygonZone(np.array(shape["points"]), point) for name, shape in said["zones"].items()}
    seen: dict[str, dict[int, list[float]]] = {name: defaultdict(list) for name in zones}
    for tracks in frames:
        rows = sv.Detections(tracks.xyxy.copy(), class_id=tracks.classes, tracker_id=tracks.ids)
        for line in lines.values():
            line.trigger(rows)
        for name, zone in zones.items():
            for track in tracks.ids[zone.trigger(rows)].tolist() if len(rows) else ():
                seen[name][track].append(tracks.time_s)
    found = Found({name: (line.in_count, line.out_count) for name, line in lines.items()})
    for name, times in seen.items():
        found.entries[name] = len(times)
        found.dwell_s[name] = float(np.mean([t[-1] - t[0] for t in times.values()])) if times else 0.0
    return found


def ultralytics(said: dict[str, Any], frames: Iterable[Tracks], _centre: str) -> Found:
    """`ObjectCounter` without its network: what it does with the tracks of a frame."""
    from shapely.geometry import LineString, Point, Polygon
    from ultralytics.solutions import ObjectCounter

    counters = {}
    for name, shape in (said["lines"] | said["zones"]).items():
        counter = ObjectCounter.__new__(ObjectCounter)
        counter.LineString, counter.Polygon, counter.Point = LineString, Polygon, Point
        counter.region, counter.names = [tuple(point) for point in shape["points"]], {0: "object"}
        counter.in_count = counter.out_count = 0
        counter.counted_ids, counter.classwise_count = set(), defaultdict(lambda: {"IN": 0, "OUT": 0})
        counter.initialize_region()
        counters[name] = counter
    courses = [np.array(counter.region) for counter in counters.values()]
    low, high = (np.array([end(course, axis=0) for course in courses]) for end in (np.min, np.max))
    last: dict[int, tuple[float, float]] = {}
    for tracks in frames:
        for track, box in zip(tracks.ids.tolist(), tracks.xyxy.tolist(), strict=True):
            centre = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            before = last.get(track)
            last[track] = centre
            if before is None:
                continue
            near = (np.maximum(before, centre) >= low) & (np.minimum(before, centre) <= high)  # the others do nothing
            for place in np.flatnonzero(near.all(axis=1)).tolist():
                list(counters.values())[place].count_objects(centre, track, before, 0)
    found = Found()
    for name, counter in counters.items():
        if name in said["lines"]:
            found.crossings[name] = counter.in_count, counter.out_count
        else:
            found.entries[name] = counter.in_count + counter.out_count
    return found


Tool = Callable[[dict[str, Any], Iterable[Tracks], str], Found]
TOOLS: dict[str, tuple[Tool, tuple[str, ...]]] = {
    "supervision": (supervisions, ANCHORS),
    "Ultralytics": (ultralytics, ("centre",)),
}


def main(
    sets: Sets,
    out: Out,
    peers: Annotated[Path, typer.Option(help="Folder of what scripts/studies/peers.py left for each set.")],
    only: Only = "",
    with_perfect: Annotated[bool, typer.Option("--perfect", help="Also perfect association.")] = False,
    speed: Annotated[bool, typer.Option("--speed", help="Only how long 1,000 objects take with 50 zones.")] = False,
) -> None:
    """Count and compare."""
    if speed:
        print(f"1,000 objects, 25 lines and 25 zones: {measured_ms():.2f} ms a frame (median)")
        return
    os.environ["YOLO_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for key in only.split(",") if only else SHOWN:
        rows += compared(key, find_sequences([sets / key]), peers / key, with_perfect)
    with (out / "counts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["set", "anchor", "tool", "tracks", *COLUMNS], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def compared(key: str, sequences: list[MotSequence], peers: Path, with_perfect: bool) -> list[dict[str, str]]:
    """The rows of a set."""
    tracker = Tracker(Config().override({"appearance": {"enabled": False}}), device="cpu")
    others = sorted(path.name for path in peers.iterdir() if path.is_dir())
    errors: dict[tuple[str, str], dict[str, Error]] = defaultdict(lambda: defaultdict(Error))  # anchor, tool -> tracks
    for sequence in sequences:
        whole = sequence.ground_truth()
        truth = whole[(whole[:, 6] > 0) & (whole[:, 7] == 1)] if SETS[key] else whole[whole[:, 6] > 0]
        said = places(sequence, truth)
        objects = list(true_tracks(sequence, truth))

        def fair(frames: Iterable[Tracks], whole: np.ndarray = whole) -> list[Tracks]:
            return without_distractors(frames, whole) if SETS[key] else list(frames)

        own = {f"tracker, {mode}": fair(frames) for mode, frames in our_tracks(tracker, sequence).items()}
        if with_perfect:
            detections = (frame.detections for frame in given(tracker, sequence, always=True))
            own[PERFECT] = perfect(objects, detections)
        tables = {other: read_table(peers / other / f"{sequence.name}.txt") for other in others}
        ordered = {other: table[np.argsort(table[:, 0], kind="stable")] for other, table in tables.items()}
        theirs = {other: fair(true_tracks(sequence, table)) for other, table in ordered.items()}
        for anchor in ANCHORS:
            true = ours(said, objects, anchor)
            for name, frames in own.items():
                errors[anchor, name]["ours"].add(ours(said, frames, anchor), true)
            for name, (tool, anchors) in TOOLS.items():
                if anchor in anchors:
                    true = tool(said, objects, anchor)
                    for other, frames in theirs.items():
                        errors[anchor, name][other].add(tool(said, frames, anchor), true)
    rows = []
    for (anchor, tool_name), tracks in sorted(errors.items(), key=lambda item: ANCHORS.index(item[0][0])):
        of = {other: error.percent() for other, error in tracks.items()}
        best = {column: min(percent[column] for percent in of.values()) for column in COLUMNS}
        which = min(of, key=lambda other: of[other]["crossings"])
        shown = {column: "" if math.isnan(value) else f"{value:.1f}" for column, value in best.items()}
        rows.append({"set": key, "anchor": anchor, "tool": tool_name, "tracks": which} | shown)
        print(rows[-1], flush=True)
        print("   ", {other: {c: round(v, 1) for c, v in p.items()} for other, p in of.items()}, flush=True)
    return rows


def measured_ms(frames: int = 200) -> float:
    """Median milliseconds of a core of `Zones.update` for 1,000 objects on a 1080p frame with 25 lines and 25 zones."""
    rng, size = np.random.default_rng(SEED), np.array([1920, 1080])
    said: dict[str, Any] = {"lines": {}, "zones": {}}
    for number in range(25):
        ends = np.clip(rng.uniform(0, size) + [[-150, 0], [150, 0]], 0, size)
        angles, reach = (np.arange(5) + rng.uniform(0, 0.9, 5)) * 2 * math.pi / 5, rng.uniform(40, 140, 5)
        corners = rng.uniform(0.1, 0.9, 2) * size + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        said["lines"][f"line {number}"] = {"points": ends.tolist()}
        said["zones"][f"zone {number}"] = {"points": np.clip(corners, 0, size).tolist(), "dwell_s": 3}
    zones = Zones.parsed(said, "drawn")
    at, step = rng.uniform(0, size, (1000, 2)), rng.normal(0, 3, (1000, 2))
    shape = np.exp(rng.normal(np.log([25, 60]), 0.5, (1000, 2)))
    index, seconds = np.arange(1000), []
    for frame in range(frames):
        at = at + step
        step[(at < 0) | (at > size)] *= -1
        box = np.concatenate([at - shape / 2, at + shape / 2], axis=1).astype(np.float32)
        status, number = np.full(1000, CONFIRMED), np.zeros(1000, np.int64)
        about = np.ones(1000, np.float32), number, number, status, index, frame / 25, 1 / 25
        tracks = Tracks(index + 1, box, *about)
        start = time.process_time()
        zones.update(tracks)
        seconds.append(time.process_time() - start)
    return 1000 * float(np.median(seconds))


if __name__ == "__main__":
    study(main)
