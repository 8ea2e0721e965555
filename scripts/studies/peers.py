"""Run other trackers on MOTChallenge sequences, from the very detections that `track eval` reads.

    pip install boxmot trackers            # Ultralytics comes with tracker
    python scripts/studies/peers.py ROOT... --out DIR [--peers NAME,...] [--no-preproc]

leaves DIR/PEER/SEQUENCE.txt and run.yaml, ready for `track eval ROOT --against DIR/PEER`, and DIR/peers.json with the
scores and the frames/s of each tracker's `update`. No images: motion only, for every tracker. `-mot`: thresholds
0.6/0.1/0.7 as in the ByteTrack paper; without: the package's defaults. `-gmc`: with the camera motion of gmc.txt, where
it exists.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from options import Out, Sequences, study
from tracker.cli._options import Preproc
from tracker.datasets import degrade
from tracker.datasets.mot import MotSequence, find_sequences, read_table, write_sequence
from tracker.evaluation.tracking import score
from tracker.provenance import yaml_text

Update = Callable[[np.ndarray], np.ndarray]  # (N, 6) xyxy, score, class -> (M, 6) xyxy, id, score
Factory = Callable[[MotSequence], Update]


class MotionFromFile:
    """In the place of Ultralytics' camera motion estimator: the affine of the file instead of one from images."""

    method = "file"

    def __init__(self, motion: np.ndarray) -> None:
        self._motion = iter(motion)

    def apply(self, *_: Any) -> np.ndarray:
        return np.asarray(next(self._motion))

    def reset_params(self) -> None:
        """Nothing is kept between frames but the place in the file."""


def ultralytics(kind: str, paper_thresholds: bool, camera_motion: bool, sequence: MotSequence) -> Update:
    import ultralytics
    from ultralytics.engine.results import Boxes
    from ultralytics.trackers.track import TRACKER_MAP
    from ultralytics.utils import YAML, IterableSimpleNamespace

    settings = YAML.load(Path(ultralytics.__file__).parent / "cfg" / "trackers" / f"{kind}.yaml")
    settings |= {"gmc_method": "none", "device": "cpu"}
    if paper_thresholds:
        match = 0.9 if kind == "bytetrack" else 0.8
        settings |= {"track_high_thresh": 0.6, "track_low_thresh": 0.1, "new_track_thresh": 0.7, "match_thresh": match}
    tracker = TRACKER_MAP[settings["tracker_type"]](args=IterableSimpleNamespace(**settings))
    if camera_motion:
        tracker.gmc = MotionFromFile(sequence.camera_motion())
    image = np.zeros((sequence.size[1], sequence.size[0], 3), np.uint8)

    def update(found: np.ndarray) -> np.ndarray:
        return np.asarray(tracker.update(Boxes(found, image.shape[:2]), image)).reshape(-1, 8)[:, :6]

    return update


def boxmot(kind: str, settings: dict[str, Any], sequence: MotSequence) -> Update:
    import boxmot

    if kind in ("ByteTrack", "BotSort"):
        settings = settings | {"frame_rate": max(1, round(sequence.fps))}
    tracker = getattr(boxmot, kind)(**settings)
    image = np.zeros((sequence.size[1], sequence.size[0], 3), np.uint8)

    def update(found: np.ndarray) -> np.ndarray:
        rows = np.asarray(tracker.update(found, image))
        return rows[:, :6] if len(rows) else np.zeros((0, 6))

    return update


def roboflow(kind: str, settings: dict[str, Any], sequence: MotSequence) -> Update:
    import supervision
    import trackers

    tracker = getattr(trackers, kind)(frame_rate=sequence.fps, **settings)

    def update(found: np.ndarray) -> np.ndarray:
        seen = supervision.Detections(
            xyxy=found[:, :4].copy(), confidence=found[:, 4].copy(), class_id=found[:, 5].astype(int)
        )
        rows = tracker.update(seen)
        if not len(rows):
            return np.zeros((0, 6))
        table = np.c_[rows.xyxy, rows.tracker_id, rows.confidence]
        return table[table[:, 4] >= 0]

    return update


