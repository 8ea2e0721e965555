"""Frames of a recorded source by their number, in any order, without reading what lies between.

A frame's number counts the pictures that decode, as `Source` does, and containers know only times. So the key frame
before a frame's time is looked for, and every picture from there on is numbered by its own time. Where the file's times
are not those that the source was read with (stamps that are missing, start over or were corrected), pictures are
counted from the first instead: slower, and as exact.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Event

import av.error
import numpy as np
from numpy.typing import NDArray

from tracker.errors import SourceError
from tracker.structures import Image
from tracker.system.images import read_image
from tracker.video.container import pictures_from
from tracker.video.image_folder import ImageReader
from tracker.video.live import RECONNECT_S
from tracker.video.source import open_reader

Numbered = tuple[int, Callable[[], Image]]
"""A frame's number, from 1, and the call that gives its picture (H, W, 3) uint8 BGR."""

_AGREES = 0.3  # of the time to the next frame, by which a picture's time may be off


class FramesByNumber:
    """One recorded source. Not for two threads at once.

    Args:
        path: a video file, an image, a folder of images, or a list of them.
        times_s: (F,) time of each frame, as `Source` gives it.

    Raises:
        SourceError: nothing there, or nothing that can be read as pictures.
    """

    def __init__(self, path: Path | Sequence[Path], times_s: NDArray[np.float64]) -> None:
        self._reader = open_reader(path, RECONNECT_S)
        self._times_s = times_s
        self._file = path if isinstance(path, Path) and self.is_video else None
        self._by_time = self._file is not None and len(times_s) > 1

    @property
    def is_video(self) -> bool:
        """A single file of frames, not images."""
        return not isinstance(self._reader, ImageReader)

    def read(self, number: int) -> Iterator[Numbered]:
        """Frames in order, from some place at or before that number to the last, each no more than once; none where it
        is below 1.

        Raises:
            SourceError: the source can be read no further.
        """
        if number < 1:
            return
        last = 0
        if self._by_time:
            with closing(self._sought(number)) as found:
                for one in found:
                    last = one[0]
                    yield one
            if self._by_time:
                return
        with closing(self._counted(number)) as counted:
            yield from (one for one in counted if one[0] > last)

    def _sought(self, number: int) -> Generator[Numbered, None, None]:
        """From the key frame before. It ends, and times are not believed any more, where they are not the source's.

        Each frame waits for the next one, whose time has to be the next number's: a single time may fit by chance.
        """
        target_s = float(self._times_s[min(number, len(self._times_s)) - 1])
        held: Numbered | None = None
        try:
            assert self._file is not None  # times are of files alone
            with closing(pictures_from(self._file, target_s)) as pictures:
                for time_s, image in pictures:
                    found = self._numbered(time_s)
                    if (
                        found is None
                        or found != (found if held is None else held[0] + 1)
                        or (not held and found > number)
                    ):
                        self._by_time = False
                        return
                    if held is not None:
                        yield held
                    held = found, image
        except av.error.FFmpegError:
            pass
        if held is not None:
            yield held

    def _numbered(self, time_s: float | None) -> int | None:
        """The frame of that time; None where there is none."""
        if time_s is None:
            return None
        times = self._times_s
        after = int(np.clip(np.searchsorted(times, time_s), 1, len(times) - 1))
        index = after if times[after] - time_s < time_s - times[after - 1] else after - 1
        beyond = round((time_s - times[-1]) / (times[-1] - times[-2])) if time_s > times[-1] else 0
        if beyond:  # the run ended before the video did
            return len(times) + beyond
        step = times[after] - times[after - 1]
        return index + 1 if abs(times[index] - time_s) <= _AGREES * step else None

    def _counted(self, number: int) -> Generator[Numbered, None, None]:
        if isinstance(self._reader, ImageReader) and self._reader.one_each:
            paths = self._reader.paths[number - 1 :]
            yield from ((number + k, partial(_image, path)) for k, path in enumerate(paths))
            return
        for index, (_, image) in enumerate(self._reader.pictures(Event())):
            yield index + 1, image


def _image(path: Path) -> Image:
    if not path.is_file():
        raise SourceError(f"{path} is not there any more; put it back")
    return read_image(path)
