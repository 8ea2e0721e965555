"""What a `zones.yaml` says about the places in a picture. Regions to ignore are what is made use of so far.

    units: px                                       # pixels of the frame (default), or share: of its width and height
    ignore: [{points: [[0, 0], [400, 0], [400, 300]]}]

A detection is ignored whose foot (the middle of its lower edge) lies in such a region: there a person or car stands, so
somebody who passes in front of the region stays, and one who is in it goes, however much of the body reaches out. It is
the rule of other camera software for its masks, and the `anchor: bottom` of lines.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError
from tracker.structures import Detections, Mask
from tracker.system.files import read_yaml

Points = NDArray[np.float64]  # (P, 2) x, y
FrameSize = tuple[int, int]  # width, height

_UNITS = ("px", "share")
_SHAPES = {
    "lines": (2, ("points", "anchor", "classes")),
    "zones": (3, ("points", "anchor", "classes", "dwell_s")),
    "ignore": (3, ("points",)),
}
"""Kind of shape -> the least number of its points, and its keys."""
_EXAMPLE = "write ignore: [{points: [[X, Y], [X, Y], [X, Y]]}]"
_FARTHEST = 1e6  # pixels from the edge of a frame, beyond what any has
_FRAMES_KEPT = 4  # sizes of frames whose mask is held


@dataclass(frozen=True, eq=False)
class Zones:
    """Places in a picture.

    Attributes:
        ignore: polygons (P, 2), inside of which nothing is tracked.
        units: what their points are in: `px` of the frame, or `share` of its width and height.
        unused: which of `lines` and `zones` the file has as well; nothing is made of them yet.
    """

    ignore: tuple[Points, ...] = ()
    units: str = "px"
    unused: tuple[str, ...] = ()
    _masks: dict[FrameSize, Mask] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a `zones.yaml`.

        Raises:
            ConfigError: it cannot be read, is not safe YAML, has an unknown key, or a shape that is none.
        """
        content = read_yaml(Path(path), _EXAMPLE)
        if not content:
            raise ConfigError(f"{path} says nothing; {_EXAMPLE}")
        return cls.parsed(content, str(path))

    @classmethod
    def parsed(cls, content: Any, where: str) -> Self:
        """What `load` makes of a file's content; `where` it is from is named in errors, as there."""
        try:
            content = _mapping(content, "the file", ("units", *_SHAPES))
            units = content.get("units", "px")
            if units not in _UNITS:
                raise ConfigError(f"units is {units!r}; give {' or '.join(_UNITS)}")
            shapes = {kind: _shapes(kind, content[kind], units) for kind in _SHAPES if kind in content}
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        unused = tuple(kind for kind in ("lines", "zones") if shapes.get(kind))
        return cls(tuple(shapes.get("ignore", ())), units, unused)

    def to_dict(self) -> dict[str, Any]:
        """What `parsed` makes the same of, in plain lists and numbers."""
        return {"units": self.units, "ignore": [{"points": points.tolist()} for points in self.ignore]}

    def fitted(self, frame_size: FrameSize) -> Self:
        """The same in shares of a frame of (width, height) pixels, for a stream whose frames may change their size.

        Raises:
            ConfigError: a point outside of the frame.
        """
        if self.units == "share":
            return self
        return type(self)(tuple(points / frame_size for points in self.outlines(frame_size)), "share", self.unused)

    def outlines(self, frame_size: FrameSize) -> list[Points]:
        """The polygons to ignore, (P, 2) each, in pixels of a frame of (width, height); errors as of `fitted`."""
        if self.units == "share":
            return [points * frame_size for points in self.ignore]
        for number, points in enumerate(self.ignore, 1):
            outside = (points > frame_size).any(axis=1)
            if outside.any():
                raise ConfigError(
                    f"region {number} of ignore has the point {_shown(points[outside][0])}, outside of the frame of "
                    f"{frame_size[0]} x {frame_size[1]} pixels; give pixels of the frame, or shares with units: share"
                )
        return list(self.ignore)

    def keep(self, detections: Detections, frame_size: FrameSize) -> Detections:
        """The detections of a frame of (width, height) pixels without those to ignore; errors as of `fitted`."""
        if not self.ignore or not len(detections):
            return detections
        foot_x, foot_y = (detections.xyxy[:, 0] + detections.xyxy[:, 2]) / 2, detections.xyxy[:, 3]
        width, height = frame_size
        columns = np.clip(foot_x, 0, width - 1).astype(np.intp)
        rows = np.clip(foot_y, 0, height - 1).astype(np.intp)
        return detections[~self._mask(frame_size)[rows, columns]]

    def _mask(self, frame_size: FrameSize) -> Mask:
        """(H, W): is this pixel in a region to ignore?"""
        mask = self._masks.get(frame_size)
        if mask is None:
            drawn = np.zeros(frame_size[::-1], np.uint8)
            for points in self.outlines(frame_size):  # one by one: where two overlap, both count
                cv2.fillPoly(drawn, [np.rint((points - 0.5) * 16).astype(np.int32)], 1, shift=4)
            for oldest in list(islice(self._masks, max(0, len(self._masks) + 1 - _FRAMES_KEPT))):
                del self._masks[oldest]
            mask = self._masks[frame_size] = drawn.astype(bool)
        return mask


