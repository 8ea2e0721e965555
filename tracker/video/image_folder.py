"""A folder, glob or list of images, read one after another."""

from __future__ import annotations

import configparser
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from tracker.errors import SourceError
from tracker.system.images import is_image, natural_order
from tracker.video.animation import durations, pictures
from tracker.video.reader import DEFAULT_RATE, Picture


class ImageReader:
    """Images as frames, at the frame rate of a MOTChallenge `seqinfo.ini` beside their folder if there is one.

    An image file that holds several pictures (animated WebP or PNG, TIFF of several pages) gives them all, at its own
    times where it has some.

    Attributes:
        paths: of the files, in order.
    """

    live = False

    def __init__(self, paths: Sequence[Path], shown: str) -> None:
        folder = paths[0].absolute().parent
        sequence = folder.parent if folder.name == "img1" else folder
        self.shown = shown
        self.name = sequence.name or "images"
        self.fps = _frame_rate(sequence / "seqinfo.ini")
        self.frame_count: int | None = len(paths)
        self.paths = paths
        if len(paths) == 1 and (seconds := durations(paths[0])):
            self.frame_count = len(seconds)
            self.fps = 1 / (seconds[0] or 1 / self.fps)

    @property
    def one_each(self) -> bool:
        """Whether every file holds one picture."""
        return not any(durations(path) for path in self.paths)

    def pictures(self, _: Event) -> Iterator[Picture]:
        count, pause_s = 0, 0.0  # pause_s: what animations took longer, or less long, than at the nominal rate
        for path in self.paths:
            seconds = durations(path)
            for image, duration_s in zip(pictures(path, len(seconds)), seconds or [0.0], strict=True):
                yield count / self.fps + pause_s, image
                count += 1
                pause_s += duration_s - 1 / self.fps if duration_s else 0.0


def folder_images(folder: Path) -> list[Path]:
    """The images of a folder in natural order; of a MOTChallenge sequence, those of its `img1`."""
    images = sorted(filter(is_image, folder.iterdir()), key=natural_order)
    if not images and (folder / "img1").is_dir():
        return folder_images(folder / "img1")
    return images


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
