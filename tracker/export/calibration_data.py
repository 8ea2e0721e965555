"""What networks are calibrated with and compared on: frames of a source, and the crops and tracks found in them.

Without a source the frames are made from the two photographs that Ultralytics ships: a view that pans and zooms over
them in changing light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from scipy.optimize import linear_sum_assignment

from tracker.appearance.embedder import Embedder, visible_pixels
from tracker.boxes import iou
from tracker.config import Config
from tracker.datasets.yolo_labels import boxes_of, labels_of
from tracker.detection import yolo
from tracker.detection.chosen import load_detector
from tracker.errors import DataError
from tracker.structures import FEATURE_SIZE, Detections, Image, Ints
from tracker.system.images import read_image
from tracker.video.image_folder import folder_images
from tracker.video.source import open_source

FRAMES = 160
_SIDE = 1280  # px; frames are held in memory
_SHOT = 20  # frames of one view over a photograph
_CROPS_A_FRAME = 12
_LEAST_OVERLAP = 0.5  # least overlap of one object's boxes in two frames that follow each other
_INTERVAL_S = 0.1  # frames nearer to each other than this are left out


@dataclass(frozen=True, eq=False)
class CalibrationSet:
    """F frames and what PyTorch finds in them.

    Attributes:
        frames: F images.
        times_s: their times.
        found: the detections of each, with features; what is not embedded has a row of NaN.
        tracks: the number of each detection's track.
        truth: labelled objects of each frame; None where the source has no labels.
    """

    frames: Sequence[Image]
    times_s: Sequence[float]
    found: Sequence[Detections]
    tracks: Sequence[Ints]
    truth: Sequence[Detections] | None

    def crops(self, frames: Sequence[int], size: tuple[int, int]) -> Image:
        """(N, H, W, 3) crops of `frames`, at most a dozen of each, as `Embedder` cuts them."""
        cut = []
        for index in frames:
            image, boxes = self.frames[index], self.found[index].xyxy[:_CROPS_A_FRAME]
            for left, top, right, bottom in visible_pixels(boxes, image.shape[1], image.shape[0])[0]:
                cut.append(cv2.resize(image[top:bottom, left:right], size[::-1], interpolation=cv2.INTER_LINEAR))
        return np.asarray(cut, np.uint8).reshape(-1, *size, 3)


def collect(
    source: str | None, config: Config, count: int = FRAMES, progress: Callable[[str], None] = lambda _: None
) -> CalibrationSet:
    """A calibration set of `count` frames at most from a video or folder, or from the photographs.

    Raises:
        SourceError: the source cannot be read.
        DataError: nothing is detected in it, or its labels are not YOLO's.
    """
    detector, embedder = load_detector(config.detector), Embedder(config.appearance)
    frames, times, found = [], [], []
    for number, (time_s, image) in enumerate(islice(_frames(source) if source else photographs(), count), 1):
        progress(f"looking at frame {number}")
        seen = detector([image])[0]
        embedding = np.full((len(seen), FEATURE_SIZE), np.nan, np.float32)
        embedding[:_CROPS_A_FRAME] = embedder(image, seen.xyxy[:_CROPS_A_FRAME])
        frames.append(image)
        times.append(time_s)
        found.append(seen.with_features(embedding))
    if not any(len(seen) for seen in found):
        where = source or "the two photographs that are looked at by default"
        raise DataError(
            f"nothing is detected in {where}; give --calibrate a video or folder that shows what is to be tracked"
        )
    return CalibrationSet(frames, times, found, _linked(found), _labels(Path(source), frames) if source else None)


def _frames(source: str) -> Iterator[tuple[float, Image]]:
    """Times and frames, at least a tenth of a second apart, a larger one made smaller."""
    with open_source(source) as opened:
        due = 0.0
        for frame in opened:
            if frame.time_s >= due - 1e-6 or Path(source).is_dir():
                due = frame.time_s + _INTERVAL_S
                yield frame.time_s, _scaled(frame.image, min(1.0, _SIDE / max(frame.image.shape[:2])))


def photographs() -> Iterator[tuple[float, Image]]:
    """Frames of a view that moves over the photographs: every place, from near and far, in bright and dim light."""
    folder = Path(yolo.ultralytics("utils").ASSETS)
    photos = [read_image(folder / name) for name in ("bus.jpg", "zidane.jpg")]
    chance = np.random.default_rng(0)
    for shot in range(FRAMES // _SHOT):
        photo = photos[shot % 2]
        if shot % 4 > 1:
            photo = np.ascontiguousarray(photo[:, ::-1])
        height, width = photo.shape[:2]
        share = chance.uniform(0.35, 1.0)
        view = min(width, height / 0.75) * share, min(width * 0.75, height) * share
        start, end = (chance.uniform(0, 1, 2) * (width - view[0], height - view[1]) for _ in range(2))
        gain, shift = chance.uniform(0.5, 1.3), chance.uniform(-20, 30)
        for step in range(_SHOT):
            left, top = (start + (end - start) * step / 80).astype(int)
            part = photo[top : top + int(view[1]), left : left + int(view[0])]
            lit = cv2.convertScaleAbs(_scaled(part, 640 / part.shape[1]), alpha=gain, beta=shift)
            yield (shot * _SHOT + step) * _INTERVAL_S, np.asarray(lit, np.uint8)


def _scaled(image: Image, scale: float) -> Image:
    if scale == 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _linked(found: Sequence[Detections]) -> list[Ints]:
    """The track of each detection: boxes of one class that overlap from frame to frame, each matched at most once."""
    numbers: list[Ints] = []
    count = 0
    for index, seen in enumerate(found):
        own = np.full(len(seen), -1, np.int64)
        if index:
            before = found[index - 1]
            overlap = iou(before.xyxy, seen.xyxy) * (before.classes[:, None] == seen.classes)
            old, new = linear_sum_assignment(-overlap)
            kept = overlap[old, new] >= _LEAST_OVERLAP
            own[new[kept]] = numbers[-1][old[kept]]
        fresh = own < 0
        own[fresh] = count + np.arange(fresh.sum())
        count += int(fresh.sum())
        numbers.append(own)
    return numbers


def _labels(folder: Path, frames: Sequence[Image]) -> list[Detections] | None:
    """The labelled objects of each frame of a folder in YOLO's layout: `.../images/...` beside `.../labels/...`."""
    folder = folder.resolve()
    images = next((path for path in (folder, *folder.parents) if path.name == "images"), None)
    if not folder.is_dir() or images is None:
        return None
    truth = []
    for image, frame in zip(folder_images(folder), frames, strict=False):
        rows = labels_of(image, images)
        if rows is None:
            return None
        truth.append(Detections(boxes_of(rows, frame.shape), classes=rows[:, 0].astype(np.int64)))
    return truth
