"""How windows of true tracks become what a tracker would see: a distribution, and the steps that draw from it.

What degrades a window is drawn once for it: a faster or slower clock, box noise that is white or correlated and
heavy-tailed (a real detector's error hardly changes from one frame to the next), a frame of unknown size, camera
motion, mirroring, a jump to another object. Each step changes a `Draft` in place and is vectorised over the B windows
of a batch; only correlated noise runs observation by observation. The order of `STEPS` is that of the random draws: a
training's seed gives the same windows as long as it stays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.config import Settings, setting
from tracker.errors import ConfigError
from tracker.motion.kalman import measurement_unit, process_unit
from tracker.structures import FEATURE_SIZE

Array = NDArray[Any]
Range = tuple[float, float]
Coordinates = tuple[float, float, float, float]


@dataclass(frozen=True)
class Augmentation(Settings, section="augmentation"):
    """The training distribution of the motion model. Shares and chances are from 0 to 1; of a list each is as likely.

    Noise is in widths, heights and log units, one number a coordinate.
    """

    strides: tuple[int, ...] = setting(
        (1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5, 5, 6, 8, 10), "frames from one observation to the next", 1, 1000
    )
    missed: tuple[float, ...] = setting((0.0, 0.1, 0.1, 0.3), "chance that a detection is missed", 0, 0.99)
    bursts: float = setting(0.3, "share of windows in which many detections in a row are missed", 0, 1)
    burst_begin: float = setting(0.03, "chance that this begins at a step", 0, 1)
    burst_end: float = setting(0.08, "chance that it ends at a frame", 1e-3, 1)
    reversed: float = setting(
        0.2, "share of windows played backwards; not more, as what a camera passes mostly comes nearer", 0, 1
    )
    horizons: int = setting(4, "targets a step", 1, 64)
    longest_frames: int = setting(60, "the last of them is drawn up to so far ahead", 1, 100000)

    clock_share: float = setting(0.5, "share of windows whose clock is another", 0, 1)
    clock: float = setting(0.5, "up to e to this power times faster or slower", 0, 3)

    correlated_share: float = setting(0.5, "share of windows with correlated noise", 0, 1)
    correlated_strength: Range = setting(
        (0.3, 1.5), "strength of correlated noise, from, to, in a real detector's", 1e-3, 100
    )
    detector_noise: Coordinates = setting((0.046, 0.018, 0.086, 0.032), "standard deviations of a real one", 0, 10)
    detector_correlation: Range = setting((0.82, 0.98), "from frame to frame at 30 frames/s", 0, 1)
    tails: float = setting(4.0, "degrees of freedom of Student's t: fewer are heavier", 2.1, 1000)
    white: tuple[float, ...] = setting(
        (0.02, 0.05, 0.05, 0.10), "standard deviation of white noise, one of these", 0, 10
    )
    white_beside: float = setting(0.3, "as much of the white beside correlated noise", 0, 10)
    outliers: float = setting(0.01, "share of observations that are outliers", 0, 1)
    outlier_factor: float = setting(3.0, "factor by which their noise is larger", 1, 100)
    largest: float = setting(0.5, "no noise is larger", 0, 10)

    detected_strength: float = setting(0.3, "a detector's own boxes: as much of the correlated noise", 0, 10)
    detected_white: tuple[float, ...] = setting((0.0, 0.01, 0.02), "and of the white, one of these", 0, 10)
    slow_noise: Coordinates = setting(
        (0.035, 0.027, 0.087, 0.050),
        "what those have more of on images that the detector was not trained on, standard deviations",
        0,
        10,
    )
    slow_correlation: Range = setting((0.97, 0.995), "its correlation from frame to frame at 30 frames/s", 0, 1)
    slow_familiar: Range = setting(
        (0.7, 1.8), "so much of it is added, from, to, on images that it was trained on", 0, 100
    )
    slow_unfamiliar: Range = setting((0.0, 1.0), "and on others: it differs from one place to the next", 0, 100)

    sure_share: float = setting(0.5, "share of windows whose scores are all 1", 0, 1)
    scores: Range = setting((0.5, 0.95), "scores of the others, from, to; they suffer from noise", 0, 1)
    score_noise: float = setting(0.08, "standard deviation of a score", 0, 1)
    lowest_score: float = setting(0.1, "no score is lower", 0, 1)

    frame_unknown: float = setting(0.15, "share of windows whose frame has no known size", 0, 1)
    camera_share: float = setting(0.25, "share of windows with a camera that moves in slow waves", 0, 1)
    camera_waves: int = setting(3, "waves that a camera moves in", 1, 64)
    camera_hertz: Range = setting((0.05, 1.5), "their frequencies, from, to", 1e-4, 100)
    camera_log_speed: float = setting(-1.2, "mean logarithm of the speed of the camera in heights/s", -10, 10)
    camera_log_speed_std: float = setting(1.0, "and its standard deviation", 0, 10)
    camera_axes: tuple[float, float, float] = setting(
        (1.0, 0.3, 0.15), "share of the speed that pans, tilts, zooms", 0, 10
    )
    camera_centre: float = setting(3.0, "heights from the track to what a zoom leaves, standard deviation", 0, 100)
    camera_zoom: float = setting(1.5, "no zoom is by more than e^1.5", 0, 10)
    mirrored: float = setting(0.5, "share of windows that are mirrored", 0, 1)
    swapped: float = setting(0.03, "share that jumps to another object, as a track does after an identity switch", 0, 1)
    swap_jump: Coordinates = setting(
        (0.5, 0.15, 0.1, 0.1), "standard deviation of the jump, heights and log units", 0, 10
    )

    same_similarity: float = setting(0.74, "cosine of two simulated features of one object", 0, 1)
    other_similarity: float = setting(0.48, "cosine of those of two objects", 0, 1)
    features_missed: tuple[float, ...] = setting(
        (0.0, 0.5, 0.9), "share of observations without one, one of these", 0, 1
    )

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: a value out of bounds, a range that ends before it begins, or an object that is less like
                itself than like others.
        """
        super().__post_init__()
        ranges = ("correlated_strength", "detector_correlation", "slow_correlation", "slow_familiar", "slow_unfamiliar")
        pairs = {name: getattr(self, name) for name in (*ranges, "scores", "camera_hertz")}
        pairs["(other_similarity, same_similarity)"] = self.other_similarity, self.same_similarity
        for name, (low, high) in pairs.items():
            if low > high:
                raise ConfigError(f"augmentation: {name} is from {low} to {high}; give the lower number first")


