"""What a `zones.yaml` may hold, and what is wrong with one, in a sentence that names the place.

units: px                                       # pixels of the frame (default), or share: of its width and height
lines: {gate: {points: [[100, 500], [900, 500]], anchor: bottom, classes: [person]}}
zones: {till: {points: [[0, 0], [400, 0], [400, 300], [0, 300]], dwell_s: 5}}
ignore: [{points: [[0, 0], [400, 0], [400, 300]]}]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import ConfigError, nearest

Points = NDArray[np.float64]  # (P, 2) x, y

ANCHORS = {
    "bottom": (0.5, 1.0),
    "centre": (0.5, 0.5),
    "center": (0.5, 0.5),
    "top": (0.5, 0.0),
    "left": (0.0, 0.5),
    "right": (1.0, 0.5),
    "bottom-left": (0.0, 1.0),
    "bottom-right": (1.0, 1.0),
    "top-left": (0.0, 0.0),
    "top-right": (1.0, 0.0),
}
"""Name -> where of a box's width and height the point lies that decides where the object is."""
EXAMPLE = "write lines: {NAME: {points: [[X, Y], [X, Y]]}}, or draw them with: track zones"
_UNITS = ("px", "share")
_SHAPES = {
    "lines": (2, ("points", "anchor", "classes")),
    "zones": (3, ("points", "anchor", "classes", "dwell_s")),
    "ignore": (3, ("points",)),
}
"""Kind of shape -> the least number of its points, and its keys."""
_FARTHEST = 1e6  # pixels from the edge of a frame, beyond what any has


@dataclass(frozen=True, eq=False)
class NamedShape:
    """A line that is counted at, or a zone that is counted in.

    Attributes:
        name: as the file has it.
        points: (P, 2) x, y; of a zone its corners in their order, of a line its course: "in" is from the right hand to
            the left hand of somebody who walks on the picture from the first point to the last, so across a line from
            left to right it is upwards.
        is_zone: an area, not a line.
        anchor: key of `ANCHORS`.
        classes: names or numbers of the classes that count; None: all.
        dwell_s: an object that has been inside for so long is an event; None: none is.
    """

    name: str
    points: Points
    is_zone: bool
    anchor: str = "bottom"
    classes: tuple[str, ...] | None = None
    dwell_s: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """What the file has under its name."""
        said = {"points": self.points.tolist(), "anchor": self.anchor}
        if self.classes is not None:
            said["classes"] = list(self.classes)
        return said if self.dwell_s is None else said | {"dwell_s": self.dwell_s}


@dataclass(frozen=True, eq=False)
class ZonesFile:
    """What a file says: the `units` of all points, the `places` where events are found, and polygons to `ignore`."""

    units: str
    places: tuple[NamedShape, ...]
    ignore: tuple[Points, ...]


def parsed(content: Any) -> ZonesFile:
    """What a file's content says.

    Raises:
        ConfigError: an unknown key, a shape that is none, or two places of one name.
    """
    if isinstance(content, Mapping) and isinstance(content.get("points"), list):
        raise ConfigError(
            "this is a camera.yaml (points on the ground); give it as the camera, and as zones a zones.yaml"
        )
    content = _mapping(content, "the file", ("units", *_SHAPES))
    units = content.get("units", "px")
    if units not in _UNITS:
        raise ConfigError(f"units is {units!r}; give {' or '.join(_UNITS)}")
    ignore = [points for _, _, points in _shapes("ignore", content.get("ignore", []), units)]
    places: dict[str, NamedShape] = {}
    for kind in ("lines", "zones"):
        for name, shape, points in _shapes(kind, content.get(kind, {}), units):
            if name in places:
                raise ConfigError(f"lines and zones both have {name!r}; give each a name of its own")
            places[name] = _place(name, shape, points, kind)
    return ZonesFile(units, tuple(places.values()), tuple(ignore))


def written(content: Mapping[str, Any]) -> str:
    """A file of which `parsed` makes the same as of this content: a line for each shape, as one writes it by hand."""
    lines = [f"units: {content.get('units', 'px')}"]
    for kind in _SHAPES:
        shapes = content.get(kind)
        if not shapes:
            continue
        lines.append(f"{kind}:")
        named = [("- ", shape) for shape in shapes] if kind == "ignore" else []
        named = named or [(f"{_flow(str(name))}: ", shape) for name, shape in shapes.items()]
        lines += [f"  {before}{_flow({**shape, 'points': _short(shape['points'])})}" for before, shape in named]
    return "\n".join(lines) + "\n"


