"""Tracks drawn on their frame: boxes, labels, fading trails and, on request, where each object will be.

Everything is drawn in place and only where something is to be seen, so that a 1080p frame with two dozen tracks costs
a few milliseconds. Sizes follow the frame's.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.output.counted import Counted, draw_counted
from tracker.output.labels import LabelPlaces
from tracker.output.plates import INK, label, paste
from tracker.output.regions import IgnoredRegions, Outlines
from tracker.output.shapes import Colour, draw_masks, draw_oriented, draw_skeleton
from tracker.structures import Floats, Image, Ints, Status, Tracks
from tracker.system.snapshots.resumable import Resumable

if TYPE_CHECKING:
    from tracker.video.source import Frame

# RGB, as `scripts/make_palette.py` makes them: 24 colours far apart in OKLab, under normal sight and under simulated
# protanopia and deuteranopia, in an order that keeps those of neighbouring ids furthest apart. Dark text is readable.
_HEX = """
    ff4bb4 c3c300 7896e1 00f0c3 d29669 ff1e1e 009687 e1f087 f069ff 3cf0ff 00e169 c36969
    0f87d2 69c396 ff6900 d24bc3 96ffe1 ff96c3 2db44b a5ff00 00d2ff a55aff ffc396 a5783c
"""
PALETTE: tuple[Colour, ...] = tuple((int(h[4:], 16), int(h[2:4], 16), int(h[:2], 16)) for h in _HEX.split())
TRAIL_S = 1.5  # seconds of the way behind each object
_STEPS = 5  # in which it fades
_SIGMAS_90 = 2.146  # radius that holds 90 % of a two-dimensional Gaussian
_NEIGHBOURS = np.array([[1], [2], [3], [4], [3], [2], [1]]) / 16  # how much each counts in a trail's point


def colour(track_id: int) -> Colour:
    """The colour of a track (BGR), unless one that is there when it comes has it already."""
    return PALETTE[(track_id - 1) % len(PALETTE)]


class Colours(Resumable):
    """A colour for each track, that of its id or, where one that is there has it, the next that is free.

    A track keeps its colour, also when it comes back, as long as it is among the last `_REMEMBERED`.
    """

    saved = ("_of",)
    _REMEMBERED = 2000

    def __init__(self) -> None:
        self._of: dict[int, Colour] = {}

    def see(self, ids: list[int]) -> None:
        """Choose for those that are new."""
        new = [track for track in ids if track not in self._of]
        taken = {self._of[track] for track in ids if track in self._of} if new else set()
        for track in sorted(new):
            wanted = (colour(other) for other in range(track, track + len(PALETTE)))
            taken.add(
                self._of.setdefault(track, next((paint for paint in wanted if paint not in taken), colour(track)))
            )
        if len(self._of) > self._REMEMBERED:
            here = set(ids)
            gone = [track for track in self._of if track not in here]
            for track in gone[: len(self._of) - self._REMEMBERED]:
                del self._of[track]

    def __call__(self, track_id: int) -> Colour:
        """The colour of a track that was seen."""
        return self._of.get(track_id) or colour(track_id)


class Annotator(Resumable):
    """Draws the tracks of each frame onto its image; as the first of the writers, for those after it to show or save.

    A detected box has a full line, a predicted one a dashed line and no score. Masks tint what they cover, COCO's
    keypoints are joined to skeletons, and an oriented box is drawn in the place of the upright one. The trail is the
    way of the box's foot (the middle of its lower edge), which is where a person or car stands.

    Args:
        trail_s: seconds of the way drawn behind each object; 0 draws none.
        forecast_s: seconds ahead to draw as a path in a corridor that holds the foot with 90 %; 0 draws none.
        labels: write id, class and score at each box; in a crowd, where there is no room for that, the id.
        line_width: of the boxes in pixels, and by it of trails and forecasts; 0: by the frame's size.
        ignored: the regions in which nothing is tracked; None: there are none.
        counted: lines and zones with what was counted there; None: there are none.
        called: id -> what a person calls the object, written in the place of its class.
    """

    saved = ("_trails", "_places", "_colour")
    rebuilt = ("_trail_s", "_forecast_s", "_labels", "_called", "_line_width", "_counted", "_regions", "_drawn")
    _FORECAST_STEPS = 8
    _TRAIL_POINTS = 48

    def __init__(
        self,
        trail_s: float = TRAIL_S,
        forecast_s: float = 0.0,
        labels: bool = True,
        line_width: int = 0,
        ignored: Outlines | None = None,
        counted: Counted | None = None,
        called: Mapping[int, str] | None = None,
    ) -> None:
        self._trail_s = trail_s
        self._forecast_s = forecast_s
        self._labels = labels
        self._line_width = line_width
        self._counted = counted
        self._called = called or {}
        self._regions = None if ignored is None else IgnoredRegions(ignored)
        self._trails: dict[int, deque[tuple[float, float, float]]] = {}
        self._places = LabelPlaces()
        self._colour = Colours()
        self._drawn: Image | None = None

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Draw on `frame.image`; where it is that of the frame before once more, it is there already."""
        if not (frame.repeated and frame.image is self._drawn):
            self.draw(frame.image, tracks)
        self._drawn = frame.image

    def close(self) -> None:
        """Nothing is held open."""

    def draw(self, image: Image, tracks: Tracks) -> None:
        """Draw confirmed tracks on a (H, W, 3) BGR image, in place."""
        if self._regions is not None:
            self._regions.draw(image)
        rows = tracks.confirmed
        rows = rows[np.argsort(rows.xyxy[:, 3], kind="stable")]  # the nearest object last, over those behind it
        short = 480 * self._line_width or min(image.shape[:2])  # side of a frame whose lines are so wide
        line = self._line_width or max(2, round(short / 480))
        self._colour.see(rows.ids.tolist())
        paints = [self._colour(track_id) for track_id in rows.ids.tolist()]
        if rows.masks is not None:
            draw_masks(image, rows.masks, paints)
        if self._trail_s > 0:
            self._draw_trails(image, rows, max(1.0, short / 300))
        if self._forecast_s > 0:
            self._draw_forecasts(image, rows, max(1, round(short / 540)))
        corners = np.rint(rows.xyxy).astype(np.int64)
        turned = rows.corners
        for row, (paint, box, status) in enumerate(zip(paints, corners.tolist(), rows.status.tolist(), strict=True)):
            if turned is not None and not np.isnan(turned[row]).any():
                draw_oriented(image, turned[row], paint, line, INK)
            else:
                _draw_box(image, box, paint, line, dashed=status == Status.PREDICTED)
        if rows.keypoints is not None:
            for points, paint in zip(rows.keypoints, paints, strict=True):
                draw_skeleton(image, points, paint, line, INK)
        if self._labels:
            self._draw_labels(image, rows, corners, line)
        if self._counted is not None:
            draw_counted(image, self._counted)

    def _draw_labels(self, image: Image, rows: Tracks, corners: NDArray[np.int64], line: int) -> None:
        """Draw the label of each box (N, 4), the last one's on top."""
        height_px = max(11, round(min(image.shape[:2]) / 54))
        columns = rows.ids, rows.classes, rows.scores, rows.status
        full, short = [], []
        for track_id, number, score, status in zip(*(column.tolist() for column in columns), strict=True):
            text = f"{track_id} {self._called.get(track_id) or rows.names.get(number, number)}"
            if status != Status.PREDICTED:
                text += f" {score:.2f}"
            full.append(label(text, self._colour(track_id), height_px))
            short.append(label(str(track_id), self._colour(track_id), height_px))
        whole, places = self._places(rows.ids, corners, _sizes(full), _sizes(short), image.shape[1::-1], line)
        for row, (left, top) in enumerate(places.tolist()):
            paste(image, full[row] if whole[row] else short[row], left, top)

    def _draw_trails(self, image: Image, rows: Tracks, line: float) -> None:
        now = rows.time_s
        feet = _feet(rows.xyxy)
        for track_id, (x, y) in zip(rows.ids.tolist(), feet.tolist(), strict=True):
            self._trails.setdefault(track_id, deque(maxlen=self._TRAIL_POINTS)).append((now, x, y))
        for track_id in [i for i, trail in self._trails.items() if now - trail[-1][0] > self._trail_s]:
            del self._trails[track_id]
        for trail in self._trails.values():
            while now - trail[0][0] > self._trail_s:
                trail.popleft()
        trails = {track_id: trail for track_id, trail in self._trails.items() if len(trail) > 1}
        paints = map(self._colour, trails)
        for paint, way in zip(paints, _faded(list(trails.values()), now, self._trail_s), strict=True):
            _draw_trail(image, *way, paint, line)

    def _draw_forecasts(self, image: Image, rows: Tracks, line: int) -> None:
        if not len(rows):
            return
        forecast = rows.forecast(self._FORECAST_STEPS, self._forecast_s / self._FORECAST_STEPS)
        now, (ahead, radii) = _feet(rows.xyxy), corridor(forecast.xyxy, forecast.std)
        known = ~np.isnan(ahead[:, 0, 0])  # nothing was forecast of what is here by later frames only
        for track_id, start, path, radius in zip(
            rows.ids[known].tolist(), now[known], ahead[known], radii[known], strict=True
        ):
            _draw_forecast(image, np.concatenate([start[None], path]), radius, self._colour(track_id), line)


