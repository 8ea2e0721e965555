"""Where on the ground tracks are: the middle of each box's lower edge through the camera's homography.

The ground is a plane, and its coordinates are those in which the points of the calibration were given. A foot point is
uncertain by a share of its box's sides; on the ground that is the more, the further away.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import ArrayLike

from tracker.analytics.ground.homography import Array, fitted, jacobian, mapped
from tracker.analytics.ground.lens import Lens
from tracker.errors import ConfigError, InputError
from tracker.structures import PREDICTED, TENTATIVE, Mask, Tracks
from tracker.system.files import read_yaml, replace_text

FrameSize = tuple[int, int]  # width, height

EXAMPLE = "write points: [{px: [X, Y], m: [X, Y]}, ...], at least four, or make it with: track calibrate"
FOOT_STD = 0.02  # of a box's height: standard deviation of a detector's foot point
_ACROSS = 2.0  # times that, of its width: sideways a detector's boxes are less exact
_PREDICTED = 3.0  # times as uncertain where the object was not detected
_GROWN = 0.5  # by which the hull of the calibration's points is larger where positions are given
_EDGE = 0.01  # of a box's size: one that ends so near to the frame's edge is cut off
_KEYS = ("points", "frame_size", "lens", "foot_std")
_SAME_SHAPE = 0.01  # by which the sides of two pictures of one shape may differ


@dataclass(frozen=True, eq=False)
class GroundPlane:
    """The ground in the picture of a camera that stands still.

    Attributes:
        pixels: (P, 2) points of the picture. metres: (P, 2) where they lie on the ground.
        homography: (3, 3) from pixels, of which a lens' distortion is taken, to metres.
        lens: None where straight lines are straight in the picture.
        frame_size: width and height of the picture that `pixels` are of; None: not known, and then boxes that are cut
            off by its right or lower edge are not known as such.
        foot_std: standard deviation of foot points downwards, as a share of the box's height; sideways it is twice that
            share of its width.

    Examples:
        >>> ground = GroundPlane.from_points([[0, 400], [640, 400], [160, 200], [480, 200]],
        ...                                  [[0, 0], [8, 0], [0, 10], [8, 10]])
        >>> ground.to_metres([[320, 200]]).round(6).tolist()
        [[4.0, 10.0]]
    """

    pixels: Array
    metres: Array
    homography: Array
    lens: Lens | None = None
    frame_size: FrameSize | None = None
    foot_std: float = FOOT_STD

    @classmethod
    def from_points(
        cls,
        pixels: ArrayLike,
        metres: ArrayLike,
        *,
        lens: Lens | None = None,
        frame_size: FrameSize | None = None,
        foot_std: float = FOOT_STD,
    ) -> Self:
        """The ground through points (P, 2), P >= 4, of the picture whose places (P, 2) in metres are known.

        Raises:
            InputError: too few points, points on one line, points of no one plane, or no numbers.
        """
        picture, ground = _points(pixels, "pixels"), _points(metres, "metres")
        if len(picture) != len(ground):
            raise InputError(f"there are {len(picture)} pixels and {len(ground)} places in metres; give one each")
        if not 0 < foot_std < 1:
            raise InputError(f"foot_std is {foot_std!r}; give a share of the box's height, such as {FOOT_STD}")
        straight = picture if lens is None else lens.straight(picture)
        if not np.isfinite(straight).all():
            raise InputError("the lens' coefficients do not hold where the points are; check them and its focal_px")
        return cls(picture, ground, fitted(straight, ground), lens, frame_size, float(foot_std))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a `camera.yaml`.

        Raises:
            ConfigError: it cannot be read, is not safe YAML, has an unknown key, or points that fix no ground.
        """
        content = read_yaml(Path(path), EXAMPLE)
        try:
            return cls.parsed(content)
        except (InputError, ConfigError) as error:
            raise ConfigError(f"{path}: {error}") from None

    @classmethod
    def parsed(cls, content: Any) -> Self:
        """What `load` makes of a file's content.

        Raises:
            ConfigError, InputError: as there.
        """
        if isinstance(content, Mapping) and content.keys() & {"lines", "zones", "ignore"}:
            raise ConfigError(
                "this is a zones.yaml (lines and zones); give it as the zones, and as camera a camera.yaml"
            )
        if not isinstance(content, Mapping) or not isinstance(content.get("points"), list):
            raise ConfigError(f"there are no points; {EXAMPLE}")
        if unknown := [key for key in content if key not in _KEYS]:
            raise ConfigError(f"{unknown[0]!r} is not known here; the keys are {', '.join(_KEYS)}")
        points, lens, size = content["points"], content.get("lens"), content.get("frame_size")
        if not all(isinstance(point, Mapping) and set(point) == {"px", "m"} for point in points):
            raise ConfigError(f"a point has not just px and m; {EXAMPLE}")
        if lens is not None and not (isinstance(lens, Mapping) and set(lens) == set(Lens.__dataclass_fields__)):
            raise ConfigError("lens has other keys than focal_px, centre_px and distortion; give these three")
        if size is not None and not (
            isinstance(size, list) and len(size) == 2 and all(isinstance(s, int) and s > 0 for s in size)
        ):
            raise ConfigError(f"frame_size is {size!r}; give [WIDTH, HEIGHT] in pixels")
        foot_std = content.get("foot_std", FOOT_STD)
        if not isinstance(foot_std, int | float):
            raise ConfigError(f"foot_std is {foot_std!r}; give a share of the box's height, such as {FOOT_STD}")
        return cls.from_points(
            [point["px"] for point in points],
            [point["m"] for point in points],
            lens=None if lens is None else Lens.of(**lens),
            frame_size=None if size is None else (size[0], size[1]),
            foot_std=foot_std,
        )

    def to_dict(self) -> dict[str, Any]:
        """What `parsed` makes the same of, in plain lists and numbers."""
        pairs = zip(self.pixels.tolist(), self.metres.tolist(), strict=True)
        said: dict[str, Any] = {"points": [{"px": pixel, "m": place} for pixel, place in pairs]}
        said |= {} if self.frame_size is None else {"frame_size": list(self.frame_size)}
        said |= {} if self.lens is None else {"lens": self.lens.to_dict()}
        return said | ({} if self.foot_std == FOOT_STD else {"foot_std": self.foot_std})

    def save(self, path: str | Path) -> None:
        """Write a `camera.yaml`.

        Raises:
            OutputError: it cannot be written.
        """
        import yaml

        replace_text(Path(path), yaml.safe_dump(self.to_dict(), sort_keys=False, default_flow_style=None))

    def fitted(self, frame_size: FrameSize) -> Self:
        """The same for a picture of (width, height), of the same camera in the same place.

        Raises:
            ConfigError: a picture of another shape, or a point outside of it.
        """
        if self.frame_size is None:
            if (outside := (self.pixels > frame_size).any(axis=1)).any():
                raise ConfigError(
                    f"the camera's points reach pixel {self.pixels[outside][0].tolist()}, outside of the frame of "
                    f"{frame_size[0]} x {frame_size[1]}; give the camera.yaml of this camera"
                )
            return replace(self, frame_size=frame_size)
        by = np.divide(frame_size, self.frame_size)
        if abs(by[0] / by[1] - 1) > _SAME_SHAPE:
            raise ConfigError(
                f"the camera was calibrated on frames of {self.frame_size[0]} x {self.frame_size[1]}, and these are "
                f"{frame_size[0]} x {frame_size[1]}; calibrate it on this video"
            )
        lens = None if self.lens is None else self.lens.scaled(by)
        return type(self).from_points(
            self.pixels * by, self.metres, lens=lens, frame_size=frame_size, foot_std=self.foot_std
        )

    @property
    def error_m(self) -> Array:
        """(P,) metres between where each point is mapped and where it was said to be."""
        off: Array = np.linalg.norm(self._on_plane(self.pixels)[0] - self.metres, axis=1)
        return off

    def to_metres(self, pixels: ArrayLike) -> Array:
        """(N, 2) metres of points (N, 2) of the ground in the picture; NaN outside of the calibrated ground.

        Raises:
            InputError: another shape.
        """
        points = np.asarray(pixels, np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise InputError(f"pixels has shape {points.shape}; give (N, 2)")
        place, depth = self._on_plane(points)
        return np.where(self._inside(place, depth)[:, None], place, np.nan)

    def positions(self, tracks: Tracks, frame_size: FrameSize | None = None) -> tuple[Array, Array]:
        """Where tracks of any tracker stand.

        Args:
            tracks: of one frame.
            frame_size: width and height of the frame; by default that of the calibration.

        Returns:
            (N, 2) metres and (N, 2) standard deviations of both coordinates, in metres. NaN where the foot is not seen:
            the box is cut off by the frame's edge, or its foot is in front of what a nearer box covers; and outside of
            the calibrated ground, which is the hull of its points grown by half, and never beyond the horizon.
        """
        place, covariance = self.measured(tracks, frame_size)
        return place, np.sqrt(np.einsum("nii->ni", covariance))

    def measured(self, tracks: Tracks, frame_size: FrameSize | None = None) -> tuple[Array, Array]:
        """What `positions` gives, with the whole (N, 2, 2) covariance in square metres."""
        box = tracks.xyxy.astype(np.float64)
        foot = np.stack([(box[:, 0] + box[:, 2]) / 2, box[:, 3]], axis=1)
        place, depth = self._on_plane(foot)
        size = frame_size or self.frame_size
        known = self._inside(place, depth) & ~_cut_off(box, size) & ~self._covered(tracks, box, foot)
        std = self.foot_std * (box[:, 2:] - box[:, :2]) * [_ACROSS, 1.0]
        std[tracks.status == PREDICTED] *= _PREDICTED
        slope = self._slope(foot) * std[:, None, :]
        covariance = slope @ slope.swapaxes(1, 2)
        return np.where(known[:, None], place, np.nan), np.where(known[:, None, None], covariance, np.nan)

    def _on_plane(self, pixels: Array) -> tuple[Array, Array]:
        return mapped(self.homography, pixels if self.lens is None else self.lens.straight(pixels))

    def _slope(self, pixels: Array) -> Array:
        if self.lens is None:
            return jacobian(self.homography, pixels)
        slope: Array = jacobian(self.homography, self.lens.straight(pixels)) @ self.lens.jacobian(pixels)
        return slope

    @cached_property
    def _sides(self) -> tuple[Array, Array]:
        """The middle of the points in metres, and of the sides of their grown hull (E, 3) directions and distances."""
        offset = self.metres - self.metres.mean(axis=0)  # so that single precision, which OpenCV takes, will do
        around = cv2.convexHull(offset.astype(np.float32), returnPoints=False, clockwise=False)[:, 0]
        corners = self.metres[around]
        middle = corners.mean(axis=0)
        begin = (corners - middle) * (1 + _GROWN)
        along = np.roll(begin, -1, axis=0) - begin
        outwards = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.linalg.norm(along, axis=1, keepdims=True)
        outwards *= np.sign((outwards * begin).sum(axis=1, keepdims=True))  # whichever way around OpenCV went
        return middle, np.column_stack([outwards, -(outwards * begin).sum(axis=1)])

    def _inside(self, place: Array, depth: Array) -> Mask:
        """(N,) of points on the plane: on the calibrated ground, before the horizon?"""
        middle, sides = self._sides
        with np.errstate(invalid="ignore"):
            inside: Mask = ((place - middle) @ sides[:, :2].T + sides[:, 2] <= 0).all(axis=1) & (depth > 0)
        return inside

    def _covered(self, tracks: Tracks, box: Array, foot: Array) -> Mask:
        """(N,) is the foot in the box of an object that stands nearer beyond the doubt of where its own is?"""
        other = box[tracks.status != TENTATIVE]
        x, y = foot.T[:, :, None]
        doubt = 2 * self.foot_std * (box[:, 3] - box[:, 1])
        within = (x > other[:, 0]) & (x < other[:, 2]) & (y > other[:, 1])
        covered: Mask = (within & (y + doubt[:, None] < other[:, 3])).any(axis=1)
        return covered


def _cut_off(box: Array, frame_size: FrameSize | None) -> Mask:
    """(N,) does a box reach the left, right or lower edge of the frame?"""
    margin = np.maximum(_EDGE * (box[:, 2:] - box[:, :2]), 1.0)
    cut: Mask = box[:, 0] <= margin[:, 0]
    if frame_size is not None:
        cut = cut | (box[:, 2:] >= np.array(frame_size) - margin).any(axis=1)
    return cut


def _points(values: ArrayLike, what: str) -> Array:
    try:
        points = np.array(values, np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{what} are no numbers; give (P, 2) x, y") from None
    if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
        raise InputError(f"{what} have shape {points.shape} or are not finite; give (P, 2) x, y")
    return points