def _shapes(kind: str, value: Any, units: str) -> list[Points]:
    """The points of all shapes of a kind: of a list, or of what has names.

    Raises:
        ConfigError: one that is none.
    """
    if kind == "ignore" and isinstance(value, list):
        shapes = {f"region {number} of ignore": shape for number, shape in enumerate(value, 1)}
    elif kind != "ignore" and isinstance(value, Mapping):
        shapes = {f"{kind}.{name}": shape for name, shape in value.items()}
    else:
        how = "[{points: ...}]" if kind == "ignore" else "{NAME: {points: ...}}"
        raise ConfigError(f"{kind} is {value!r}; write {kind}: {how}")
    least, keys = _SHAPES[kind]
    points = {place: _points(_mapping(shape, place, keys), place, least, units) for place, shape in shapes.items()}
    return [_polygon(of, place) if least > 2 else of for place, of in points.items()]


def _mapping(value: Any, place: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place} is {value!r}; give keys and values, of: {', '.join(keys)}")
    for key in value:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(keys)}"
            raise ConfigError(f"{place} has the unknown key {key!r}; {hint}")
    return value


def _points(shape: Mapping[str, Any], place: str, least: int, units: str) -> Points:
    value = shape.get("points")
    if not isinstance(value, list) or not all(map(_is_point, value)):
        raise ConfigError(f"{place} has no list of points; write points: [[X, Y], [X, Y], ...]")
    if len(value) < least:
        raise ConfigError(f"{place} has {len(value)} point{'s' * (len(value) != 1)}; give at least {least}")
    points = np.array(value, np.float64)
    outside = (points < 0).any(axis=1) | ((units == "share") & (points > 1).any(axis=1))
    if outside.any():
        instead = "shares from 0 to 1, or pixels with units: px" if units == "share" else "pixels from 0"
        raise ConfigError(f"{place} has the point {_shown(points[outside][0])}, outside of the frame; give {instead}")
    return points


def _is_point(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 2 and all(isinstance(n, int | float) for n in value)
    return numbers and all(abs(n) < _FARTHEST for n in value)


def _polygon(points: Points, place: str) -> Points:
    """The points of an area, without one that closes it, as some tools write."""
    if (points[0] == points[-1]).all():
        points = points[:-1]
    crossing = _crossing(points)
    if crossing is not None:
        edges = " and ".join(f"the edge from {_shown(points[n])}" for n in crossing)
        raise ConfigError(f"{place} crosses itself ({edges}); list its points in their order around it")
    x, y = points.T
    if not abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) > 0:
        raise ConfigError(f"{place} has no area, its points lie on one line; give at least 3 corners of an area")
    return points


def _crossing(points: Points) -> tuple[int, int] | None:
    """Two edges (each by its first point) that cross; None where none do."""
    begin, end = points, np.roll(points, -1, axis=0)

    def side(of: Points) -> NDArray[np.float64]:
        """(P, P) on which side of each edge each point lies: below 0, on it 0, above 0."""
        along, to = end - begin, of[None] - begin[:, None]
        return np.sign(along[:, None, 0] * to[..., 1] - along[:, None, 1] * to[..., 0])

    apart = side(begin) * side(end) < 0
    pairs = np.argwhere(apart & apart.T)
    return (int(pairs[0, 0]), int(pairs[0, 1])) if len(pairs) else None


def _shown(point: Points) -> str:
    return f"[{point[0]:g}, {point[1]:g}]"
