"""The place that was filmed, as far as possible without what moved in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from tracker.datasets.finished_run import FinishedRun
from tracker.errors import SourceError
from tracker.structures import Image
from tracker.video.recorded.stills import stills

_STILLS = [(number + 0.5) / 9 for number in range(9)]  # shares of the video
_WIDTH = 1280  # pixels of the picture at most, and of its height
_MOVED = 30  # of 255 by which a pixel that moves differs from the median
_MUCH = 0.3  # share of such pixels from which on the median is mush


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A picture of the place.

    Attributes:
        image: (H, W, 3) BGR.
        scale: pixels of it for each of the frames'.
        filmed: whether it is of the video; else it is grey.
        annotated: whether tracks had been drawn on it.
    """

    image: Image
    scale: float
    filmed: bool
    annotated: bool


def backdrop(run: FinishedRun) -> Backdrop:
    """Each pixel's median over stills of the video; one still where the camera moves; grey where there is no video.

    Where objects were made unreadable (`--blur`) the video that was filmed is left alone, and that of the run is taken.
    """
    width, height = run.size
    scale = min(1.0, _WIDTH / max(width, height, 1))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    times_s = run.annotations.times_s
    seconds = float(times_s[-1] - times_s[0]) if len(times_s) else 0.0
    candidates = [] if run.record.get("blur") else [(run.source, False)]
    for path, annotated in [*candidates, (run.folder / "video.mp4", True)]:
        if path is None or not path.exists():
            continue
        try:
            found = [image for image in stills(path, _STILLS, seconds) if image.shape[1::-1] == (width, height)]
        except SourceError:
            continue
        if found:
            small = np.array([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in found], np.uint8)
            return Backdrop(_typical(small), scale, True, annotated)
    return Backdrop(np.full((size[1], size[0], 3), 96, np.uint8), scale, False, False)


def _typical(images: Image) -> Image:
    """(H, W, 3) of (N, H, W, 3): the median, or where nearly all of it moves the one in the middle."""
    median = np.median(images, axis=0).astype(np.uint8)
    moved = [float((cv2.absdiff(image, median).max(axis=2) > _MOVED).mean()) for image in images]
    return np.asarray(images[len(images) // 2] if np.median(moved) > _MUCH else median)
