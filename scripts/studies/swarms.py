"""Sequences of many alike objects of kinds that nothing is tuned on: exact truth, generated, and named so.

    python scripts/studies/swarms.py OUT
    python scripts/studies/peers.py OUT/ants --out PEERS/ants --no-preproc
    track eval OUT/ants --no-preproc --strict-online --out RUNS/ants

Unlike `synthetic_kinds.py` they are slow for their size, many, stop and go on, and a detector is less sure of them. A
folder a kind, two sequences each.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from synthetic_kinds import FPS, LENGTH, SIZE

from tracker.datasets import degrade, lifelike
from tracker.datasets.mot import MotSequence, write_sequence

SEED = 100
STOPS = 25  # frames after which one that stands still, or does not, may think again
TURNS_TOGETHER = 90  # frames for which the course of all lasts


@dataclass(frozen=True)
class Kind:
    """How many there are, their length and breadth in pixels, and how they go.

    Attributes:
        speed: lengths a frame. course: frames for which a course lasts.
        common: share of the speed that all have in common. rests: share of the time that one stands still.
        sure, missed, false_alarms: the detector's, as `lifelike.from_truth` has them.
        shape: "turns" with its course, "flat" is as high as broad, "round" is always the same.
    """

    count: int
    long: float
    broad: float
    speed: float
    course: float
    common: float
    rests: float
    sure: float
    missed: float
    false_alarms: float
    shape: str = "turns"


KINDS = {
    "balloons": Kind(35, 70, 50, 0.02, 200, 0.5, 0, 2.2, 0.03, 0.3, "round"),
    "stock": Kind(30, 90, 55, 0.03, 60, 0.6, 0.3, 1.6, 0.05, 0.5, "flat"),
    "bees": Kind(45, 30, 22, 0.25, 6, 0, 0.4, 1.2, 0.06, 1.0),
    "birds": Kind(50, 34, 18, 0.35, 40, 0.8, 0, 1.5, 0.05, 0.5),
    "ants": Kind(40, 26, 14, 0.12, 15, 0, 0.2, 1.5, 0.04, 0.5),
    "boats": Kind(20, 110, 40, 0.03, 200, 0.2, 0.2, 2.2, 0.03, 0.3, "flat"),
    "planes": Kind(12, 80, 40, 0.1, 120, 0.7, 0, 2.5, 0.02, 0.2),
    "ballsdense": Kind(25, 24, 24, 0.5, 30, 0, 0, 1.8, 0.05, 0.5, "round"),
    "fishschool": Kind(40, 50, 20, 0.1, 12, 0.5, 0.1, 1.2, 0.06, 0.5),
}


def paths(kind: Kind, rng: np.random.Generator) -> np.ndarray:
    """(LENGTH, N, 4) centre x, centre y, width, height in pixels."""
    count = kind.count
    size = np.exp(rng.normal(0, 0.15, count))[:, None] * [kind.long, kind.broad]
    stays, stays_together = np.exp(-1 / kind.course), np.exp(-1 / TURNS_TOGETHER)
    middle = np.array(SIZE) / 2
    place = middle + rng.normal(0, 0.22, (count, 2)) * SIZE if kind.common else rng.random((count, 2)) * SIZE
    pace = kind.speed * size[:, 0] * np.exp(rng.normal(0, 0.25, count))
    together = rng.normal(0, 1, 2)
    together /= np.linalg.norm(together)
    heading = rng.uniform(0, 2 * np.pi, count)
    own = np.c_[np.cos(heading), np.sin(heading)]
    rests = rng.random(count) < kind.rests
    boxes = np.zeros((LENGTH, count, 4))
    shown = size.copy()
    for t in range(LENGTH):
        own = stays * own + np.sqrt(1 - stays**2) * rng.normal(0, np.sqrt(0.5), (count, 2))
        kick = rng.normal(0, np.sqrt(0.5), 2)
        together = stays_together * together + np.sqrt(1 - np.exp(-2 / TURNS_TOGETHER)) * kick
        velocity = pace[:, None] * ((1 - kind.common) * own + kind.common * together)
        if kind.rests:
            rests = np.where(rng.random(count) < 1 / STOPS, rng.random(count) < kind.rests, rests)
            velocity = velocity * (~rests)[:, None]
        place = place + velocity
        for axis in range(2):  # off the walls
            out = (place[:, axis] < 0) | (place[:, axis] > SIZE[axis])
            own[out, axis] *= -1
            if out.sum() > count / 3:
                together[axis] *= -1
            place[:, axis] = np.clip(place[:, axis], 0, SIZE[axis])
        goes = np.linalg.norm(velocity, axis=1) > 0.02 * pace
        heading = np.where(goes, np.arctan2(velocity[:, 1], velocity[:, 0]), heading)
        along, across = size[:, :1] * np.abs(np.c_[np.cos(heading), np.sin(heading)]), size[:, 1:]
        if kind.shape == "round":
            seen = size
        elif kind.shape == "flat":
            seen = np.c_[np.maximum(along[:, 0], across[:, 0]), across[:, 0]]
        else:
            seen = np.hypot(along, across * np.abs(np.c_[np.sin(heading), np.cos(heading)]))
        shown = 0.7 * shown + 0.3 * seen
        boxes[t] = np.c_[place, shown]
    return boxes


def write(out: Path) -> None:
    """Two sequences a kind, a folder each in `out`."""
    for title, kind in KINDS.items():
        for part in range(2):
            name = f"{title}-{part}"
            folder, rng = out / title / name, degrade.generator(SEED + part, name)
            boxes = paths(kind, rng).reshape(-1, 4)
            truth = np.ones((len(boxes), 9))
            truth[:, 0] = np.repeat(np.arange(LENGTH), kind.count) + 1
            truth[:, 1] = np.tile(np.arange(kind.count), LENGTH) + 1
            truth[:, 2:6] = np.c_[boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, 2:]]
            like = MotSequence(folder, LENGTH, FPS, SIZE, folder / "img1")
            seen = kind.false_alarms, kind.sure, kind.missed
            found = lifelike.from_truth(truth, LENGTH, FPS, SIZE, rng, lifelike.ANY_WAY_UP, *seen)
            write_sequence(folder, like, truth, found)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