@dataclass(eq=False)
class Draft:
    """B windows of T observations with K targets, on their way from the truth to what is seen.

    Attributes:
        observed, truth: (B, T, 4); target: (B, T, K, 4), coordinates as in `kalman.to_coordinates`.
        time_s: (B, T); horizon_s: (B, T, K) seconds.
        scores: (B, T). frame_size: (B, 2), NaN where unknown.
        detected: (B,) the window is of a detector's boxes. familiar: (B,) it was trained on their images.
        swapped: (B, T) it is another object by then.
    """

    observed: Array
    truth: Array
    target: Array
    time_s: Array
    horizon_s: Array
    scores: Array
    frame_size: NDArray[np.float32]
    detected: NDArray[np.bool_]
    familiar: NDArray[np.bool_]
    swapped: NDArray[np.bool_]


def run_clock(d: Draft, how: Augmentation, rng: np.random.Generator) -> None:
    """Time runs faster or slower than it did."""
    windows = len(d.time_s)
    factor = rng.uniform(-how.clock, how.clock, windows) * (~d.detected & (rng.random((windows,)) < how.clock_share))
    clock = np.exp(factor)
    d.time_s = d.time_s * clock[:, None]
    d.horizon_s = d.horizon_s * clock[:, None, None]


def add_noise(d: Draft, how: Augmentation, rng: np.random.Generator) -> None:
    """A detector's error, and scores that suffer a little from it.

    A detector's own boxes need little; those of images that it was trained on lack the slow part of the error that it
    makes elsewhere.
    """
    windows, steps = d.time_s.shape
    true = ~d.detected
    dt = np.abs(np.diff(d.time_s, axis=1, prepend=d.time_s[:, :1]))
    slow = correlated(rng, dt, how.detector_correlation, how.tails)
    strength = _log_uniform(rng, how.correlated_strength, windows)
    strength = strength * (rng.random((windows,)) < how.correlated_share)
    level = rng.choice(how.white, windows)
    level = np.where(strength > 0, how.white_beside * level, level)
    strength = np.where(true, strength, how.detected_strength * strength)
    level = np.where(true, level, rng.choice(how.detected_white, windows))
    white = rng.normal(0, 1, slow.shape) * level[:, None, None]
    bias = correlated(rng, dt, how.slow_correlation, how.tails)
    familiar, unfamiliar = rng.uniform(*how.slow_familiar, windows), rng.uniform(*how.slow_unfamiliar, windows)
    bias *= np.where(d.detected & d.familiar, familiar, unfamiliar * d.detected)[:, None, None]
    noise = white + slow * (strength[:, None] * np.array(how.detector_noise))[:, None] + bias * np.array(how.slow_noise)
    outlier = (rng.random((windows, steps, 1)) < how.outliers) & true[:, None, None]
    noise = np.clip(np.where(outlier, how.outlier_factor * noise, noise), -how.largest, how.largest)
    scores = rng.uniform(*how.scores, (windows, 1)) + how.score_noise * slow[..., 0] - np.abs(noise).mean(-1)
    sure = (rng.random((windows,)) < how.sure_share)[:, None]
    d.observed += noise * measurement_unit(d.observed)
    d.scores = np.where(d.detected[:, None], d.scores, np.where(sure, 1.0, np.clip(scores, how.lowest_score, 1)))


