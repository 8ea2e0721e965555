"""What a lens bends, made straight: OpenCV's model with coefficients k1 k2 p1 p2 k3 (Brown, 1966)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.errors import InputError

Array = NDArray[np.float64]

COEFFICIENTS = ("k1", "k2", "p1", "p2", "k3")
_ROUNDS = 50
_AGREES_PX = 0.01  # a point that, bent again, is further away is none that the model holds for
_STEP_PX = 0.5


@dataclass(frozen=True, eq=False)
class Lens:
    """A camera's lens as `cv2.calibrateCamera` finds it.

    Attributes:
        focal_px: (2,) focal lengths in pixels, of columns and rows.
        centre_px: (2,) the pixel straight ahead.
        distortion: (5,) k1, k2, p1, p2, k3; fewer are followed by zeros.
    """

    focal_px: Array
    centre_px: Array
    distortion: Array

    @classmethod
    def of(cls, focal_px: ArrayLike, centre_px: ArrayLike, distortion: ArrayLike) -> Self:
        """
        Raises:
            InputError: not two positive numbers, two numbers and up to five.
        """
        try:
            focal, centre, bends = (np.asarray(v, np.float64) for v in (focal_px, centre_px, distortion))
        except (TypeError, ValueError):
            raise InputError(_WANTED) from None
        focal = np.broadcast_to(focal, (2,)) if focal.shape == () else focal
        shapes = focal.shape == centre.shape == (2,) and bends.ndim == 1 and len(bends) <= len(COEFFICIENTS)
        if not shapes or not all(np.isfinite(v).all() for v in (focal, centre, bends)) or (focal <= 0).any():
            raise InputError(_WANTED)
        return cls(focal, centre, np.pad(bends, (0, len(COEFFICIENTS) - len(bends))))

    def to_dict(self) -> dict[str, Any]:
        """What `of` takes, in plain lists."""
        return {name: getattr(self, name).tolist() for name in ("focal_px", "centre_px", "distortion")}

    def scaled(self, by: Array) -> Lens:
        """The same for a picture by (2,) times as wide and high."""
        return replace(self, focal_px=self.focal_px * by, centre_px=self.centre_px * by)

    def straight(self, points: Array) -> Array:
        """Where pixels (N, 2) would be without distortion; NaN far outside of what the coefficients describe."""
        target = (points - self.centre_px) / self.focal_px
        found = target
        with np.errstate(over="ignore", invalid="ignore"):
            for _ in range(_ROUNDS):
                factor, shift = self._bend(found)
                found = (target - shift) / factor
            factor, shift = self._bend(found)
            off = np.abs(found * factor + shift - target) * self.focal_px
        straight: Array = np.where((off < _AGREES_PX).all(axis=1, keepdims=True), found, np.nan)
        return straight * self.focal_px + self.centre_px

    def bent(self, points: Array) -> Array:
        """Where straight points (N, 2) are in the picture."""
        target = (points - self.centre_px) / self.focal_px
        factor, shift = self._bend(target)
        bent: Array = (target * factor + shift) * self.focal_px + self.centre_px
        return bent

    def jacobian(self, points: Array) -> Array:
        """(N, 2, 2) by how much a straight point moves for each pixel to the right and down (columns)."""
        steps = _STEP_PX * np.eye(2)
        columns = [(self.straight(points + step) - self.straight(points - step)) / (2 * _STEP_PX) for step in steps]
        return np.stack(columns, axis=2)

    def _bend(self, points: Array) -> tuple[Array, Array]:
        """Factor (N, 1) and shift (N, 2) of points in units of the focal length."""
        k1, k2, p1, p2, k3 = self.distortion
        x, y = points.T
        r2 = x**2 + y**2
        factor = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        shift = np.stack([2 * p1 * x * y + p2 * (r2 + 2 * x**2), p1 * (r2 + 2 * y**2) + 2 * p2 * x * y], axis=1)
        return factor[:, None], shift


_WANTED = (
    "a lens is not as needed; give focal_px: [X, Y], centre_px: [X, Y] and distortion: [K1, K2, P1, P2, K3], as "
    "cv2.calibrateCamera finds them"
)
