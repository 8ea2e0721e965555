"""Crops to learn appearance from: collected out of images, sequences and videos, and varied without end.

Nothing here needs identities. A crop's identity can be changed (other colours, the legs of another one), which makes
new people out of few, and its picture can be degraded the way a tracker meets it (box off, another person in front, few
pixels, blur, compression), which must not change the feature.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.boxes import tlwh_to_xyxy
from tracker.config import DetectorConfig
from tracker.datasets.mot import CLASS, FLAG, FRAME, HEIGHT, LEFT, MotSequence, Table, find_images, find_sequences
from tracker.datasets.yolo_labels import boxes_of, labels_of
from tracker.errors import DataError
from tracker.structures import Floats, Image
from tracker.system.images import read_image

MARGIN = 0.15  # kept around a box on each side, of its size, so that boxes can be jittered
CANVAS = 333  # height in pixels of what views are taken from: 256 with the margin
TALLEST = 384  # pixels a kept crop has at most
SMALLEST = (24, 10)  # height and width in pixels below which there is nothing to learn from
EVERY_S = 1.0  # seconds between the frames of a video that crops are taken from
_LEVELS = np.arange(256.0)  # of a channel


Labelled = tuple[Image, Floats, NDArray[np.bool_]]  # a picture, its boxes (N, 4), which of them show people (N,)


@dataclass(frozen=True)
class Crop:
    """A box with `MARGIN` around it, (H, W, 3) uint8 BGR, and whether it shows a person."""

    image: Image
    person: bool


def collect(paths: Sequence[Path], detector: str = "") -> list[Crop]:
    """Crops from image folders with YOLO labels, folders in MOTChallenge's layout with images, and videos.

    Args:
        paths: any mix of them.
        detector: weights of the detector that finds the boxes in what has no labels; empty: the embedded one.

    Raises:
        DataError: nothing usable in one of `paths`.
    """
    crops: list[Crop] = []
    for path in paths:
        before = len(crops)
        for image, xyxy, person in _labelled(path, detector):
            crops += [
                Crop(with_margin(image, box), bool(who)) for box, who in zip(xyxy, person, strict=True) if is_big(box)
            ]
        if len(crops) == before:
            raise DataError(
                f"{path} gave no crop of at least {SMALLEST[1]}x{SMALLEST[0]} pixels; give a video, a folder in "
                "MOTChallenge's layout with images, or a folder with images/ and YOLO labels/"
            )
    return crops


def _labelled(path: Path, detector: str) -> Iterator[Labelled]:
    """Images with their boxes (N, 4) and whether each is a person (N,)."""
    if not path.exists():
        raise DataError(f"{path} does not exist; give a folder or a video")
    if path.is_file():
        yield from _video(path, detector)
    elif (path / "images").is_dir() and (path / "labels").is_dir():
        yield from _yolo_folder(path)
    else:
        yield from _sequences(path, detector)


def _yolo_folder(path: Path) -> Iterator[Labelled]:
    for file in find_images(path / "images", below=True):
        rows = labels_of(file, path / "images")
        if rows is not None and len(rows):
            image = read_image(file)
            yield image, boxes_of(rows, image.shape), rows[:, 0] == 0


def _sequences(path: Path, detector: str) -> Iterator[Labelled]:
    if all(sequence.ground_truth_file.is_file() for sequence in find_sequences([path])):
        for _, image, rows, boxes in true_boxes(path):
            yield image, boxes, rows[:, CLASS] == 1
        return
    for sequence in find_sequences([path]):
        yield from _detected((read_image(file) for _, file in _spaced(sequence)), detector)


def true_boxes(path: Path) -> Iterator[tuple[MotSequence, Image, Table, Floats]]:
    """Images `EVERY_S` apart with their ground truth, as rows and as boxes (N, 4), of every sequence in `path`."""
    for sequence in find_sequences([path]):
        truth = sequence.ground_truth()
        for number, file in _spaced(sequence):
            rows = truth[(truth[:, FRAME] == number) & (truth[:, FLAG] != 0)]
            yield sequence, read_image(file), rows, tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1]).astype(np.float32)


def _spaced(sequence: MotSequence) -> list[tuple[int, Path]]:
    """Numbers and files of the images used."""
    return list(enumerate(sequence.images(), 1))[:: max(1, round(EVERY_S * sequence.fps))]


def _video(path: Path, detector: str) -> Iterator[Labelled]:
    from tracker.video.source import open_source

    def frames() -> Iterator[Image]:
        due = 0.0
        with open_source(path) as source:
            for frame in source:
                if frame.time_s >= due:
                    due = frame.time_s + EVERY_S
                    yield frame.image

    yield from _detected(frames(), detector)


def _detected(images: Iterator[Image], detector: str) -> Iterator[Labelled]:
    from tracker.detection.detector import YoloDetector

    find = YoloDetector(DetectorConfig(model=detector, conf=0.4))
    people = [number for number, name in find.names.items() if name in ("person", "pedestrian")]
    for image in images:
        found = find([image])[0]
        yield image, found.xyxy, np.isin(found.classes, people)


def is_big(box: Floats) -> bool:
    return bool(box[3] - box[1] >= SMALLEST[0] and box[2] - box[0] >= SMALLEST[1])


def with_margin(image: Image, box: Floats) -> Image:
    """The box with `MARGIN` around it, at most `TALLEST` high; the image's edge is repeated beyond it."""
    width, height = box[2:] - box[:2]
    size = (1 + 2 * MARGIN) * np.array([width, height])
    scale = min(1.0, TALLEST / size[1])
    out = np.maximum(np.round(size * scale), 2).astype(int)
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    left, top = box[0] - MARGIN * width, box[1] - MARGIN * height
    x0, y0, x1, y1 = (round(float(v)) for v in (left, top, left + size[0], top + size[1]))
    h, w = image.shape[:2]
    inside = image[max(y0, 0) : max(y1, 1), max(x0, 0) : max(x1, 1)]
    edges = (max(-y0, 0), max(y1 - h, 0), max(-x0, 0), max(x1 - w, 0))
    padded = cv2.copyMakeBorder(inside, *edges, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(padded, (int(out[0]), int(out[1])), interpolation=shrink), np.uint8)


