"""The objects' best pictures, small, for the table: as many as a bounded number of bytes holds."""

from __future__ import annotations

import base64
from pathlib import Path

import cv2
import numpy as np

from tracker.errors import SourceError
from tracker.output.crops import own_crop
from tracker.structures import Image
from tracker.system.images import read_image
from tracker.viewer.report.numbers.objects import Objects

_SIDE = 88  # pixels of the longer side of a small picture
_BYTES = 4 << 20  # of all of them
_QUALITY = 78


def album(run: Path, objects: Objects) -> dict[int, str]:
    """Id -> data URI of the pictures that a run left; of too many objects, of those that were seen longest."""
    found: dict[int, str] = {}
    room = _BYTES
    for row in np.lexsort((objects.ids, -objects.frames)).tolist():
        path = own_crop(run, int(objects.ids[row]))
        if path is None:
            continue
        try:
            image = read_image(path)
        except SourceError:  # damaged: the table does without
            continue
        uri = jpeg_uri(_small(image), _QUALITY)
        room -= len(uri)
        if room < 0:
            break
        found[int(objects.ids[row])] = uri
    return found


def jpeg_uri(image: Image, quality: int) -> str:
    """A picture, (H, W, 3) BGR, as a data URI."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1])[1]
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _small(image: Image) -> Image:
    height, width = image.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
