"""Make the sequences on which association is measured and tuned, in MOTChallenge's layout.

    python scripts/make_sets.py DATA OUT

DATA holds mot17/, mot15/, uadetrac/, sportsmot/{train,val}/ and kitti/, each a folder of MOTChallenge sequences. OUT
gets, for measuring: mot17 (validation halves, ByteTrack's split), mot17-fifth (the same at 1/5 of the frame rate),
uadetrac, sportsmot and kitti (ground truth degraded by a fixed seed), mot15; and in OUT/tune what may be tuned on:
first halves, other sequences, never a frame of the former (mot15 is the same in both).
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tracker.datasets import degrade
from tracker.datasets.mot import MotSequence, find_sequences, read_table, write_sequence

SEED = 0
STRIDE = 5
KITTI_VALIDATION = tuple(f"KITTI-{n}" for n in ("0002", "0005", "0008", "0011", "0016", "0019"))
UADETRAC_TUNING = ("MVI_20011", "MVI_20012", "MVI_20051", "MVI_20052")  # two of the four cameras
SPORTSMOT_TUNING = slice(0, None, 5)  # every fifth of the training sequences


def mot17_halves(data: Path, out: Path) -> None:
    """ByteTrack's split: the first n // 2 + 1 of n frames train. Those are degraded, because the detector saw them."""
    for sequence in find_sequences([data / "mot17"]):
        middle = sequence.length // 2 + 1
        for first, last, native, slow in (
            (1, middle, "tune/mot17", "tune/mot17-fifth"),
            (middle + 1, sequence.length, "mot17", "mot17-fifth"),
        ):
            half = dataclasses.replace(sequence, length=last - first + 1)
            truth = degrade.between(sequence.ground_truth(), first, last)
            found = degrade.between(read_table(sequence.detection_file), first, last)
            if first == 1:
                people = truth[truth[:, 7] == 1]
                found = degrade.degrade(found, people, sequence.fps, degrade.generator(SEED, sequence.name))
            motion = sequence.camera_motion()[first - 1 : last].copy()
            motion[0] = np.eye(3)[:2]
            write_sequence(out / native / sequence.name, half, truth, found, motion)
            write_sequence(
                out / slow / sequence.name,
                degrade.stride_sequence(half, STRIDE),
                degrade.stride(truth, STRIDE),
                degrade.stride(found, STRIDE),
                degrade.stride_motion(motion, STRIDE),
            )


def degraded(sequences: Iterable[MotSequence], out: Path) -> None:
    """Ground truth stands in for a detector: 5 % jitter, 10 % missed, 0.2 false positives a frame."""
    for sequence in sequences:
        truth = sequence.ground_truth()
        rng = degrade.generator(SEED, sequence.name)
        found = degrade.from_truth(truth, sequence.length, sequence.size, rng)
        write_sequence(out / sequence.name, sequence, truth, found)


def copied(sequences: Iterable[MotSequence], out: Path) -> None:
    """With the detections they came with."""
    for sequence in sequences:
        write_sequence(out / sequence.name, sequence, sequence.ground_truth(), read_table(sequence.detection_file))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    data, out = arguments.data, arguments.out

    mot17_halves(data, out)
    vehicles = [s for s in find_sequences([data / "uadetrac"]) if s.detection_file.is_file()]
    copied((s for s in vehicles if s.name not in UADETRAC_TUNING), out / "uadetrac")
    copied((s for s in vehicles if s.name in UADETRAC_TUNING), out / "tune" / "uadetrac")
    degraded(find_sequences([data / "sportsmot" / "val"]), out / "sportsmot")
    degraded(find_sequences([data / "sportsmot" / "train"])[SPORTSMOT_TUNING], out / "tune" / "sportsmot")
    driving = find_sequences([data / "kitti"])
    degraded((s for s in driving if s.name in KITTI_VALIDATION), out / "kitti")
    degraded((s for s in driving if s.name not in KITTI_VALIDATION), out / "tune" / "kitti")
    for folder in (out / "mot15", out / "tune" / "mot15"):
        copied(find_sequences([data / "mot15"]), folder)


if __name__ == "__main__":
    main()
