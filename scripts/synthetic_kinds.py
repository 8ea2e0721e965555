"""Generated sequences of objects that are not upright and move by about their size or more: exact truth, named so.

Balls fly and bounce, insects turn at random, aircraft go straight and bank, fish swim past each other and show their
sides as they turn, runners swing up and down as they go. What they share is what pedestrians lack: no preferred
direction, boxes whose shape changes, large steps.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tracker.datasets import degrade, lifelike
from tracker.datasets.mot import MotSequence, write_sequence

SIZE, FPS, LENGTH = (1280, 720), 30.0, 240
#       objects, length and breadth in pixels, speed in lengths a frame, how long a course lasts in frames
KINDS = {
    "balls": (6, 26, 26, 1.1, 40),
    "insects": (14, 22, 14, 0.6, 4),
    "aircraft": (5, 70, 22, 0.45, 60),
    "fish": (10, 48, 18, 0.18, 12),
    "sprinters": (6, 60, 30, 0.5, 30),
}


def paths(kind: str, rng: np.random.Generator) -> np.ndarray:
    """(LENGTH, N, 4) centre x, centre y, width, height in pixels."""
    count, long, broad, speed, course = KINDS[kind]
    size = np.exp(rng.normal(0, 0.2, count))[:, None] * [long, broad]
    stays = np.exp(-1 / course)
    place = rng.random((count, 2)) * SIZE
    angle = rng.uniform(0, 2 * np.pi, count)
    pace = speed * size[:, 0] * np.exp(rng.normal(0, 0.3, count))
    velocity = pace[:, None] * np.c_[np.cos(angle), np.sin(angle)]
    boxes = np.zeros((LENGTH, count, 4))
    shown = size.copy()
    for t in range(LENGTH):
        kick = pace[:, None] * rng.normal(0, np.sqrt(0.5), (count, 2))
        if kind == "balls":
            velocity[:, 1] += 0.9  # they fall ...
            velocity[rng.random(count) < 1 / course] *= -1  # ... and are hit
        elif kind in ("aircraft", "sprinters"):
            velocity += np.sqrt(1 - stays**2) * 0.4 * kick
        else:
            velocity = stays * velocity + np.sqrt(1 - stays**2) * kick
        place = place + velocity
        for axis in range(2):  # off the walls
            out = (place[:, axis] < 0) | (place[:, axis] > SIZE[axis])
            velocity[out, axis] = np.where(place[out, axis] < 0, 1, -1) * np.abs(velocity[out, axis])
            place[:, axis] = np.clip(place[:, axis], 0, SIZE[axis])
        heading = np.arctan2(velocity[:, 1], velocity[:, 0])
        along, across = size[:, :1] * np.abs(np.c_[np.cos(heading), np.sin(heading)]), size[:, 1:]
        turned = np.hypot(along, across * np.abs(np.c_[np.sin(heading), np.cos(heading)]))
        if kind == "balls":
            turned = size
        if kind == "sprinters":  # upright, their limbs swing
            turned = size[:, ::-1] * [1, 1] * (1 + 0.15 * np.sin(2 * np.pi * t / 9 + angle))[:, None]
        shown = 0.5 * shown + 0.5 * turned
        boxes[t] = np.c_[place, shown]
    return boxes


def write(out: Path, part: int) -> None:
    """One sequence a kind in `out`; another `part` has others of the same kinds."""
    for kind in KINDS:
        name = f"{kind}-{part}"
        rng = degrade.generator(part, name)
        boxes = paths(kind, rng)
        count = boxes.shape[1]
        truth = np.ones((LENGTH * count, 9))
        truth[:, 0] = np.repeat(np.arange(LENGTH), count) + 1
        truth[:, 1] = np.tile(np.arange(count), LENGTH) + 1
        flat = boxes.reshape(-1, 4)
        truth[:, 2:6] = np.c_[flat[:, :2] - flat[:, 2:] / 2, flat[:, 2:]]
        like = MotSequence(out / name, LENGTH, FPS, SIZE, out / name / "img1")
        found = lifelike.from_truth(truth, LENGTH, FPS, SIZE, rng, lifelike.ANY_WAY_UP)
        write_sequence(out / name, like, truth, found)
