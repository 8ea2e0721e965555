"""Make the sequences on which association is measured and tuned, in MOTChallenge's layout.

    python scripts/make_sets.py DATA OUT

DATA holds mot17/, mot15/, uadetrac/, sportsmot/{train,val}/, kitti/, dancetrack/, hockey/, jaad/ and uavdt/, each a
folder of MOTChallenge sequences. OUT gets, for measuring: mot17 (validation halves, ByteTrack's split), mot17-fifth
(the same at 1/5 of the frame rate), uadetrac, mot15, dancetrack, kitti-cars and kitti-people (real detections);
sportsmot, kitti, hockey, jaad and uavdt (detections made from ground truth by a fixed seed, `datasets/lifelike.py`);
hockey, dancers and sports at strides of 2 to 10 (made likewise); and synthetic (`synthetic_kinds.py`: balls, insects,
aircraft, generated). In OUT/tune is what may be tuned on: first halves, other sequences, never a frame of the former
(mot15 is the same in both). Which sequences those are was written down here before anything was tuned on them.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import synthetic_kinds

from tracker.datasets import degrade, lifelike
from tracker.datasets.mot import MotSequence, find_sequences, read_table, write_sequence

SEED = 0
STRIDE = 5
KITTI_VALIDATION = tuple(f"KITTI-{n}" for n in ("0002", "0005", "0008", "0011", "0016", "0019"))
UADETRAC_TUNING = ("MVI_20011", "MVI_20012", "MVI_20051", "MVI_20052")  # two of the four cameras
SPORTSMOT_TUNING = slice(0, None, 5)  # every fifth of the training sequences
DANCETRACK_TUNING = slice(0, None, 2)  # of the sequences by name; the others are for measuring
JAAD_TUNING, JAAD_MEASURING = slice(0, None, 16), slice(8, None, 16)
HOCKEY_TUNING = ("CAR", "CHI", "STL")  # three of the six games, one sequence of each; of the others ...
HOCKEY_MEASURING = ("CGY_vs_DAL_001", "PIT_VS_SJ_2019_001", "allstar_2019_002")
UAVDT_TUNING, UAVDT_MEASURING = ("M01", "M02", "M03"), ("M04", "M05", "M06")  # places; every second video
FRAMES = 300  # at most, of a sequence to tune on; to measure three times as many
STRIDES = (2, 4, 7, 10)
STRIDED = 100  # frames that are kept, at most
CAR, VAN, PEDESTRIAN = 1, 2, 4  # KITTI's classes


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


def made(
    sequences: Iterable[MotSequence],
    out: Path,
    frames: int | None = None,
    step: int = 1,
    error: tuple[float, ...] = lifelike.UPRIGHT,
) -> None:
    """Ground truth stands in for a detector, with a detector's errors; of each the first frames, every `step`-th."""
    for sequence in sequences:
        length = sequence.length if frames is None else min(sequence.length, frames * step)
        part = dataclasses.replace(sequence, length=length)
        truth = degrade.between(sequence.ground_truth(), 1, length)
        rng = degrade.generator(SEED, sequence.name)
        found = lifelike.from_truth(truth, length, sequence.fps, sequence.size, rng, error)
        name = sequence.name + (f"-stride{step}" if step > 1 else "")
        tables = (degrade.stride(table, step) for table in (truth, found))
        write_sequence(out / name, degrade.stride_sequence(part, step), *tables)


def strided(sequences: Iterable[MotSequence], out: Path) -> None:
    """Motion by more than an object's size."""
    for sequence in sequences:
        for step in STRIDES:
            made([sequence], out, STRIDED, step)


def copied(sequences: Iterable[MotSequence], out: Path, frames: int | None = None) -> None:
    """With the detections they came with."""
    for sequence in sequences:
        part = dataclasses.replace(sequence, length=min(sequence.length, frames or sequence.length))
        truth, found = sequence.ground_truth(), read_table(sequence.detection_file)
        tables = (degrade.between(table, 1, part.length) for table in (truth, found))
        write_sequence(out / sequence.name, part, *tables)


def of_class(sequences: Iterable[MotSequence], out: Path, detected: int, objects: tuple[int, ...]) -> None:
    """KITTI with one class of its PointRCNN detections, and the objects that these may be."""
    for sequence in sequences:
        truth, found = sequence.ground_truth(), read_table(sequence.detection_file)
        truth = truth[np.isin(truth[:, 7], objects)]
        if len(truth):
            write_sequence(out / sequence.name, sequence, truth, found[found[:, 7] == detected])


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
    sports = {"": find_sequences([data / "sportsmot" / "val"])}
    sports["tune"] = find_sequences([data / "sportsmot" / "train"])[SPORTSMOT_TUNING]
    driving = find_sequences([data / "kitti"])
    dancers, dashcam = find_sequences([data / "dancetrack"]), find_sequences([data / "jaad"])
    games, drone = find_sequences([data / "hockey"]), find_sequences([data / "uavdt"])
    rest = [s for s in dancers if s not in dancers[DANCETRACK_TUNING]]
    first_of = {s.name[:3]: s for s in reversed(games)}
    for part, tuning in (("", False), ("tune", True)):
        here, frames = out / part, FRAMES if tuning else 3 * FRAMES
        made(sports[part], here / "sportsmot")
        made((s for s in driving if (s.name in KITTI_VALIDATION) != tuning), here / "kitti")
        for name, detected, objects in (("kitti-cars", CAR, (CAR, VAN)), ("kitti-people", PEDESTRIAN, (PEDESTRIAN,))):
            of_class((s for s in driving if (s.name in KITTI_VALIDATION) != tuning), here / name, detected, objects)
        danced = dancers[DANCETRACK_TUNING] if tuning else rest
        copied(danced, here / "dancetrack", frames)
        played = [first_of[g] for g in HOCKEY_TUNING] if tuning else [s for s in games if s.name in HOCKEY_MEASURING]
        made(played, here / "hockey", frames)
        made(dashcam[JAAD_TUNING if tuning else JAAD_MEASURING], here / "jaad")
        flown = [s for s in drone if s.name.startswith(UAVDT_TUNING if tuning else UAVDT_MEASURING)][::2]
        made(flown, here / "uavdt", frames // 2, error=lifelike.ANY_WAY_UP)
        strided(played, here / "hockey-strides")
        strided(danced[::2], here / "dancetrack-strides")
        strided(sports[part][::3], here / "sportsmot-strides")
        synthetic_kinds.write(here / "synthetic", 1 if tuning else 2)
    for folder in (out / "mot15", out / "tune" / "mot15"):
        copied(find_sequences([data / "mot15"]), folder)


if __name__ == "__main__":
    main()
