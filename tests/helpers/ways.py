"""Tracks whose ways are known, as any tracker might give them."""

from collections.abc import Mapping

import numpy as np

from tracker import Tracks
from tracker.structures import CONFIRMED, PREDICTED

SIZE = (20.0, 40.0)  # of every box


def seen(
    time_s: float,
    feet: Mapping[int, tuple[float, float]],
    *,
    predicted: tuple[int, ...] = (),
    tentative: tuple[int, ...] = (),
    classes: Mapping[int, int] | None = None,
    renamed: Mapping[int, int] | None = None,
    looked: bool = True,
) -> Tracks:
    """The tracks of a frame, by id, with the middle of the lower edges of their boxes there."""
    ids = np.array(sorted(feet), np.int64)
    at = np.array([feet[i] for i in ids.tolist()], np.float64).reshape(-1, 2)
    half, height = SIZE[0] / 2, SIZE[1]
    box = np.stack([at[:, 0] - half, at[:, 1] - height, at[:, 0] + half, at[:, 1]], axis=1)
    status = np.where(np.isin(ids, predicted), PREDICTED, CONFIRMED)
    status = np.where(np.isin(ids, tentative), 0, status)
    number = np.array([(classes or {}).get(i, 0) for i in ids.tolist()], np.int64)
    index = np.where(status == PREDICTED, -1, np.arange(len(ids)))
    score = np.ones(len(ids), np.float32)
    return Tracks(
        ids, box.astype(np.float32), score, number, number, status, index, time_s, 0.04,
        names={0: "person", 2: "car"}, renamed=renamed or {}, looked=looked,
    )  # fmt: skip


def told(zones, frames, finish=False):
    """(event, zone, id, direction, moment) of all that `Zones` makes of frames."""
    found = [event for frame in frames for event in zones.update(frame).to_dicts()]
    if finish:
        found += zones.finish().to_dicts()
    return found


def walk(points, times=None, track=1, **more):
    """The frames of one object that goes from point to point, a tenth of a second each."""
    times = [n / 10 for n in range(len(points))] if times is None else times
    return [seen(t, {track: tuple(point)}, **more) for t, point in zip(times, points, strict=True)]