def corridor(xyxy: Floats, std: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the foot of an object will be, (..., 2), and the radii of an ellipse (..., 2) that holds it with 90 %.

    Args:
        xyxy, std: (..., 4) boxes and standard deviations of their edges, as of `Forecast`.
    """
    return _feet(xyxy), _SIGMAS_90 * np.stack([std[..., [0, 2]].mean(axis=-1), std[..., 3]], axis=-1)


def _feet(xyxy: Floats) -> NDArray[np.float64]:
    """(..., 4) boxes -> (..., 2) middle of the lower edge."""
    return np.stack([(xyxy[..., 0] + xyxy[..., 2]) / 2, xyxy[..., 3]], axis=-1).astype(np.float64)


def _faded(
    trails: list[deque[tuple[float, float, float]]], now: float, trail_s: float
) -> Iterator[tuple[NDArray[np.float64], list[int]]]:
    """Of each trail of (time, x, y) the way (P, 2) and how strong its points are, from 0 to `_STEPS`, rising.

    All at once, since a frame has a dozen trails of a few dozen points. Points are averaged with their neighbours: a
    detector's box jitters, its object does not.
    """
    if not trails:
        return
    reach = len(_NEIGHBOURS) // 2  # points of the next trail that must not count
    padded = np.array([point for t in trails for part in ([t[0]] * reach, t, [t[-1]] * reach) for point in part])
    smooth = np.asarray(cv2.filter2D(padded[:, 1:], -1, _NEIGHBOURS), np.float64)
    levels = np.ceil((1 - (now - padded[:, 0]) / trail_s) * _STEPS).astype(np.int64).tolist()
    begin = reach
    for trail in trails:
        end = begin + len(trail)
        yield smooth[begin:end], levels[begin:end]
        begin = end + 2 * reach


def _draw_box(image: Image, box: list[int], paint: Colour, line: int, *, dashed: bool) -> None:
    left, top, right, bottom = box
    if not dashed:
        covered = (line + 1) // 2 if line > 1 else 0  # on each side, by OpenCV
        edge = covered + 1  # a dark edge around it sets it off from a background of its own colour
        cv2.rectangle(image, (left - edge, top - edge), (right + edge, bottom + edge), INK, 1)
        cv2.rectangle(image, (left, top), (right, bottom), paint, line)
        return
    dash = 6 * line
    across = [(x, min(x + dash, right)) for x in range(left, right, 2 * dash)]
    down = [(y, min(y + dash, bottom)) for y in range(top, bottom, 2 * dash)]
    pieces = [((begin, y), (end, y)) for y in (top, bottom) for begin, end in across]
    pieces += [((x, begin), (x, end)) for x in (left, right) for begin, end in down]
    cv2.polylines(image, list(np.array(pieces).astype(np.int32)), False, paint, line)


def _draw_trail(image: Image, points: NDArray[np.float64], levels: list[int], paint: Colour, line: float) -> None:
    """A way (P, 2) whose points fade and thin with their levels (P,), from `_STEPS` to 0."""
    window = _window(image, points, margin=line + 1)
    if window is None:
        return
    part, origin = window
    mask = np.zeros(part.shape[:2], np.uint8)
    fixed = np.rint((points - origin) * 16).astype(np.int32)
    for level in range(1, _STEPS + 1):  # each in one call
        begin, end = bisect_left(levels, level), bisect_right(levels, level)
        if begin < end:
            width = max(1, round(line * level / _STEPS))
            cv2.polylines(mask, [fixed[begin : end + 1]], False, 40 * level, width, cv2.LINE_AA, 4)
    _blend(part, mask, paint)


def _draw_forecast(
    image: Image, path: NDArray[np.float64], radii: NDArray[np.float64], paint: Colour, line: int
) -> None:
    """A path (1 + H, 2) from the object's foot, in the corridor that its ellipses (H, 2) of 90 % sweep."""
    reach = np.concatenate([path, path[1:] - radii, path[1:] + radii])
    window = _window(image, reach, margin=line + 1)
    if window is None:
        return
    part, origin = window
    mask = np.zeros(part.shape[:2], np.uint8)
    path = path - origin
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    outlines = [path[:1], *(centre + radius * circle for centre, radius in zip(path[1:], radii, strict=True))]
    for before, after in pairwise(outlines):
        hull = cv2.convexHull(np.concatenate([before, after]).astype(np.float32))
        cv2.fillConvexPoly(mask, np.rint(hull * 16).astype(np.int32), 70, cv2.LINE_AA, 4)
    fixed = np.rint(path * 16).astype(np.int32)
    cv2.polylines(mask, [fixed], False, 255, line, cv2.LINE_AA, 4)
    cv2.polylines(mask, [np.rint(outlines[-1] * 16).astype(np.int32)], True, 200, line, cv2.LINE_AA, 4)
    _blend(part, mask, paint)


def _window(image: Image, points: NDArray[np.float64], margin: float) -> tuple[Image, NDArray[np.float64]] | None:
    """The part of the image around the points and its upper left corner; None where nothing of it is in the image."""
    height, width = image.shape[:2]
    left, top = np.maximum(np.floor(points.min(axis=0) - margin), 0).astype(int)
    right, bottom = np.minimum(np.ceil(points.max(axis=0) + margin) + 1, (width, height)).astype(int)
    if right <= left or bottom <= top:
        return None
    return image[top:bottom, left:right], np.array([left, top], np.float64)


def _blend(part: Image, mask: NDArray[np.uint8], paint: Colour) -> None:
    """Move each pixel towards the colour, by mask / 255 of the way, in place."""
    touched = cv2.countNonZero(mask)
    if touched > mask.size // 8:  # an area
        weight = mask.astype(np.float32) / 255
        part[:] = cv2.blendLinear(np.full_like(part, paint), np.ascontiguousarray(part), weight, 1 - weight)
    elif touched:  # lines
        x, y = np.asarray(cv2.findNonZero(mask)).reshape(-1, 2).T
        share = mask[y, x, None].astype(np.uint16)
        part[y, x] = (part[y, x] * (255 - share) + np.array(paint, np.uint16) * share) // 255


def _sizes(plates: list[Image]) -> Ints:
    """(N, 2) width and height."""
    return np.array([plate.shape[1::-1] for plate in plates], np.int64).reshape(-1, 2)
