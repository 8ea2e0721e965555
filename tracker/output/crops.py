"""The best picture of every track, renewed while better ones come: `crops/ID.jpg`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tracker.appearance.normalisation import crop_quality
from tracker.boxes import area
from tracker.structures import Image, Status, Tracks
from tracker.system.files import replace_file, to_disk, writing
from tracker.system.images import jpeg
from tracker.system.snapshots.resumable import Resumable

if TYPE_CHECKING:
    from tracker.video.source import Frame

CROPS = "crops"  # folder of them in a run's
LARGEST = 4 << 20  # bytes of one that is shown
_BETTER = 1.1  # times the quality of the picture on disk that a new one must have: few are written, none is much worse
_JPEG_QUALITY = 92
_MARK = b"\xff\xfe\x00\x16written by tracker\x00\x00"  # a JPEG comment; so that a later run knows its own pictures


class CropWriter(Resumable):
    """A crop of each confirmed track: the largest, surest, least occluded, least cut off by the frame so far.

    Each file is whole at any time; memory is one number a track. Write before anything is drawn on the frames.

    Args:
        folder: of the pictures, made.
        aside: where pictures that are replaced stay until the next state of the run is on disk, so that it can go back
            to the last one (`committed`); None: nowhere.
    """

    saved = ("_best", "_states")
    rebuilt = ("_folder", "_aside", "_written")

    def __init__(self, folder: Path, aside: Path | None = None) -> None:
        self._folder = folder
        self._aside = aside
        self._best: dict[int, float] = {}
        self._states = 0  # of the run, on disk
        self._written: set[int] = set()  # since the last of them
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
            self._put_aside(track)
            replace_file(self._folder / f"{track}.jpg", _jpeg(frame.image[top:bottom, left:right]))
            self._best[track] = float(quality[row])
            self._written.add(track)

    def to_disk(self) -> None:
        """Have the pictures outlive a power cut."""
        for track in self._written:
            to_disk(self._folder / f"{track}.jpg")

    def committed(self) -> None:
        """A further state of the run is on disk: pictures from before the last one are of no use any more."""
        before, self._states = self._before, self._states + 1
        self._written.clear()
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)

    @property
    def _before(self) -> Path | None:
        """The folder of the pictures that were replaced since the last state."""
        return None if self._aside is None else self._aside / f"crops-{self._states}"

    def _put_aside(self, track: int) -> None:
        if self._before is None or track in self._written or track not in self._best:
            return  # there is nowhere to go back to, or it was not there then
        with writing(self._before):
            self._before.mkdir(exist_ok=True)
            picture, place = self._folder / f"{track}.jpg", self._before / f"{track}.jpg"
            try:
                place.hardlink_to(picture)
            except OSError:  # of a file system that knows none
                place.write_bytes(picture.read_bytes())

    def _taken_over(self) -> None:
        """Have the pictures be those of this state again."""
        self._states += 1  # it was saved before it was on disk
        assert self._aside is not None
        assert self._before is not None
        with writing(self._folder):
            for picture in self._before.glob("*.jpg"):
                picture.replace(self._folder / picture.name)
            for picture in self._folder.glob("*.jpg"):
                if picture.stem.isdecimal() and int(picture.stem) not in self._best and is_crop(picture):
                    picture.unlink()
            for before in self._aside.glob("crops-*"):
                shutil.rmtree(before)

    def close(self) -> None:
        """Nothing is held open."""


def own_crop(folder: Path, track: int) -> Path | None:
    """A track's picture in a run's folder; None where the run left none, whatever links, pipes or files are there."""
    path = folder / CROPS / f"{track}.jpg"
    links = any(place.is_symlink() for place in (path, path.parent))
    if links or not path.is_file() or path.stat().st_size > LARGEST or not is_crop(path):
        return None
    return path


def is_crop(path: Path) -> bool:
    """Whether a file is a picture that a `CropWriter` has written."""
    try:
        with path.open("rb") as file:
            return _MARK in file.read(64)
    except OSError:
        return False


def _jpeg(image: Image) -> bytes:
    data = jpeg(image, _JPEG_QUALITY)
    head = 4 + int.from_bytes(data[4:6])  # the start and JFIF's own segment, which has to be the first
    return data[:head] + _MARK + data[head:]
