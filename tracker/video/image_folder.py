"""A folder, glob or list of images, read one after another."""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Event

import numpy as np
import PIL.Image

from tracker.errors import SourceError
from tracker.structures import Image
from tracker.system.images import is_image, natural_order, read_image
from tracker.video.reader import DEFAULT_RATE, Picture

_ANIMATED = frozenset({".webp", ".png", ".tif", ".tiff"})  # may hold several pictures, which OpenCV does not tell


class ImageReader:
    """Images as frames, at the frame rate of a MOTChallenge `seqinfo.ini` beside their folder if there is one.

    An image file that holds several pictures (animated WebP or PNG, TIFF of several pages) gives them all, at its own
    times where it has some.
    """

    live = False

    def __init__(self, paths: Sequence[Path], shown: str) -> None:
        folder = paths[0].absolute().parent
        sequence = folder.parent if folder.name == "img1" else folder
        self.shown = shown
        self.name = sequence.name or "images"
        self.fps = _frame_rate(sequence / "seqinfo.ini")
        self.frame_count: int | None = len(paths) if len(paths) > 1 else len(_durations(paths[0], 1 / self.fps))
        self._paths = paths

    def pictures(self, _: Event) -> Iterator[Picture]:
        count, pause_s = 0, 0.0  # what animations took longer, or less long, than at the nominal rate
        for path in self._paths:
            durations = _durations(path, 1 / self.fps)
            for page, duration_s in enumerate(durations):
                read = partial(read_image, path) if len(durations) == 1 else partial(_read_page, path, page)
                yield count / self.fps + pause_s, read
                count += 1
                pause_s += duration_s - 1 / self.fps


def folder_images(folder: Path) -> list[Path]:
    """The images of a folder in natural order; of a MOTChallenge sequence, those of its `img1`."""
    images = sorted(filter(is_image, folder.iterdir()), key=natural_order)
    if not images and (folder / "img1").is_dir():
        return folder_images(folder / "img1")
    return images


def _durations(path: Path, usual_s: float) -> list[float]:
    """Seconds that each picture of an image file is shown; of what cannot be read one, which says so when it is."""
    if path.suffix.lower() not in _ANIMATED or not path.is_file():
        return [usual_s]
    try:
        with PIL.Image.open(path) as file:
            count = getattr(file, "n_frames", 1)
            if count == 1:
                return [usual_s]
            seconds = []
            for page in range(count):
                file.seek(page)
                if file.format == "WEBP":  # which tells a picture's time when it is decoded
                    file.load()
                seconds.append(file.info.get("duration", 0) / 1000 or usual_s)
            return seconds
    except Exception:  # whatever a damaged file makes Pillow raise
        return [usual_s]


def _read_page(path: Path, page: int) -> Image:
    """One picture of a file of several as (H, W, 3) uint8 BGR.

    Raises:
        SourceError: it cannot be read.
    """
    try:
        with PIL.Image.open(path) as file:
            file.seek(page)
            return np.ascontiguousarray(np.asarray(file.convert("RGB"), np.uint8)[..., ::-1])
    except Exception as error:  # whatever a damaged file makes Pillow raise
        raise SourceError(f"cannot read picture {page + 1} of {path}: it is damaged; replace or remove it") from error


def _frame_rate(seqinfo: Path) -> float:
    """`frameRate` of a MOTChallenge sequence; the default rate where the file is absent or silent."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(seqinfo, encoding="utf-8")
        rate = parser.getfloat("Sequence", "frameRate", fallback=DEFAULT_RATE)
    except (configparser.Error, ValueError) as error:
        raise SourceError(f"{seqinfo} cannot be read; give it [Sequence] with frameRate=NUMBER or remove it") from error
    if not 0 < rate < float("inf"):
        raise SourceError(f"{seqinfo}: frameRate is {rate}; give the frames per second")
    return rate