class Variations:
    """Random views of crops: `identity` makes a person, `view` a picture of it as a tracker would take it.

    Args:
        crops: what to draw from.
        rng: where the chance comes from.
        erase: how often a rectangle of a degraded view is painted over.
        people: share of people among the crops drawn, where there are both people and other things.
    """

    def __init__(
        self, crops: Sequence[Crop], rng: np.random.Generator, *, erase: float = 0.0, people: float = 0.75
    ) -> None:
        self._groups = [g for g in ([c for c in crops if c.person], [c for c in crops if not c.person]) if g]
        self._shares = np.array([people, 1 - people]) if len(self._groups) == 2 else np.ones(1)
        self._rng = rng
        self._erase = erase

    def chance(self, probability: float) -> bool:
        """True so often."""
        return bool(self._rng.random() < probability)

    def choose(self, crops: Sequence[Crop], count: int, repeat: bool) -> list[Crop]:
        """`count` of `crops`, or all of them where there are fewer and none may `repeat`."""
        few = repeat and len(crops) < count
        picked = self._rng.choice(len(crops), count if repeat else min(count, len(crops)), replace=few)
        return [crops[i] for i in picked]

    def canvas(self, crop: Crop) -> Image:
        """A crop with its margin, stretched to a canvas of twice its width."""
        return np.asarray(cv2.resize(crop.image, (CANVAS // 2, CANVAS), interpolation=cv2.INTER_LINEAR), np.uint8)

    def _any(self, group: int) -> Image:
        """The canvas of any crop of people, or of any of other things."""
        return self.canvas(self._groups[group][self._rng.integers(len(self._groups[group]))])

    def identity(self) -> Image:
        """A canvas with a person on it: a crop as it is, recoloured, or with the lower part of another one."""
        group = int(self._rng.choice(len(self._groups), p=self._shares))
        canvas = self._any(group)
        if self.chance(0.3):
            cut = int(canvas.shape[0] * self._rng.uniform(0.4, 0.65))
            canvas[cut:] = self._any(group)[cut:]
        if self.chance(0.5):
            canvas = self._recoloured(canvas)
        return self.mirrored(canvas)

    def mirrored(self, canvas: Image) -> Image:
        """The canvas, or as often its mirror image."""
        return np.asarray(canvas[:, ::-1], np.uint8) if self.chance(0.5) else canvas

    def _recoloured(self, canvas: Image) -> Image:
        """Other hues, saturations and brightness above and below a waist."""
        hsv = cv2.cvtColor(canvas, cv2.COLOR_BGR2HSV)
        waist = int(len(hsv) * self._rng.uniform(0.4, 0.6))
        for part in (hsv[:waist], hsv[waist:]):
            hue = (_LEVELS + self._rng.uniform(0, 180)) % 180
            saturation, value = _LEVELS * self._rng.uniform(0.5, 1.6), _LEVELS * self._rng.uniform(0.6, 1.3)
            part[:] = cv2.LUT(part, _table(hue, saturation, value))
        return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.uint8)

    def view(self, canvas: Image, size: tuple[int, int], degraded: bool) -> Image:
        """The canvas' inside at `size` (height, width): with a box off by up to 3 %, or `degraded` as in real life."""
        canvas = self._behind_another(canvas) if degraded and self.chance(0.3) else canvas
        image = self._boxed(canvas, 0.08 if degraded else 0.02)
        if degraded:
            image = self._relit(image) if self.chance(0.7) else image
            image = self._low_resolution(image) if self.chance(0.6) else image
            image = self._blurred(image) if self.chance(0.25) else image
            image = self._compressed(image) if self.chance(0.4) else image
            image = self._erased(image) if self._erase and self.chance(self._erase) else image
        return np.asarray(cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), np.uint8)

    def _boxed(self, canvas: Image, spread: float) -> Image:
        """Without the margin, each edge off by `spread` (standard deviation, in sizes of the box)."""
        height, width = canvas.shape[:2]
        share = MARGIN / (1 + 2 * MARGIN)
        off = np.clip(self._rng.normal(0, spread, 4), -MARGIN, MARGIN) / (1 + 2 * MARGIN)
        top, bottom = round(height * (share + off[0])), round(height * (1 - share + off[1]))
        left, right = round(width * (share + off[2])), round(width * (1 - share + off[3]))
        return canvas[top:bottom, left:right]

    def _behind_another(self, canvas: Image) -> Image:
        """Another person over one side or the lower part."""
        other = self._any(int(self._rng.integers(len(self._groups))))
        height, width = canvas.shape[:2]
        x = round(width * self._rng.uniform(0.45, 0.75)) * (1 if self.chance(0.5) else -1)
        y = round(height * (self._rng.uniform(0.3, 0.7) if self.chance(0.3) else self._rng.uniform(-0.2, 0.3)))
        moved = np.array([[1, 0, x], [0, 1, y]], np.float32)
        edge = round(height * MARGIN / (1 + 2 * MARGIN))
        inner = np.asarray(other[edge:-edge, edge // 2 : -edge // 2], np.uint8)
        moved[:, 2] += (edge // 2, edge)
        mask = np.asarray(cv2.warpAffine(np.ones_like(inner), moved, (width, height)))
        return np.where(mask > 0, np.asarray(cv2.warpAffine(inner, moved, (width, height)), np.uint8), canvas)

    def _erased(self, image: Image) -> Image:
        """A rectangle of 2 to 30 % of the area in one colour."""
        height, width = image.shape[:2]
        area, ratio = self._rng.uniform(0.02, 0.3), np.exp(self._rng.uniform(np.log(0.3), np.log(3.3)))
        size = np.minimum(np.sqrt(area * np.array([ratio, 1 / ratio])), 1)
        top, left = (self._rng.uniform(0, 1 - size) * (height, width)).astype(int)
        bottom, right = np.ceil((top, left) + size * (height, width)).astype(int)
        erased = image.copy()
        erased[top:bottom, left:right] = self._rng.integers(0, 256, 3)
        return erased

    def _relit(self, image: Image) -> Image:
        """Other brightness, contrast, gamma and white balance."""
        gamma, contrast, brightness = self._rng.uniform((0.7, 0.7, 0.7), (1.4, 1.3, 1.3))
        middle = float(image.mean()) / 255
        levels = ((_LEVELS / 255) ** gamma - middle) * contrast + middle * brightness
        return np.asarray(cv2.LUT(image, _table(*(255 * levels * self._rng.uniform(0.92, 1.08, (3, 1))))), np.uint8)

    def _low_resolution(self, image: Image) -> Image:
        height = int(np.exp(self._rng.uniform(np.log(28), np.log(128))))
        return np.asarray(cv2.resize(image, (max(10, height // 2), height), interpolation=cv2.INTER_AREA), np.uint8)

    def _blurred(self, image: Image) -> Image:
        sigma = self._rng.uniform(0.005, 0.02) * image.shape[0]
        return np.asarray(
            cv2.GaussianBlur(image, (0, 0), sigma * self._rng.uniform(0.3, 1), sigmaY=sigma / 2), np.uint8
        )

    def _compressed(self, image: Image) -> Image:
        quality = int(self._rng.integers(25, 90))
        return np.asarray(
            cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1), np.uint8
        )


def _table(*channels: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Image:
    """Three look-up tables of 256 levels as OpenCV wants them: (1, 256, 3)."""
    return np.clip(np.stack(channels, axis=-1), 0, 255).astype(np.uint8)[None]
