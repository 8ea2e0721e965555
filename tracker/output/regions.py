"""Regions in which nothing is tracked, hatched faintly as on a map: whoever looks for an object there sees why."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from tracker.structures import Image

Outlines = Callable[[tuple[int, int]], Sequence[NDArray[np.float64]]]
"""Width and height of a frame in pixels -> polygons (P, 2)."""

_LINE, _BORDER, _TEXT = 64, 140, 190  # how far of 255 a pixel goes to white; beside it half as far to black
_NAME = "ignored"


class IgnoredRegions:
    """Draws them on every frame; which pixels those are is worked out once for each size of frame.

    Args:
        outlines: where they are.
    """

    def __init__(self, outlines: Outlines) -> None:
        self._outlines = outlines
        self._size = (0, 0)
        self._pixels = np.zeros(0, np.intp)  # (K,) places in the flat picture that are touched
        self._kept, self._added = np.zeros((2, 0, 1), np.uint16)  # (K, 1) in 255ths: of the picture, and of white

    def draw(self, image: Image) -> None:
        """Draw on a contiguous (H, W, 3) BGR image, in place."""
        height, width = image.shape[:2]
        if self._size != (width, height):
            self._prepare(width, height)
        flat = image.reshape(-1, 3)
        flat[self._pixels] = (flat[self._pixels] * self._kept + self._added * 255) // 255

    def _prepare(self, width: int, height: int) -> None:
        light = np.zeros((height, width), np.uint8)
        for outline in self._outlines((width, height)):
            np.maximum(light, _hatched(outline, width, height), out=light)
        line = max(1, round(min(width, height) / 540))
        dark = np.zeros_like(light)  # a shadow to the lower right, so that it is seen on white, too
        dark[line:, line:] = light[:-line, :-line] // 2
        share = np.where(light > 0, light, dark)
        self._pixels = np.flatnonzero(share)
        touched = share.ravel()[self._pixels].astype(np.uint16)[:, None]
        self._kept, self._added = 255 - touched, np.where(light.ravel()[self._pixels, None] > 0, touched, 0)
        self._size = (width, height)


def _hatched(outline: NDArray[np.float64], width: int, height: int) -> NDArray[np.uint8]:
    """(H, W) how far each pixel goes to white for one region: diagonals, border and, where there is room, text."""
    short = min(width, height)
    line, gap = max(1, round(short / 540)), max(16, round(short / 16))
    corners = [np.rint(outline * 16).astype(np.int32)]
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, corners, 255, cv2.LINE_8, 4)
    drawn = np.zeros_like(inside)
    for begin in range(0, width + height, gap):
        cv2.line(drawn, (begin, 0), (begin - height, height), _LINE, line, cv2.LINE_AA)
    drawn[inside == 0] = 0
    cv2.polylines(drawn, corners, True, _BORDER, line, cv2.LINE_AA, 4)
    _write(drawn, inside, max(11, round(short / 40)))
    return drawn


def _write(drawn: NDArray[np.uint8], inside: NDArray[np.uint8], height_px: int) -> None:
    """Put the name where most of the region is around it, if it fits in there."""
    room = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    y, x = np.unravel_index(np.argmax(room), room.shape)
    font = ImageFont.load_default(height_px)
    width, height = round(font.getlength(_NAME)) + height_px, round(1.5 * height_px)
    left, top = int(x) - width // 2, int(y) - height // 2
    if room[y, x] < width / 2 or left < 0 or top < 0:
        return
    plate = Pillow.new("L", (width, height))
    ImageDraw.Draw(plate).text((width / 2, height / 2), _NAME, fill=_TEXT, font=font, anchor="mm")
    part = drawn[top : top + height, left : left + width]
    part[:] = np.asarray(plate)[: part.shape[0], : part.shape[1]]
