"""HOTA against worse inputs, ours beside ByteTrack, BoT-SORT and TrackTrack (Ultralytics, thresholds of the paper).

    python scripts/studies/robustness.py SETS/mot17 --out OUT [--only drop,stride] [--config C] [--no-preproc]

Real detections are made worse one way at a time: detections dropped, boxes moved, false positives added, frames left
out. Leaves OUT/robustness.json and, once all curves are there, OUT/robustness.png. The others' numbers are kept from
run to run, ours are not.
"""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from functools import partial
from pathlib import Path

from options import Only, Out, Preset, Sequences, study
from peers import Factory, run, ultralytics
from tracker import Config, Tracker
from tracker.cli._options import Preproc
from tracker.datasets import degrade
from tracker.datasets.mot import MotSequence, find_sequences, read_table, write_sequence
from tracker.evaluation.tracking import score
from tracker.jobs.sequences import track_sequence

SEED = 0
CURVES: dict[str, tuple[float, ...]] = {
    "drop": (0, 0.1, 0.2, 0.3, 0.4, 0.5),
    "jitter": (0, 0.05, 0.1, 0.15, 0.2),
    "false_positives": (0, 0.5, 1, 1.5, 2),
    "stride": (1, 2, 3, 5, 7, 10),
}
LABELS = {
    "drop": "share of detections dropped",
    "jitter": "box noise, share of its size",
    "false_positives": "false positives a frame",
    "stride": "every k-th frame, k",
}
PEERS: dict[str, Factory] = {
    "ByteTrack": partial(ultralytics, "bytetrack", True, False),
    "BoT-SORT": partial(ultralytics, "botsort", True, True),
    "TrackTrack": partial(ultralytics, "tracktrack", True, True),
}
OURS = "ours"


def worse(sequence: MotSequence, how: str, level: float, out: Path) -> MotSequence:
    """A copy of the sequence in `out` with its input degraded; as it is at a curve's first level."""
    truth, found = sequence.ground_truth(), read_table(sequence.detection_file)
    motion = sequence.camera_motion()
    if how == "stride":
        step = int(level)
        truth, found, motion = (
            degrade.stride(truth, step),
            degrade.stride(found, step),
            degrade.stride_motion(motion, step),
        )
        sequence = degrade.stride_sequence(sequence, step)
    else:
        rng = degrade.generator(SEED, sequence.name)
        found = degrade.degraded(found, sequence.length, sequence.size, rng, degrade.Degradation(**{how: level}))
    return write_sequence(out / sequence.name, sequence, truth, found, motion)


def plot(table: dict[str, dict[str, dict[str, float]]], path: Path) -> None:
    import matplotlib.pyplot as plt

    plt.rcParams["font.size"] = 12
    figure, panels = plt.subplots(2, 2, figsize=(6.6, 6.6), sharey=True, layout="constrained")
    for panel, (how, levels) in zip(panels.flat, CURVES.items(), strict=True):
        for name in (OURS, *PEERS):
            heights = [table[name][how][f"{level:g}"] for level in levels]
            panel.plot(levels, heights, marker="o", markersize=4, linewidth=2.5 if name == OURS else 1.3, label=name)
        panel.set_xlabel(LABELS[how])
        panel.grid(alpha=0.3)
    panels[0, 0].set_ylabel("HOTA, %")
    panels[1, 0].set_ylabel("HOTA, %")
    panels[0, 0].legend()
    figure.savefig(path, dpi=180)


def main(roots: Sequences, out: Out, only: Only = "", preset: Preset = None, preproc: Preproc = True) -> None:
    """Score the tracker and its peers on ever worse inputs: sequences with det/det.txt, gmc.txt and gt/gt.txt."""
    os.environ["YOLO_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    out.mkdir(parents=True, exist_ok=True)
    record = out / "robustness.json"
    table = json.loads(record.read_text()) if record.is_file() else {}
    wanted = only.split(",") if only else list(CURVES)
    table[OURS] = {how: curve for how, curve in table.get(OURS, {}).items() if how not in wanted}
    tracker = Tracker(Config.load(preset) if preset else Config(), device="cpu")
    sequences = find_sequences(roots)
    for how in wanted:
        for level in CURVES[how]:
            with tempfile.TemporaryDirectory() as folder:
                root, results = Path(folder) / "data", Path(folder) / "results"
                results.mkdir()
                degraded = [worse(s, how, level, root) for s in sequences]
                for name in (OURS, *PEERS):
                    curve = table.setdefault(name, {}).setdefault(how, {})
                    if f"{level:g}" in curve:
                        continue
                    for sequence in degraded:
                        if name == OURS:
                            track_sequence(tracker, sequence, results / f"{sequence.name}.txt", strict_online=True)
                        else:
                            run(PEERS[name](sequence), sequence, results)
                    curve[f"{level:g}"] = score(root, results, preproc=preproc)["combined"]["HOTA"]
            at = ", ".join(f"{name} {table[name][how][f'{level:g}']:.2f}" for name in (OURS, *PEERS))
            print(f"{LABELS[how]} {level:g}: {at}", flush=True)
            record.write_text(json.dumps(table, indent=1) + "\n")
    if all(how in table[OURS] for how in CURVES):
        plot(table, out / "robustness.png")


if __name__ == "__main__":
    study(main)