def peers() -> dict[str, Factory]:
    table: dict[str, Factory] = {}
    for kind in ("bytetrack", "botsort", "ocsort", "deepocsort", "fasttrack", "tracktrack"):
        for thresholds in (True, False):
            name = f"ultralytics-{kind}" + "-mot" * thresholds
            table[name] = partial(ultralytics, kind, thresholds, False)
            if kind in ("botsort", "deepocsort", "tracktrack"):
                table[f"{name}-gmc"] = partial(ultralytics, kind, thresholds, True)
    still = {"use_embeddings": False}
    for kind, settings in {
        "ByteTrack": {"track_thresh": 0.6, "match_thresh": 0.9, "track_buffer": 30},
        "OcSort": {"det_thresh": 0.6},
        "DeepOcSort": {"det_thresh": 0.6, "cmc_off": True} | still,
        "BotSort": {"track_high_thresh": 0.6, "new_track_thresh": 0.7, "use_cmc": False} | still,
        "BoostTrack": {
            "use_cmc": False,
            "use_rich_s": True,
            "use_sb": True,
            "use_vt": True,
            "s_sim_corr": True,
            "det_thresh": 0.6,
        },
        "OccluBoost": {"use_cmc": False, "det_thresh": 0.6, "gta_enabled": False} | still,
        "SFSORT": {},
    }.items():
        table[f"boxmot-{kind.lower()}"] = partial(boxmot, kind, settings)
    for kind in ("SORT", "ByteTrack", "OCSORT", "CBIoU", "BoTSORT", "McByte"):
        settings = {"enable_cmc": False} if kind in ("BoTSORT", "McByte") else {}
        table[f"roboflow-{kind.lower()}"] = partial(roboflow, f"{kind}Tracker", settings)
    return table


def run(update: Update, sequence: MotSequence, out: Path) -> float:
    """Write out/SEQUENCE.txt; return the seconds spent in `update`."""
    table = read_table(sequence.detection_file)
    seconds, lines = 0.0, []
    for frame in range(1, sequence.length + 1):
        rows = table[table[:, 0] == frame]
        found = np.c_[rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6], rows[:, 6], np.zeros(len(rows))].astype(np.float32)
        start = time.perf_counter()
        tracks = update(found)
        seconds += time.perf_counter() - start
        lines += [
            f"{frame},{identity:.0f},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{confidence:.3f},-1,-1,-1\n"
            for x1, y1, x2, y2, identity, confidence in tracks
        ]
    (out / f"{sequence.name}.txt").write_text("".join(lines))
    return seconds


def main(
    roots: Sequences,
    out: Out,
    names: Annotated[str, typer.Option("--peers", help="Some of them, separated by commas. Default: all.")] = "",
    preproc: Preproc = True,
    vid_stride: Annotated[int, typer.Option(help="Every K-th frame, camera motion composed.")] = 1,
    degrade: Annotated[
        int | None, typer.Option(metavar="SEED", help="Degraded ground truth in place of det/det.txt.")
    ] = None,
) -> None:
    """Run and score the peers."""
    os.environ["YOLO_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        sequences = find_sequences(roots)
        if vid_stride > 1 or degrade is not None:
            sequences = [altered(s, Path(folder), vid_stride, degrade) for s in sequences]
        compare(sequences, out, names.split(",") if names else [], preproc)


def altered(sequence: MotSequence, out: Path, step: int, seed: int | None) -> MotSequence:
    """A copy at a lower rate and, with a seed, with detections from its ground truth."""
    truth = sequence.ground_truth()
    if seed is None:
        found = read_table(sequence.detection_file)
    else:
        found = degrade.from_truth(truth, sequence.length, sequence.size, degrade.generator(seed, sequence.name))
    motion = sequence.camera_motion() if sequence.camera_motion_file.is_file() else None
    return write_sequence(
        out / sequence.name,
        degrade.stride_sequence(sequence, step),
        degrade.stride(truth, step),
        degrade.stride(found, step),
        None if motion is None else degrade.stride_motion(motion, step),
    )


def compare(sequences: list[MotSequence], out: Path, names: list[str], preproc: bool) -> None:
    """Run and score the peers; one that fails is said so and left out."""
    table = peers()
    moving = all(s.camera_motion_file.is_file() for s in sequences)
    scores_file = out / "peers.json"
    scores = json.loads(scores_file.read_text()) if scores_file.is_file() else {}
    for name in names or [n for n in table if moving or not n.endswith("-gmc")]:
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            seconds = sum(run(table[name](s), s, folder) for s in sequences)
        except Exception as error:  # another package's: any kind can come out of it
            print(f"{name}: failed: {type(error).__name__}: {error}", flush=True)
            continue
        metrics = score([s.folder for s in sequences], folder, preproc=preproc)
        fps = sum(s.length for s in sequences) / seconds
        record = {"sequences": {s.name: str(s.folder) for s in sequences}, "strict_online": True, "offline": False}
        (folder / "run.yaml").write_text(yaml_text(record))
        scores[name] = metrics["combined"] | {"update_fps": round(fps, 1)}
        scores_file.write_text(json.dumps(scores, indent=1))
        print(f"{name}: HOTA {scores[name]['HOTA']:.2f}, {fps:.0f} frames/s in update", flush=True)


if __name__ == "__main__":
    study(main)