def correlated(rng: np.random.Generator, dt: Array, correlation: Range, tails: float) -> Array:
    """(B, T, 4) first-order autoregressive noise of variance 1, distributed as Student's t with `tails` degrees.

    Each window draws its `correlation` from one frame to the next at 30 frames/s; `dt` (B, T) seconds since the last.
    """
    kept = rng.uniform(*correlation, (len(dt), 1)) ** (30 * dt)
    fresh = np.sqrt(1 - kept**2)
    noise = rng.standard_t(tails, (*dt.shape, 4)) / np.sqrt(tails / (tails - 2))
    for t in range(1, dt.shape[1]):
        noise[:, t] = kept[:, t, None] * noise[:, t - 1] + fresh[:, t, None] * noise[:, t]
    return np.asarray(noise)


def _log_uniform(rng: np.random.Generator, bounds: Range, shape: int | tuple[int, ...]) -> Array:
    """Numbers between two, whose logarithms are uniform."""
    return np.asarray(np.exp(rng.uniform(np.log(bounds[0]), np.log(bounds[1]), shape)))


def hide_frame(d: Draft, how: Augmentation, rng: np.random.Generator) -> None:
    """The size of the frame is not known."""
    d.frame_size[rng.random((len(d.frame_size),)) < how.frame_unknown] = np.nan