def _flow(value: Any) -> str:
    """A value as YAML in one line."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")


def _short(points: Sequence[Sequence[float]]) -> list[list[float]]:
    """Points, whole numbers as such."""
    return [[int(n) if float(n).is_integer() else float(n) for n in point] for point in points]


def _place(name: str, shape: Mapping[str, Any], points: Points, kind: str) -> NamedShape:
    where = f"{kind}.{name}"
    anchor = shape.get("anchor", "bottom")
    if not isinstance(anchor, str) or anchor not in ANCHORS:
        raise ConfigError(f"{where} has the anchor {anchor!r}; give one of: {', '.join(ANCHORS)}")
    classes = shape.get("classes")
    if classes is not None:
        if not isinstance(classes, list) or not classes or not all(isinstance(c, str | int) for c in classes):
            raise ConfigError(f"{where} has the classes {classes!r}; give names or numbers: classes: [person, car]")
        classes = tuple(map(str, classes))
    dwell_s = shape.get("dwell_s")
    if dwell_s is not None and not (_is_number(dwell_s) and 0 < dwell_s < np.inf):
        raise ConfigError(f"{where} has dwell_s {dwell_s!r}; give seconds above 0")
    return NamedShape(name, points, kind == "zones", anchor, classes, dwell_s)


def _shapes(kind: str, value: Any, units: str) -> list[tuple[str, Mapping[str, Any], Points]]:
    """Name, keys and points of all shapes of a kind: of a list, or of what has names."""
    if kind == "ignore" and isinstance(value, list):
        shapes = {str(number): (f"region {number} of ignore", shape) for number, shape in enumerate(value, 1)}
    elif kind != "ignore" and isinstance(value, Mapping):
        shapes = {str(name): (f"{kind}.{name}", shape) for name, shape in value.items()}
    else:
        how = "[{points: ...}]" if kind == "ignore" else "{NAME: {points: ...}}"
        raise ConfigError(f"{kind} is {value!r}; write {kind}: {how}")
    least, keys = _SHAPES[kind]
    found = []
    for name, (where, shape) in shapes.items():
        points = _points(_mapping(shape, where, keys), where, least, units)
        found.append((name, shape, _polygon(points, where) if least > 2 else _course(points, where)))
    return found


def _mapping(value: Any, where: str, keys: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{where} is {value!r}; give keys and values, of: {', '.join(keys)}")
    for key in value:
        if key not in keys:
            near = nearest(str(key), keys)
            hint = f"did you mean {near!r}?" if near else f"valid keys: {', '.join(keys)}"
            raise ConfigError(f"{where} has the unknown key {key!r}; {hint}")
    return value


def _points(shape: Mapping[str, Any], where: str, least: int, units: str) -> Points:
    value = shape.get("points")
    if not isinstance(value, list) or not all(map(_is_point, value)):
        raise ConfigError(f"{where} has no list of points; write points: [[X, Y], [X, Y], ...]")
    if len(value) < least:
        raise ConfigError(f"{where} has {len(value)} point{'s' * (len(value) != 1)}; give at least {least}")
    points = np.array(value, np.float64)
    outside = (points < 0).any(axis=1) | ((units == "share") & (points > 1).any(axis=1))
    if outside.any():
        instead = "shares from 0 to 1, or pixels with units: px" if units == "share" else "pixels from 0"
        raise ConfigError(f"{where} has the point {shown(points[outside][0])}, outside of the frame; give {instead}")
    return points


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_point(value: Any) -> bool:
    numbers = isinstance(value, list) and len(value) == 2 and all(isinstance(n, int | float) for n in value)
    return numbers and all(abs(n) < _FARTHEST for n in value)


def _course(points: Points, where: str) -> Points:
    """The points of a line, none twice in a row."""
    if (points[1:] == points[:-1]).all(axis=1).any():
        raise ConfigError(f"{where} has the same point twice in a row; give where it begins and where it ends")
    return points


def _polygon(points: Points, where: str) -> Points:
    """The points of an area, without one that closes it, as some tools write."""
    if (points[0] == points[-1]).all():
        points = points[:-1]
    crossing = _crossing(points)
    if crossing is not None:
        edges = " and ".join(f"the edge from {shown(points[n])}" for n in crossing)
        raise ConfigError(f"{where} crosses itself ({edges}); list its points in their order around it")
    x, y = points.T
    if not abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) > 0:
        raise ConfigError(f"{where} has no area, its points lie on one line; give at least 3 corners of an area")
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


def shown(point: Points) -> str:
    """A point as the file has it."""
    return f"[{point[0]:g}, {point[1]:g}]"
