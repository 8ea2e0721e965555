"""Windows of tracks as a tracker would see them: degraded observations, and the truth at many horizons.

Here is drawn which tracks and frames make a window: its stride, detections that are missed and bursts of them, time
reversal, how far ahead its targets are. `augmentation.py` has what happens to its boxes, and the distribution of all.
Where a dataset has detections, some windows are those, with little more than a slow error added.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import DataError
from tracker.motion.geometry import Step, geometry
from tracker.motion.kalman import (
    MEAN,
    KalmanParameters,
    correct,
    process_unit,
    propagate,
    start,
    to_coordinates,
)
from tracker.train.motion.augmentation import STEPS, Augmentation, Draft, simulated_features
from tracker.train.motion.tracks import SHORTEST, TrainingTracks


@dataclass(frozen=True, eq=False)
class Windows:
    """B windows of T observations with K targets each, float32; coordinates as in `kalman.to_coordinates`.

    Attributes:
        observed: (B, T, 4).
        time_s: (B, T) seconds, float64.
        scores: (B, T).
        frame_size: (B, 2), NaN where unknown.
        valid: (B, T) bool; False after the end of a track.
        truth: (B, T, 4) where the object really was.
        target: (B, T, K, 4) where it will be.
        horizon_s: (B, T, K) seconds ahead.
        target_valid: (B, T, K) bool.
        features: (B, T, 512) appearance, rows of NaN for none; None: none at all. From the images where the track's
            dataset has some, else simulated.
    """

    observed: NDArray[Any]
    time_s: NDArray[np.float64]
    scores: NDArray[np.float32]
    frame_size: NDArray[np.float32]
    valid: NDArray[np.bool_]
    truth: NDArray[Any]
    target: NDArray[Any]
    horizon_s: NDArray[np.float32]
    target_valid: NDArray[np.bool_]
    features: NDArray[np.float32] | None


class WindowSampler:
    """Draws windows; the same generator state gives the same windows.

    Raises:
        DataError: no track has `shortest` boxes.
    """

    def __init__(self, tracks: TrainingTracks, augmentation: Augmentation, shortest: int = SHORTEST) -> None:
        self.tracks, self.augmentation = tracks, augmentation
        owner = np.repeat(np.arange(len(tracks)), tracks.length)
        begin = np.repeat(tracks.first - (np.cumsum(tracks.length) - tracks.length), tracks.length)
        rows = np.arange(len(owner)) + begin
        seen = [np.isfinite(boxes[rows, 0]) for boxes in (tracks.xyxy, tracks.detected)]
        self._rows = np.concatenate([rows[mask] for mask in seen])
        self._coordinates = to_coordinates(tracks.xyxy.astype(np.float64))
        self._detected = to_coordinates(tracks.detected.astype(np.float64))
        counts = [np.bincount(owner[mask], minlength=len(tracks)) for mask in seen]
        self._count = np.concatenate(counts)
        self._begin = np.cumsum(self._count) - self._count
        self._usable = [np.flatnonzero(count >= shortest) for count in counts]
        if not len(self._usable[0]):
            raise DataError(f"none of {len(tracks)} tracks has {shortest} boxes; give sequences with longer tracks")
        self._chance = [
            self._weights(count[usable], usable) for count, usable in zip(counts, self._usable, strict=True)
        ]

    def _weights(self, count: NDArray[Any], usable: NDArray[Any]) -> NDArray[np.float64]:
        """A track's chance goes with its length, all datasets have the same."""
        group = self.tracks.group[usable]
        size = np.bincount(group, weights=count, minlength=len(self.tracks.groups))
        weight = count / np.maximum(size, 1)[group]
        return np.asarray(weight / max(weight.sum(), 1), np.float64)

    def draw(
        self, rng: np.random.Generator, windows: int, steps: int, real: float = 0.25, embeddings: bool = False
    ) -> Windows:
        """`windows` of up to `steps` observations, a share `real` of them from detections where there are any."""
        n_real = int(rng.binomial(windows, real)) if len(self._usable[1]) else 0
        track = np.concatenate(
            [self._chosen(rng, 0, windows - n_real, steps), self._chosen(rng, 1, n_real, steps) + len(self.tracks)]
        )
        is_real = track >= len(self.tracks)
        base = track % len(self.tracks)
        position, direction, stride = self._positions(rng, track, steps)
        valid = (position >= 0) & (position < self._count[track, None])
        row = self._rows[self._begin[track, None] + np.clip(position, 0, self._count[track, None] - 1)]
        fps = self.tracks.fps[base]
        target_row, horizon_s, target_valid = self._targets(rng, row, base, direction, stride)
        time_s = (row - self.tracks.first[base, None]) * direction[:, None] / fps[:, None]
        truth, target = self._coordinates[row], self._coordinates[target_row]
        observed = np.where(is_real[:, None, None], self._detected[row], truth)
        known = np.isfinite(truth[..., 0]) & np.isfinite(observed[..., 0])
        valid &= known
        target_valid &= np.isfinite(target[..., 0]) & valid[..., None]
        observed, truth = (np.where(known[..., None], x, self._coordinates[row[:, :1]]) for x in (observed, truth))
        draft = Draft(
            observed=observed,
            truth=truth,
            target=np.where(target_valid[..., None], target, truth[:, :, None]),
            time_s=time_s,
            horizon_s=horizon_s,
            scores=self.tracks.scores[row],
            frame_size=self.tracks.frame_size[base].copy(),
            detected=is_real,
            familiar=self.tracks.familiar[base],
            swapped=np.zeros(row.shape, bool),
        )
        for step in STEPS:
            step(draft, self.augmentation, rng)
        return Windows(
            observed=draft.observed,
            time_s=draft.time_s,
            scores=draft.scores.astype(np.float32),
            frame_size=draft.frame_size,
            valid=valid,
            truth=draft.truth,
            target=draft.target,
            horizon_s=draft.horizon_s.astype(np.float32),
            target_valid=target_valid,
            features=self._features(rng, row, draft.swapped) if embeddings else None,
        )

    def _features(self, rng: np.random.Generator, row: NDArray[Any], swapped: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(B, T, 512) embeddings at `row` (B, T), some missing; those of the next window's object where swapped."""
        features = simulated_features(swapped, self.augmentation, rng)
        embedding_row = self.tracks.embedding_row[row]
        own = np.flatnonzero((embedding_row >= 0).any(axis=1))
        if len(own):
            shown = np.where(swapped, np.roll(embedding_row, 1, axis=0), embedding_row)[own]
            missing = np.isnan(features[own, :, 0]) | (shown < 0)
            features[own] = np.where(missing[..., None], np.nan, self.tracks.embeddings[shown])
        return features

    def _chosen(self, rng: np.random.Generator, kind: int, windows: int, steps: int) -> NDArray[np.int64]:
        """Track numbers; long windows come from long tracks."""
        usable, chance = self._usable[kind], self._chance[kind]
        if not windows:
            return np.zeros(0, np.int64)
        count = self._count[usable + kind * len(self.tracks)]
        chance = chance * np.minimum(count, steps)
        return usable[rng.choice(len(usable), windows, p=chance / chance.sum())]

    def _positions(self, rng: np.random.Generator, track: NDArray[Any], steps: int) -> tuple[NDArray[Any], ...]:
        """(B, T) places in each track's list of rows, (B,) direction in time and (B,) stride."""
        how, windows, count = self.augmentation, len(track), self._count[track]
        stride = rng.choice(how.strides, windows)
        stride = np.minimum(stride, np.maximum(count // max(8, steps // 2), 1))
        missed = rng.choice(how.missed, windows)
        jump = stride[:, None] * rng.geometric(1 - missed[:, None], (windows, steps))
        burst = rng.random((windows, steps)) < (rng.random((windows,)) < how.bursts)[:, None] * how.burst_begin
        length = rng.geometric(how.burst_end, (windows, steps)) * np.sqrt(stride[:, None])
        jump = jump + burst * length.astype(np.int64)
        way = np.cumsum(jump, axis=1) - jump[:, :1]
        slack = np.maximum(count - 1 - way[:, -1], np.minimum(count // 2, 2 * stride))
        begin = (rng.random((windows,)) * (slack + 1)).astype(np.int64)
        direction = np.where(rng.random((windows,)) < how.reversed, -1, 1)
        forward = begin[:, None] + way
        return np.where(direction[:, None] > 0, forward, count[:, None] - 1 - forward), direction, stride

    def _targets(
        self,
        rng: np.random.Generator,
        row: NDArray[Any],
        track: NDArray[Any],
        direction: NDArray[Any],
        stride: NDArray[Any],
    ) -> tuple[NDArray[Any], ...]:
        """Rows, seconds and validity (B, T, K) of targets, log-uniform from one step to `longest_frames`.

        Each of the K has its own part of that range, so every observation has a near and a far one.
        """
        targets, longest = self.augmentation.horizons, self.augmentation.longest_frames
        low = np.log(stride - 0.5)[:, None, None]
        high = np.log(np.maximum(longest, 8 * stride))[:, None, None]
        share = (np.arange(targets) + rng.random((*row.shape, targets))) / targets
        frames = np.rint(np.exp(low + (high - low) * share)).astype(np.int64)
        frames = np.maximum(frames, 1)
        target = row[..., None] + direction[:, None, None] * frames
        first = self.tracks.first[track][:, None, None]
        last = first + self.tracks.length[track][:, None, None] - 1
        inside = (target >= first) & (target <= last)
        return np.clip(target, first, last), frames / self.tracks.fps[track][:, None, None], inside


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the network is trained on: `Windows` after the filter.

    Attributes:
        geometry: (B, T, 47) float32 network inputs.
        states: (5, B, T, 4) float64 filter states after each observation.
        unit: (B, T, 4) float64 `process_unit` of those.
    """

    geometry: NDArray[np.float32]
    states: NDArray[Any]
    unit: NDArray[Any]


def filtered(windows: Windows, p: KalmanParameters) -> Lesson:
    """Runs the filter over windows, all at once, and takes the network's inputs from it."""
    observed = windows.observed
    _, steps, _ = observed.shape
    dt = np.diff(windows.time_s, axis=1, prepend=windows.time_s[:, :1])
    dt = np.where(windows.valid, np.maximum(dt, 0), 0)
    states = np.empty((5, *observed.shape))
    before = np.empty_like(states)
    before[:, :, 0] = states[:, :, 0] = start(observed[:, 0], p)
    for t in range(1, steps):
        before[:, :, t] = propagate(states[:, :, t - 1], dt[:, t, None], p)
        states[:, :, t] = correct(before[:, :, t], observed[:, t], p)
    scores = windows.scores.astype(np.float64)
    earlier = np.concatenate([scores[:, :1], scores[:, :-1]], axis=1)
    mean = np.cumsum(scores, axis=1) / np.arange(1, steps + 1)
    has_feature = np.zeros_like(scores) if windows.features is None else ~np.isnan(windows.features[..., 0]) * 1.0
    step = Step(
        observed=observed,
        last=np.concatenate([observed[:, :1], observed[:, :-1]], axis=1),
        predicted=before,
        filtered=states,
        dt=dt,
        age=windows.time_s - windows.time_s[:, :1],
        score=scores,
        last_score=earlier,
        mean_score=np.concatenate([mean[:, :1], mean[:, :-1]], axis=1),
        has_feature=has_feature,
        frame_size=np.broadcast_to(windows.frame_size[:, None], (*scores.shape, 2)),
    )
    return Lesson(geometry(step, p).astype(np.float32), states, process_unit(states[MEAN]))