def move_camera(d: Draft, how: Augmentation, rng: np.random.Generator) -> None:
    """Pan, tilt and zoom: slow sine waves, so that any time has its place.

    A zoom (or a camera that drives on) scales sizes and distances from a point somewhere near the track. Where the
    border is cannot be told from a simulated path, so the frame's size is not known then.
    """
    windows = len(d.time_s)
    moved = rng.random((windows,)) < how.camera_share
    unit = np.exp(d.truth[:, :1, 3:])  # heights at the start
    shape = (windows, 1, how.camera_waves)
    rate = 2 * np.pi * _log_uniform(rng, how.camera_hertz, shape)
    phase = rng.uniform(0, 2 * np.pi, shape)
    strength = np.exp(rng.normal(how.camera_log_speed, how.camera_log_speed_std, (windows, 1))) * moved[:, None]
    amplitude = rng.normal(0, 1, (3, *shape)) * np.array(how.camera_axes)[:, None, None, None]
    amplitude = amplitude * (strength[:, :, None] / rate)
    centre = d.truth[:, :1, :2] + unit * rng.normal(0, how.camera_centre, (windows, 1, 2))

    def move(boxes: Array, at: Array) -> None:
        """Boxes (B, n, 4) at times (B, n), in place."""
        wave = np.sin(rate * at[..., None] + phase)
        right, down, zoom = ((wave * a).sum(-1, keepdims=True) for a in amplitude)
        zoom = np.clip(zoom, -how.camera_zoom, how.camera_zoom)
        boxes[..., :2] = centre + (boxes[..., :2] - centre) * np.exp(zoom) + unit * np.concatenate([right, down], -1)
        boxes[..., 2:] += zoom

    move(d.observed, d.time_s)
    move(d.truth, d.time_s)
    move(d.target.reshape(windows, -1, 4), (d.time_s[..., None] + d.horizon_s).reshape(windows, -1))
    d.frame_size[moved] = np.nan


def mirror(d: Draft, how: Augmentation, rng: np.random.Generator) -> None:
    """Left and right are exchanged."""
    sign = np.where(rng.random((len(d.frame_size),)) < how.mirrored, -1.0, 1.0)
    width = np.nan_to_num(d.frame_size[:, 0].astype(np.float64))
    for box in (d.observed, d.truth, d.target):
        shape = (-1, *[1] * (box.ndim - 2))
        box[..., 0] = box[..., 0] * sign.reshape(shape) + (width * (sign < 0)).reshape(shape)


def swap(d: Draft, how: Augmentation, rng: np.random.Generator) -> None:
    """The track jumps to a neighbour, as after an identity switch."""
    windows, steps, _ = d.truth.shape
    at = rng.integers(1, max(steps, 2), windows)
    d.swapped = (np.arange(steps) >= at[:, None]) & (rng.random((windows,)) < how.swapped)[:, None]
    jump = rng.normal(0, 1, (windows, 1, 4)) * np.array(how.swap_jump)
    offset = np.where(d.swapped[..., None], jump * process_unit(d.truth[:, :1]), 0)
    d.observed += offset
    d.truth += offset
    d.target += offset[:, :, None]


STEPS: tuple[Callable[[Draft, Augmentation, np.random.Generator], None], ...] = (
    run_clock,
    add_noise,
    hide_frame,
    move_camera,
    mirror,
    swap,
)


def simulated_features(swapped: Array, how: Augmentation, rng: np.random.Generator) -> NDArray[np.float32]:
    """(B, T, 512) unit vectors with the similarities of real ones, some missing; another identity where swapped."""
    windows, steps = swapped.shape

    def directions(*shape: int) -> Array:
        return np.asarray(rng.standard_normal((*shape, FEATURE_SIZE), np.float32) / np.sqrt(np.float32(FEATURE_SIZE)))

    own, other = directions(2, windows, 1)
    identity = np.where(swapped[..., None], other, own)
    feature = (
        np.sqrt(how.other_similarity) * directions(1, 1)
        + np.sqrt(how.same_similarity - how.other_similarity) * identity
        + np.sqrt(1 - how.same_similarity) * directions(windows, steps)
    )
    feature /= np.linalg.norm(feature, axis=-1, keepdims=True)
    feature[rng.random((windows, steps)) < rng.choice(how.features_missed, windows)[:, None]] = np.nan
    return np.asarray(feature, np.float32)
