"""Plates with text, to be put on a picture."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from tracker.output.shapes import Colour
from tracker.structures import Image

INK: Colour = (24, 20, 18)


@lru_cache(maxsize=8)
def _font(height_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(height_px)


@lru_cache(maxsize=512)
def label(text: str, paint: Colour, height_px: int) -> Image:
    """A plate with the text: (height, width, 3) BGR."""
    font = _font(height_px)
    pad = max(2, height_px // 5)
    width = round(font.getlength(text)) + 2 * pad
    plate = Pillow.new("RGB", (width, round(height_px * 1.3)), paint)
    ImageDraw.Draw(plate).text((pad, plate.height / 2), text, fill=INK, font=font, anchor="lm")
    return np.asarray(plate)


def paste(image: Image, plate: Image, left: int, top: int) -> None:
    """Put a plate with its upper left corner there; what reaches out of the image is cut off."""
    part = image[top : top + plate.shape[0], left : left + plate.shape[1]]
    part[:] = plate[: part.shape[0], : part.shape[1]]
