"""Lines and zones on the picture, each with what was counted there so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.output.plates import INK, label, paste
from tracker.output.shapes import Colour
from tracker.structures import Image

Points = NDArray[np.float64]  # (P, 2) x, y
Counted = Callable[[tuple[int, int]], Sequence[tuple[str, Points, bool]]]
"""Width and height of a frame in pixels -> text, points (P, 2) and whether it is a zone, of each place."""

_PAINT: Colour = (245, 245, 245)  # no track's
_BITS = 4  # of a pixel that OpenCV is given


def draw_counted(image: Image, counted: Counted) -> None:
    """Draw the places on a (H, W, 3) BGR image, in place; a line's arrow points where "in" is."""
    height, width = image.shape[:2]
    short = min(height, width)
    line, text_px = max(1, round(short / 480)), max(11, round(short / 48))
    for text, points, is_zone in counted((width, height)):
        fixed = np.rint(points * 2**_BITS).astype(np.int32)
        for paint, thickness in ((INK, line + 2), (_PAINT, line)):
            cv2.polylines(image, [fixed], is_zone, paint, thickness, cv2.LINE_AA, _BITS)
        plate = label(text, _PAINT, text_px)
        room = np.array(plate.shape[1::-1], np.float64)
        if is_zone:
            corner = points[points.sum(axis=1).argmin()]
        else:
            middle, left = _arrow(image, points, line, short / 30)
            corner = middle - left * (4 * line + np.abs(left) @ room / 2) - room / 2  # behind the arrow's foot
        x, y = np.clip(corner, 0, np.maximum((width, height) - room, 0)).astype(int).tolist()
        paste(image, plate, x, y)


def _arrow(image: Image, points: Points, line: int, length: float) -> tuple[Points, Points]:
    """Draw the arrow at the middle edge of a line: (2,) its foot and (2,) its direction."""
    edge = (len(points) - 1) // 2
    along = points[edge + 1] - points[edge]
    foot = (points[edge] + points[edge + 1]) / 2
    left = np.array([along[1], -along[0]]) / np.hypot(*along)
    begin, end = (np.rint(point * 2**_BITS).astype(int).tolist() for point in (foot, foot + length * left))
    for paint, thickness in ((INK, line + 2), (_PAINT, line)):
        cv2.arrowedLine(image, begin, end, paint, thickness, cv2.LINE_AA, _BITS, 0.35)
    return foot, left
