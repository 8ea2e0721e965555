"""Camera motion compensation: how the picture moved from one frame to the next, as a (2, 3) affine.

Sparse corners are followed on a small grey image (Lucas-Kanade) and a similarity transform is fitted by RANSAC, as in
BoT-SORT (Aharon et al., 2022). Corners on tracked objects are left out: they move by themselves. While the camera
stands still only a few frames a second are looked at, so that a fixed camera costs next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tracker.affine import Affine, composed, identity
from tracker.config import CameraConfig
from tracker.errors import InputError
from tracker.structures import Floats, Image
from tracker.system.state import Stateful, fits

_CORNERS = 200
_FEWEST_INLIERS = 12  # fewer corners that agree say nothing about the camera
_STILL_PX = 0.15  # mean displacement on the small image that counts as "did not move"
_STILL_AFTER_S = 1.0  # this long without motion, and the camera is taken to be fixed
_STILL_CHECK_S = 0.25  # a fixed camera is looked at this often
_NARROWEST = 16  # pixels of the small image's shorter side: in less there is nothing to follow
_ZOOM = 1000.0  # no camera's picture grows or shrinks by more from one frame to the next,
_SHIFT_PX = 1e6  # nor moves further


def checked(motion: ArrayLike) -> Affine:
    """What a caller says of the camera's motion.

    Raises:
        InputError: another shape, numbers that are not finite, or nothing that a camera can do between two frames.
    """
    try:
        affine = np.array(motion, np.float64)
    except (ValueError, TypeError) as error:
        raise InputError("camera_motion is no array of numbers; expected a finite (2, 3) affine") from error
    numbers = affine.ravel().tolist()
    if affine.shape != (2, 3) or not all(map(math.isfinite, numbers)):
        raise InputError(f"camera_motion has shape {affine.shape}; expected a finite (2, 3) affine")
    a, b, right, c, d, down = numbers
    # the singular values of a 2 x 2 matrix in closed form (Blinn, IEEE CG&A 1996), many times quicker than NumPy's
    mean, half = math.hypot(a + d, c - b) / 2, math.hypot(a - d, c + b) / 2
    least, most = abs(mean - half), mean + half
    if not 1 / _ZOOM <= least <= most <= _ZOOM:
        raise InputError(
            f"camera_motion scales by {least:.3g} to {most:.3g}, which no camera does from one frame to the "
            "next; give the affine from the previous frame's pixels to this one's, or None"
        )
    if max(abs(right), abs(down)) > _SHIFT_PX:
        raise InputError(
            f"camera_motion moves by {[right, down]} pixels; give the affine from the previous frame's pixels "
            "to this one's, or None"
        )
    return affine


def _resized(before: Sequence[int], now: Sequence[int]) -> Affine:
    """From the pixels of a frame of one size (width, height) to those of the same picture in another."""
    return np.array([[now[0] / before[0], 0, 0], [0, now[1] / before[1], 0]])


class CameraMotion(Stateful):
    """Estimates the camera's motion from frame to frame of one stream."""

    saved = ("_grey", "_grey_s", "_moved_s", "_size")
    rebuilt = ("_config",)

    def __init__(self, config: CameraConfig) -> None:
        self._config = config
        self._grey: Image = np.zeros((0, 0), np.uint8)  # of the frame last looked at; empty: none yet
        self._grey_s = 0.0
        self._moved_s = 0.0
        self._size: list[int] = []  # width and height of the last frame; empty: none yet

    def estimate(self, frame: Image, time_s: float, objects: Floats) -> Affine:
        """The motion from the frame before to this one.

        Args:
            frame: (H, W, 3) uint8 BGR.
            time_s: its time.
            objects: (N, 4) boxes in this frame to leave out of the estimate.

        Returns:
            (2, 3) affine in pixels of the full frame; but for a change of the frame's size, the identity at the first
            frame, while the camera stands still and where too few corners agree.
        """
        affine = self._followed(frame, time_s, objects)
        before, self._size = self._size, [frame.shape[1], frame.shape[0]]
        return affine if before in ([], self._size) else composed(_resized(before, self._size), affine)

    def _followed(self, frame: Image, time_s: float, objects: Floats) -> Affine:
        """The motion from the last frame that was compared, had that been of this one's size."""
        if self._config.method == "none":
            return identity()
        still = self._grey.size > 0 and self._grey_s - self._moved_s >= _STILL_AFTER_S
        if still and time_s - self._grey_s < _STILL_CHECK_S:
            return identity()
        scale = min(1.0, self._config.height_px / frame.shape[0])
        if min(frame.shape[:2]) * scale < _NARROWEST:
            return identity()
        small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale > 0.4 else 0)
        grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.uint8)
        before, self._grey = self._grey, grey
        self._grey_s = time_s
        if not before.size:
            self._moved_s = time_s
            return identity()
        if before.shape != grey.shape:
            before = np.asarray(cv2.resize(before, grey.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
        affine, displacement = _flow(before, grey, objects * scale)
        if displacement < _STILL_PX:
            return identity()
        self._moved_s = time_s
        affine[:, 2] /= scale
        return affine

    def _check_state(self) -> None:
        fits(len(self._size) in (0, 2) and min(self._size, default=1) > 0, "the size of the last picture")


def _flow(before: Image, after: Image, objects: Floats) -> tuple[Affine, float]:
    """The affine from `before` to `after` and the mean displacement of the corners that agree with it, in pixels."""
    free = np.full(before.shape, 255, np.uint8)
    for left, top, right, bottom in np.maximum(np.round(objects), 0).astype(int):
        free[top:bottom, left:right] = 0
    corners = cv2.goodFeaturesToTrack(before, _CORNERS, 0.01, 5, mask=free)
    if corners is None or len(corners) < _FEWEST_INLIERS:
        return identity(), 0.0
    guess = np.empty_like(corners)
    moved, found, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, guess, winSize=(15, 15), maxLevel=3)
    kept = found[:, 0] == 1
    if kept.sum() < _FEWEST_INLIERS:
        return identity(), 0.0
    start, end = corners[kept, 0], moved[kept, 0]
    affine, inliers = cv2.estimateAffinePartial2D(start, end, method=cv2.RANSAC, ransacReprojThreshold=1.5)
    if affine is None or inliers.sum() < _FEWEST_INLIERS:
        return identity(), 0.0
    agree = inliers[:, 0] == 1
    shift = np.linalg.norm(start[agree] @ (affine[:, :2] - np.eye(2)).T + affine[:, 2], axis=1)
    return affine, float(shift.mean())
