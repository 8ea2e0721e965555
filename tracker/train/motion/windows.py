"""Windows of tracks as a tracker would see them: damaged observations, and the truth at many horizons.

What damages a window is drawn once for it: frame stride, missed detections and bursts of them, white or correlated
heavy-tailed box noise (a real detector's error hardly changes from one frame to the next), camera motion, mirroring,
time reversal, a faster or slower clock, a jump to another object. Where a dataset has detections, some windows are
those, with little more than a slow error added. Everything is vectorised over the B windows of a batch; only the noise
runs step by step.
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
    measurement_unit,
    process_unit,
    propagate,
    start,
    to_coordinates,
)
from tracker.structures import FEATURE_SIZE
from tracker.train.motion.tracks import SHORTEST, TrackTable

HORIZONS = 4  # targets drawn a step
LONGEST_FRAMES = 60
STRIDES = (1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 5, 6, 8, 10)
REVERSED = 0.2  # share of windows played backwards: not more, what a camera drives past comes nearer more often
CLOCK = 0.5  # half of the windows of true boxes run up to e^0.5 = 1.6 times faster or slower than they did
DETECTOR_NOISE = np.array([0.046, 0.018, 0.086, 0.032])  # sd of a real detector: of width, of height, log units
DETECTOR_CORRELATION = (0.82, 0.98)  # from frame to frame at 30 frames/s
UNFAMILIAR_BIAS = np.array([0.035, 0.027, 0.087, 0.050])  # what its error has more of on images it was not trained on
UNFAMILIAR_CORRELATION = (0.97, 0.995)
SAME_SIMILARITY, OTHER_SIMILARITY = 0.74, 0.48  # cosine of an object's features, and of two objects'


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

    def __init__(self, tracks: TrackTable, shortest: int = SHORTEST) -> None:
        self.tracks = tracks
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
        self, rng: np.random.Generator, windows: int, steps: int, real: float = 0.25, looks: bool = False
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
        clock = np.exp(rng.uniform(-CLOCK, CLOCK, windows) * (~is_real & (rng.random((windows,)) < 0.5)))
        time_s, horizon_s = time_s * clock[:, None], horizon_s * clock[:, None, None]
        truth, target = self._coordinates[row], self._coordinates[target_row]
        observed = np.where(is_real[:, None, None], self._detected[row], truth)
        known = np.isfinite(truth[..., 0]) & np.isfinite(observed[..., 0])
        valid &= known
        target_valid &= np.isfinite(target[..., 0]) & valid[..., None]
        observed, truth = (np.where(known[..., None], x, self._coordinates[row[:, :1]]) for x in (observed, truth))
        target = np.where(target_valid[..., None], target, truth[:, :, None])
        noise, scores = _noise(rng, time_s, ~is_real, is_real & self.tracks.familiar[base])
        observed = observed + noise * measurement_unit(observed)
        scores = np.where(is_real[:, None], self.tracks.scores[row], scores)
        frame_size = self.tracks.frame_size[base].copy()
        frame_size[rng.random((windows,)) < 0.15] = np.nan
        moved = self._camera(rng, time_s, horizon_s, observed, truth, target)
        frame_size[moved] = np.nan  # where the border is cannot be told from a simulated path
        _mirror(rng, frame_size, observed, truth, target)
        swapped = _swap(rng, observed, truth, target)
        return Windows(
            observed=observed,
            time_s=time_s,
            scores=scores.astype(np.float32),
            frame_size=frame_size,
            valid=valid,
            truth=truth,
            target=target,
            horizon_s=horizon_s.astype(np.float32),
            target_valid=target_valid,
            features=self._features(rng, row, swapped) if looks else None,
        )

    def _features(self, rng: np.random.Generator, row: NDArray[Any], swapped: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(B, T, 512) looks at `row` (B, T), some missing; those of the next window's object where swapped."""
        features = _simulated_features(rng, swapped)
        look = self.tracks.look[row]
        own = np.flatnonzero((look >= 0).any(axis=1))
        if len(own):
            shown = np.where(swapped, np.roll(look, 1, axis=0), look)[own]
            missing = np.isnan(features[own, :, 0]) | (shown < 0)
            features[own] = np.where(missing[..., None], np.nan, self.tracks.looks[shown])
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
        windows, count = len(track), self._count[track]
        stride = rng.choice(STRIDES, windows)
        stride = np.minimum(stride, np.maximum(count // max(8, steps // 2), 1))
        missed = rng.choice([0.0, 0.1, 0.1, 0.3], windows)
        jump = stride[:, None] * rng.geometric(1 - missed[:, None], (windows, steps))
        burst = rng.random((windows, steps)) < (rng.random((windows,)) < 0.3)[:, None] * 0.03
        jump = jump + burst * (rng.geometric(0.08, (windows, steps)) * np.sqrt(stride[:, None])).astype(np.int64)
        way = np.cumsum(jump, axis=1) - jump[:, :1]
        slack = np.maximum(count - 1 - way[:, -1], np.minimum(count // 2, 2 * stride))
        begin = (rng.random((windows,)) * (slack + 1)).astype(np.int64)
        direction = np.where(rng.random((windows,)) < REVERSED, -1, 1)
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
        """Rows, seconds and validity (B, T, K) of targets, log-uniform from one step to `LONGEST_FRAMES`.

        Each of the K has its own part of that range, so every observation has a near and a far one.
        """
        low = np.log(stride - 0.5)[:, None, None]
        high = np.log(np.maximum(LONGEST_FRAMES, 8 * stride))[:, None, None]
        share = (np.arange(HORIZONS) + rng.random((*row.shape, HORIZONS))) / HORIZONS
        frames = np.rint(np.exp(low + (high - low) * share)).astype(np.int64)
        frames = np.maximum(frames, 1)
        target = row[..., None] + direction[:, None, None] * frames
        first = self.tracks.first[track][:, None, None]
        last = first + self.tracks.length[track][:, None, None] - 1
        inside = (target >= first) & (target <= last)
        return np.clip(target, first, last), frames / self.tracks.fps[track][:, None, None], inside

    def _camera(
        self,
        rng: np.random.Generator,
        time_s: NDArray[Any],
        horizon_s: NDArray[Any],
        observed: NDArray[Any],
        truth: NDArray[Any],
        target: NDArray[Any],
    ) -> NDArray[np.bool_]:
        """Pan and zoom a quarter of the windows, in place: slow sine waves, so any time has its place.

        A zoom (or a camera that drives on) scales sizes and distances from a point somewhere near the track.
        """
        windows = len(time_s)
        moved = rng.random((windows,)) < 0.25
        unit = np.exp(truth[:, :1, 3:])  # heights at the start
        waves = 3
        shape = (windows, 1, waves)
        rate = 2 * np.pi * np.exp(rng.uniform(np.log(0.05), np.log(1.5), shape))
        phase = rng.uniform(0, 2 * np.pi, shape)
        strength = np.exp(rng.normal(-1.2, 1, (windows, 1))) * moved[:, None]  # heights per second
        amplitude = rng.normal(0, 1, (3, *shape)) * np.array([1, 0.3, 0.15])[:, None, None, None]
        amplitude = amplitude * (strength[:, :, None] / rate)
        centre = truth[:, :1, :2] + unit * rng.normal(0, 3, (windows, 1, 2))

        def move(boxes: NDArray[Any], at: NDArray[Any]) -> None:
            """Boxes (B, n, 4) at times (B, n), in place."""
            wave = np.sin(rate * at[..., None] + phase)
            right, down, zoom = ((wave * a).sum(-1, keepdims=True) for a in amplitude)
            zoom = np.clip(zoom, -1.5, 1.5)
            boxes[..., :2] = (
                centre + (boxes[..., :2] - centre) * np.exp(zoom) + unit * np.concatenate([right, down], -1)
            )
            boxes[..., 2:] += zoom

        move(observed, time_s)
        move(truth, time_s)
        move(target.reshape(windows, -1, 4), (time_s[..., None] + horizon_s).reshape(windows, -1))
        return moved


def _noise(
    rng: np.random.Generator, time_s: NDArray[Any], damaged: NDArray[Any], biased: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(B, T, 4) box noise in widths, heights and log units, and (B, T) scores that suffer a little with it.

    `damaged` (B,) windows are of true boxes, half of them with white and half with correlated noise. The others are a
    detector's own boxes and need little; those of images that it was trained on, `biased` (B,), lack the slow part of
    the error that it makes elsewhere, and that differs from one place to the next: the others get some more of it.
    """
    windows, steps = time_s.shape
    dt = np.abs(np.diff(time_s, axis=1, prepend=time_s[:, :1]))
    slow = _correlated(rng, dt, DETECTOR_CORRELATION)
    strength = np.exp(rng.uniform(np.log(0.3), np.log(1.5), windows)) * (rng.random((windows,)) < 0.5)
    level = rng.choice([0.02, 0.05, 0.05, 0.10], windows)
    level = np.where(strength > 0, 0.3 * level, level)
    strength = np.where(damaged, strength, 0.3 * strength)
    level = np.where(damaged, level, rng.choice([0, 0.01, 0.02], windows))
    white = rng.normal(0, 1, slow.shape) * level[:, None, None]
    bias = _correlated(rng, dt, UNFAMILIAR_CORRELATION)
    bias *= np.where(biased, rng.uniform(0.7, 1.8, windows), rng.uniform(0, 1, windows) * ~damaged)[:, None, None]
    noise = white + slow * (strength[:, None] * DETECTOR_NOISE)[:, None] + bias * UNFAMILIAR_BIAS
    outlier = (rng.random((windows, steps, 1)) < 0.01) & damaged[:, None, None]
    noise = np.clip(np.where(outlier, 3 * noise, noise), -0.5, 0.5)
    scores = np.asarray(rng.uniform(0.5, 0.95, (windows, 1)) + 0.08 * slow[..., 0] - np.abs(noise).mean(-1))
    return noise, np.where((rng.random((windows,)) < 0.5)[:, None], 1.0, np.clip(scores, 0.1, 1))


def _correlated(rng: np.random.Generator, dt: NDArray[Any], correlation: tuple[float, float]) -> NDArray[Any]:
    """(B, T, 4) first-order autoregressive noise of variance 1 with heavy tails (Student's t, 4 degrees of freedom).

    Each window draws its `correlation` from one frame to the next at 30 frames/s; `dt` (B, T) seconds since the last.
    """
    kept = rng.uniform(*correlation, (len(dt), 1)) ** (30 * dt)
    fresh = np.sqrt(1 - kept**2)
    noise = rng.standard_t(4, (*dt.shape, 4)) / np.sqrt(2)
    for t in range(1, dt.shape[1]):
        noise[:, t] = kept[:, t, None] * noise[:, t - 1] + fresh[:, t, None] * noise[:, t]
    return np.asarray(noise)


def _mirror(rng: np.random.Generator, frame_size: NDArray[Any], *boxes: NDArray[Any]) -> None:
    """Left and right exchanged in half of the windows, in place."""
    sign = np.where(rng.random((len(frame_size),)) < 0.5, -1.0, 1.0)
    width = np.nan_to_num(frame_size[:, 0].astype(np.float64))
    for box in boxes:
        shape = (-1, *[1] * (box.ndim - 2))
        box[..., 0] = box[..., 0] * sign.reshape(shape) + (width * (sign < 0)).reshape(shape)


def _swap(
    rng: np.random.Generator, observed: NDArray[Any], truth: NDArray[Any], target: NDArray[Any]
) -> NDArray[np.bool_]:
    """Some windows jump to a neighbour, in place, as a track does after an identity switch; (B, T) where they have."""
    windows, steps, _ = truth.shape
    at = rng.integers(1, max(steps, 2), windows)
    swapped: NDArray[np.bool_] = (np.arange(steps) >= at[:, None]) & (rng.random((windows,)) < 0.03)[:, None]
    jump = rng.normal(0, 1, (windows, 1, 4)) * np.array([0.5, 0.15, 0.1, 0.1])
    offset = np.where(swapped[..., None], jump * process_unit(truth[:, :1]), 0)
    observed += offset
    truth += offset
    target += offset[:, :, None]
    return swapped


def _simulated_features(rng: np.random.Generator, swapped: NDArray[Any]) -> NDArray[np.float32]:
    """(B, T, 512) unit vectors with the similarities of real ones, some missing; another identity where swapped."""
    windows, steps = swapped.shape

    def directions(*shape: int) -> NDArray[Any]:
        return np.asarray(rng.standard_normal((*shape, FEATURE_SIZE), np.float32) / np.sqrt(np.float32(FEATURE_SIZE)))

    own, other = directions(2, windows, 1)
    identity = np.where(swapped[..., None], other, own)
    feature = (
        np.sqrt(OTHER_SIMILARITY) * directions(1, 1)
        + np.sqrt(SAME_SIMILARITY - OTHER_SIMILARITY) * identity
        + np.sqrt(1 - SAME_SIMILARITY) * directions(windows, steps)
    )
    feature /= np.linalg.norm(feature, axis=-1, keepdims=True)
    feature[rng.random((windows, steps)) < rng.choice([0.0, 0.5, 0.9], windows)[:, None]] = np.nan
    return np.asarray(feature, np.float32)


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
