"""The best picture of every track, renewed while better ones come: `crops/ID.jpg`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from tracker.appearance.normalisation import crop_quality
from tracker.boxes import area
from tracker.structures import Image, Status, Tracks
from tracker.system.files import replace_file, writing

if TYPE_CHECKING:
    from tracker.video.source import Frame

_BETTER = 1.1  # times the quality of the picture on disk that a new one must have: few are written, none is much worse
_JPEG_QUALITY = 92
_MARK = b"\xff\xfe\x00\x16written by tracker\x00\x00"  # a JPEG comment; so that a later run knows its own pictures


class CropWriter:
    """A crop of each confirmed track: the largest, surest, least occluded, least cut off by the frame so far.

    Each file is whole at any time; memory is one number a track. Write before anything is drawn on the frames.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._best: dict[int, float] = {}
        with writing(folder):
            folder.mkdir(exist_ok=True)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Take the pictures that are better than what there is."""
        rows = tracks.confirmed
        height, width = frame.image.shape[:2]
        visible = np.clip(rows.xyxy, 0, [width, height, width, height])
        quality = crop_quality(rows.xyxy, rows.scores) * np.divide(area(visible), area(rows.xyxy))
        quality[rows.status != Status.CONFIRMED] = 0  # where it is only expected to be, nothing is to be seen
        best = np.array([self._best.get(track, 0.0) for track in rows.ids.tolist()])
        corners = np.concatenate([np.floor(visible[:, :2]), np.ceil(visible[:, 2:])], axis=1).astype(int)
        for row in np.flatnonzero(quality > _BETTER * best).tolist():
            left, top, right, bottom = corners[row].tolist()
            track = int(rows.ids[row])
            replace_file(self._folder / f"{track}.jpg", _jpeg(frame.image[top:bottom, left:right]))
            self._best[track] = float(quality[row])

    def close(self) -> None:
        """Nothing is held open."""


def is_crop(path: Path) -> bool:
    """Whether a file is a picture that a `CropWriter` has written."""
    try:
        with path.open("rb") as file:
            return _MARK in file.read(64)
    except OSError:
        return False


def _jpeg(image: Image) -> bytes:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes()
    head = 4 + int.from_bytes(data[4:6])  # the start and JFIF's own segment, which has to be the first
    return data[:head] + _MARK + data[head:]
