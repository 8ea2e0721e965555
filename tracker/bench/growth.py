"""How `Tracker.update` grows: with the number of objects in a frame, and with the length of a stream.

Boxes are simulated and given as detections, so that nothing but association, motion and memory is timed, by the
processor's clock: what else the machine does does not count. This file uses the public API alone and runs as a script
on any version of the package: `python growth.py FRAMES COUNT...`, the length of a stream and numbers of objects, gives
one JSON object on stdout.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import psutil

from tracker import Detections, Tracker

COUNTS = (10, 100, 1000, 5000)
_RATE = 30.0  # frames/s
_PACE = 0.3  # heights/s, standard deviation
_MISSED = 0.05  # share of detections left out
_WARM_UP = 8  # frames before times count
_MEASURED = (10, 200)  # at least and at most so many frames of each number of objects ...
_BOXES = 40_000  # ... and between the two so many boxes
_SAMPLES = 100  # points of a stream's curve


@dataclass(frozen=True)
class Growth:
    """What `update` takes for so many objects a frame, median milliseconds, without and with 512-d embeddings given."""

    objects: int
    boxes_ms: float
    looks_ms: float


@dataclass(frozen=True)
class Stretch:
    """A part of a long stream: frames until its end, mean milliseconds of an `update` in it, resident memory after."""

    frames: int
    update_ms: float
    memory_mib: float


def crowd(count: int, embeddings: bool, lifetime_s: float = np.inf, seed: int = 0) -> Iterator[Detections]:
    """Endless frames of `count` walkers, as dense whatever their number; each is followed by a new one in the end."""
    chance = np.random.default_rng(seed)
    side = 150.0 * np.sqrt(count * 6)

    def born(number: int) -> tuple[Any, ...]:
        feature = chance.standard_normal((number, 512)).astype(np.float32) if embeddings else np.zeros((number, 0))
        ends = chance.exponential(lifetime_s, number) if np.isfinite(lifetime_s) else np.full(number, np.inf)
        return chance.uniform(0, side, (number, 2)), chance.normal(0, _PACE * 150, (number, 2)), feature, ends

    place, pace, feature, left_s = born(count)
    while True:
        place = (place + pace / _RATE) % side
        left_s -= 1 / _RATE
        gone = np.flatnonzero(left_s < 0)
        if len(gone):
            for column, fresh in zip((place, pace, feature, left_s), born(len(gone)), strict=True):
                column[gone] = fresh
        seen = chance.random(count) >= _MISSED
        corner = place[seen] + chance.normal(0, 2, (int(seen.sum()), 2))
        boxes = np.concatenate([corner, corner + (60, 150)], axis=1)
        embedding = (
            feature[seen] + 4 * chance.standard_normal(feature[seen].shape).astype(np.float32) if embeddings else None
        )
        yield Detections(boxes, chance.uniform(0.6, 0.95, len(boxes)), features=embedding)


def by_objects(progress: Callable[[str], None] = lambda _: None, counts: Sequence[int] = ()) -> list[Growth]:
    """The time of an `update` for each of these numbers of objects, `COUNTS` by default."""
    grown = []
    for count in counts or COUNTS:
        progress(f"update with {count} objects")
        grown.append(Growth(count, *(_median_ms(count, embeddings) for embeddings in (False, True))))
    return grown


def _median_ms(count: int, embeddings: bool) -> float:
    tracker = Tracker()
    times = []
    measured = min(max(_BOXES // count, _MEASURED[0]), _MEASURED[1])
    for number, found in zip(range(_WARM_UP + measured), crowd(count, embeddings), strict=False):
        start = time.process_time()
        tracker.update(None, detections=found, time_s=number / _RATE)
        times.append(1000 * (time.process_time() - start))
    return statistics.median(times[_WARM_UP:])


def by_length(frames: int, progress: Callable[[str], None] = lambda _: None) -> list[Stretch]:
    """A stream of 20 objects that come and go, with embeddings: time and memory of each hundredth of it."""
    tracker = Tracker()
    process = psutil.Process()
    length = max(1, frames // _SAMPLES)
    stretches = []
    seconds = 0.0
    for number, found in zip(range(1, frames + 1), crowd(20, embeddings=True, lifetime_s=8.0), strict=False):
        start = time.process_time()
        tracker.update(None, detections=found, time_s=number / _RATE)
        seconds += time.process_time() - start
        if number % length == 0:
            memory = process.memory_info().rss / 2**20
            stretches.append(Stretch(number, 1000 * seconds / length, memory))
            seconds = 0.0
            progress(f"a long stream: frame {number} of {frames}")
    return stretches


if __name__ == "__main__":
    frames, *numbers = map(int, sys.argv[1:] or ["1000"])
    grown, stretches = by_objects(counts=numbers), by_length(frames)
    print(json.dumps({"update": [*map(asdict, grown)], "stream": [*map(asdict, stretches)]}))
