"""The report's maps: heat and paths on the picture and on the ground, and lines and zones to lie over the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import FrameSize, Zones
from tracker.datasets.annotations import Annotations
from tracker.output.shapes import Colour
from tracker.structures import Image
from tracker.viewer.report import maps
from tracker.viewer.report.album import jpeg_uri
from tracker.viewer.report.backdrop import Backdrop
from tracker.viewer.report.numbers.objects import Objects
from tracker.viewer.report.numbers.places import LineNumbers, ZoneNumbers
from tracker.viewer.report.numbers.timeline import Reals, Timeline

CLASSES = 5  # that have a colour of their own
PAINTS = ("#6fd6b0", "#b79cf5", "#ef8fc0", "#d8cf5e", "#63c7e6", "#b9c4be")
"""Of classes and all others on maps: bright on a dark picture. The page has the same as its colours in the dark."""
_QUALITY = 82
_ROOM, _LINE, _LOWEST = 15.0, 10.0, 90.0  # percent of the picture: half a text, its height, and where one may begin
_ARROW = 0.045  # of the picture's shorter side


@dataclass(frozen=True)
class MapFigure:
    """A picture of the page: title and words, data URI, width and height in pixels, and whether it is a plan."""

    title: str
    words: str
    image: str
    width: int
    height: int
    plan: bool


@dataclass(frozen=True)
class ShownPlace:
    """A line or zone over the picture, all in percent of it.

    Attributes:
        name: its own. counted: what was.
        course: points x,y as SVG has them. closed: whether it is a zone.
        arrow: likewise, of where "in" is; empty for a zone.
        x, y: the upper middle of its text.
    """

    name: str
    counted: str
    course: str
    closed: bool
    arrow: str
    x: float
    y: float


def map_figures(
    rows: Annotations,
    on_ground: Reals | None,
    objects: Objects,
    time: Timeline,
    ground: GroundPlane | None,
    place: Backdrop,
) -> list[MapFigure]:
    """Heat and paths, on the picture and, where there is a camera, on the ground; none of a run without objects."""
    if not len(rows):
        return []
    seconds = time.seconds[time.frame_of(rows.frames)]
    by_id = np.lexsort((rows.frames, rows.ids))
    row_of = {number: min(row, CLASSES) for row, number in enumerate(objects.class_order)}
    classes = zip(objects.ids.tolist(), objects.classes.tolist(), strict=True)
    colours = {i: _bgr(PAINTS[row_of[number]]) for i, number in classes}
    at, base = maps.feet(rows.xyxy) * place.scale, maps.muted(place.image)
    words = "on the picture"
    drawn = [
        _figure("Where they stayed", words, maps.heat(base, at, seconds)),
        _figure("Which way they went", words, maps.paths(base, at[by_id], rows.ids[by_id], colours)),
    ]
    if ground is None or on_ground is None or not np.isfinite(on_ground[:, 0]).any():
        return drawn
    above = maps.plan(ground, on_ground[:, :2], place)
    where = above.pixels(on_ground[:, :2])
    known = np.isfinite(where[:, 0])
    warm, step = maps.with_grid(above, maps.heat(above.image, where[known], seconds[known]))
    ways, _ = maps.with_grid(above, maps.paths(above.image, where[by_id], rows.ids[by_id], colours))
    words = f"the ground from above; a line every {step:g} m"
    return [
        *drawn,
        _figure("Where they stayed", words, warm, plan=True),
        _figure("Which way they went", words, ways, plan=True),
    ]


def places_shown(
    zones: Zones, lines: Sequence[LineNumbers], areas: Sequence[ZoneNumbers], size: FrameSize
) -> list[ShownPlace]:
    """The lines and zones to lie over a picture of (width, height) pixels."""
    counted = {line.name: f"{int(line.ins.sum()):,} in, {int(line.outs.sum()):,} out" for line in lines}
    counted |= {area.name: f"{area.entered:,} entered" for area in areas}
    found: list[ShownPlace] = []
    for name, points, is_zone in zones.shapes(size):
        share = 100 / np.array(size)
        where, arrow = points.mean(axis=0), ""
        if not is_zone:
            edge = (len(points) - 1) // 2
            along = points[edge + 1] - points[edge]
            where = points[edge : edge + 2].mean(axis=0)
            left = np.array([along[1], -along[0]]) / np.hypot(*along)
            side = np.array([-left[1], left[0]])
            length = _ARROW * min(size)
            tip = where + length * left
            head = [tip, tip - 0.45 * length * (left + 0.6 * side), tip - 0.45 * length * (left - 0.6 * side)]
            arrow = _course(np.array([where, *head, tip]) * share)
        x, y = map(float, (where * share).round(2).clip([_ROOM, 0], [100 - _ROOM, _LOWEST]))
        while y < _LOWEST and any(abs(x - p.x) < 2 * _ROOM and abs(y - p.y) < _LINE for p in found):
            y += 1.0
        found.append(ShownPlace(name, counted[name], _course(points * share), is_zone, arrow, x, y))
    return found


def _course(points: Reals) -> str:
    return " ".join(f"{x:.2f},{y:.2f}" for x, y in points.tolist())


def _figure(title: str, words: str, image: Image, plan: bool = False) -> MapFigure:
    return MapFigure(title, words, jpeg_uri(image, _QUALITY), image.shape[1], image.shape[0], plan)


def _bgr(colour: str) -> Colour:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return blue, green, red
