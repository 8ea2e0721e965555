"""Where objects stayed and which ways they went, on a picture of the place or on its ground from above."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.analytics.ground.homography import jacobian, mapped
from tracker.analytics.ground.plane import GroundPlane
from tracker.output.shapes import Colour
from tracker.structures import Image
from tracker.viewer.report.backdrop import Backdrop
from tracker.viewer.report.numbers.timeline import Ints, Reals

_SPREAD = 0.012  # of the picture's diagonal: standard deviation to which a moment at one place is spread
_FULL = 0.995  # quantile of the places where anybody was from which on heat is full
_FAINT = 0.02  # of full heat, below which nothing is shown
_LONGEST = 900  # pixels of a plan
_BITS = 4  # of a pixel that OpenCV is given
_INK: Colour = (245, 245, 245)
_GREY: Colour = (58, 58, 58)


def muted(image: Image) -> Image:
    """The picture, less coloured and darker, so that what is drawn on it stands out."""
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return np.asarray(cv2.addWeighted(image, 0.2, grey, 0.4, 0), np.uint8)


def heat(base: Image, at: Reals, seconds: Reals) -> Image:
    """A picture with how long somebody was where: (N, 2) pixels of it, and (N,) seconds at each."""
    height, width = base.shape[:2]
    inside = ((at >= 0) & (at < (width, height))).all(axis=1)
    x, y = at[inside].astype(np.int64).T
    flat = np.bincount(y * width + x, seconds[inside], width * height)
    spread = cv2.GaussianBlur(flat.reshape(height, width), (0, 0), _SPREAD * float(np.hypot(width, height)))
    warm = spread > 1e-3 * spread.max(initial=0.0)
    full = float(np.quantile(spread[warm], _FULL)) if warm.any() else 1.0
    share = np.sqrt((spread / full).clip(0, 1))
    paint = cv2.applyColorMap((share * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    cover = np.where(share > np.sqrt(_FAINT), 0.35 + 0.6 * share, 0)[..., None]
    cover = cv2.GaussianBlur(cover, (0, 0), 2)[..., None]
    return np.asarray(base * (1 - cover) + paint * cover, np.uint8)


def paths(base: Image, at: Reals, ids: Ints, colours: dict[int, Colour]) -> Image:
    """A picture with the ways of objects: rows of (N, 2) pixels of it, NaN where not known, by id and then time.

    Each is a faint line of its colour, so that where many went it is bright; it ends in a dot.
    """
    height, width = base.shape[:2]
    line = max(1, round(float(np.hypot(height, width)) / 500))
    count = max(1, len(colours))
    strength = float(np.clip(6 / np.sqrt(count), 0.25, 0.9))
    image = base.astype(np.float32)
    begins = np.flatnonzero(np.diff(ids, prepend=ids[:1] - 1))
    for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(ids)], strict=True):
        way = at[begin:end]
        way = way[np.isfinite(way).all(axis=1)]
        if not len(way):
            continue
        margin = 4 * line
        low = np.clip(way.min(axis=0) - margin, 0, (width, height)).astype(int)
        high = np.clip(way.max(axis=0) + margin, 0, (width, height)).astype(int)
        if (high <= low).any():
            continue
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        fixed = np.rint((way - low) * 2**_BITS).astype(np.int32)
        cv2.polylines(mask, [fixed], False, round(255 * strength), line, cv2.LINE_AA, _BITS)
        cv2.circle(mask, fixed[-1].tolist(), 2 * line << _BITS, 255, -1, cv2.LINE_AA, _BITS)
        part = image[low[1] : high[1], low[0] : high[0]]
        share = mask[..., None].astype(np.float32) / 255
        part += (np.array(colours[int(ids[begin])], np.float32) - part) * share
    return np.asarray(image.clip(0, 255), np.uint8)


@dataclass(frozen=True, eq=False)
class GroundPlan:
    """The ground from above.

    Attributes:
        image: (H, W, 3) BGR, the picture laid out on the ground.
        low: (2,) metres of its corner with the least coordinates.
        scale: pixels a metre.
        upwards: whether y grows upwards in it, so that left and right are as in the picture.
    """

    image: Image
    low: Reals
    scale: float
    upwards: bool

    def pixels(self, metres: Reals) -> Reals:
        """(N, 2) pixels of places (N, 2)."""
        at = (metres - self.low) * self.scale
        if self.upwards:
            at = at * [1, -1] + [0, self.image.shape[0]]
        return np.asarray(at)


def plan(ground: GroundPlane, metres: Reals, place: Backdrop) -> GroundPlan:
    """The ground around all its points and the places (N, 2) where objects were, NaN where not known."""
    known = np.concatenate([ground.metres, metres[np.isfinite(metres).all(axis=1)]])
    low, high = known.min(axis=0), known.max(axis=0)
    margin = 0.04 * float((high - low).max())
    low, high = low - margin, high + margin
    scale = _LONGEST / float((high - low).max())
    width, height = np.maximum(1, np.ceil((high - low) * scale)).astype(int).tolist()
    middle = ground.pixels.mean(axis=0, keepdims=True)
    upwards = bool(np.linalg.det(jacobian(ground.homography, middle)[0]) < 0)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    y = height - y if upwards else y
    at = np.asarray(np.stack([x.ravel(), y.ravel()], axis=1) / scale + low, np.float64)
    seen, depth = mapped(np.asarray(np.linalg.inv(ground.homography), np.float64), at)
    before = mapped(ground.homography, seen)[1] > 0  # the horizon
    if ground.lens is not None:
        seen = ground.lens.bent(seen)
    seen = np.where((np.isfinite(depth) & before)[:, None], seen * place.scale, -1e4)
    # two maps: what OpenCV 5.0 makes of one with two channels is not the same each time
    right, down = np.ascontiguousarray(seen.clip(-1e4, 1e4).astype(np.float32).T).reshape(2, height, width)
    image = cv2.remap(muted(place.image), right, down, cv2.INTER_LINEAR, borderValue=_GREY)
    return GroundPlan(np.asarray(image, np.uint8), low, scale, upwards)


def with_grid(ground: GroundPlan, image: Image) -> tuple[Image, float]:
    """The plan with a line every so many metres, and how many."""
    height, width = image.shape[:2]
    most = max(width, height) / ground.scale
    step = next(step for step in (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 1e9) if most <= 12 * step)
    layer = image.copy()
    for axis, length in ((0, width), (1, height)):
        first = np.ceil(ground.low[axis] / step) * step
        for metre in np.arange(first, ground.low[axis] + length / ground.scale, step):
            at = ground.pixels(np.where(np.arange(2) == axis, metre, ground.low)[None])[0, axis]
            ends = ((at, 0), (at, height)) if axis == 0 else ((0, at), (width, at))
            begin, end = (tuple(round(float(value)) for value in point) for point in ends)
            cv2.line(layer, begin, end, _INK, 1, cv2.LINE_AA)
    return np.asarray(cv2.addWeighted(layer, 0.22, image, 0.78, 0), np.uint8), float(step)


def feet(xyxy: NDArray[np.float64]) -> Reals:
    """(N, 2) the middle of the lower edge of boxes (N, 4)."""
    return np.stack([(xyxy[:, 0] + xyxy[:, 2]) / 2, xyxy[:, 3]], axis=1)
