"""The best picture of an object: the one that the run kept, or one cut from the video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tracker.boxes import area
from tracker.output.crops import own_crop
from tracker.system import images
from tracker.viewer.review.correcting import Corrected
from tracker.viewer.review.pictures import FramePictures

_TALLEST = 320  # pixels
_QUALITY = 88


class ObjectCrops:
    """Pictures of objects.

    Args:
        run: folder of the run. pictures: of its source; None: it is not there.
    """

    def __init__(self, run: Path, pictures: FramePictures | None) -> None:
        self._run = run
        self._pictures = pictures

    def jpeg(self, of: Corrected, track: int) -> bytes | None:
        """What an object of the corrected run looks like; None where that is not known."""
        as_before = of.origins.whole(track)
        kept = None if as_before is None else own_crop(self._run, as_before)
        return self._cut(of, track) if kept is None else kept.read_bytes()

    def _cut(self, of: Corrected, track: int) -> bytes | None:
        rows = of.rows[of.rows.ids == track]
        if self._pictures is None or not len(rows):
            return None
        frame_size = np.array([*rows.size, *rows.size], np.float64)
        seen = np.clip(rows.xyxy, 0, frame_size)
        inside = np.divide(area(seen), area(rows.xyxy), out=np.zeros(len(rows)), where=area(rows.xyxy) > 0)
        best = int((area(seen) ** 0.5 * inside * rows.scores * np.where(rows.occluded, 0.1, 1)).argmax())
        jpeg = self._pictures.jpeg(int(rows.frames[best]), whole=True, urgent=False)
        if jpeg is None:
            return None
        picture = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
        height, width = picture.shape[:2]
        scaled = seen[best] * np.array([width, height, width, height]) / frame_size
        left, top = np.floor(scaled[:2]).astype(int)
        right, bottom = np.ceil(scaled[2:]).astype(int)
        crop = picture[top:bottom, left:right]
        if not crop.size:
            return None
        return images.jpeg(crop, _QUALITY, max(1, round(_TALLEST * crop.shape[1] / crop.shape[0])))
