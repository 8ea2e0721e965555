"""Where a recorded source can be read on from in the middle, as if all before it had been read, without decoding it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import av
import av.error
import numpy as np
from numpy.typing import NDArray

from tracker.structures import Ints
from tracker.video.bookmark import Bookmark
from tracker.video.clock import Clock
from tracker.video.container import INDEXED, FileReader, video_stream
from tracker.video.image_folder import ImageReader
from tracker.video.live import RECONNECT_S
from tracker.video.source import open_reader
from tracker.video.truncated import is_truncated


@dataclass(frozen=True, eq=False)
class SourceIndex:
    """The pictures of a source, by what its container says of them.

    Attributes:
        stamps: (F,) time stamps in seconds, in the order in which they are shown.
        times_s: (F,) the times that `Source` gives their frames.
        clock: before the first.
        stamped: whether the times are those of the stamps.
    """

    stamps: NDArray[np.float64]
    times_s: NDArray[np.float64]
    clock: Clock
    stamped: bool

    @classmethod
    def of(cls, source: Any, fps: float | None = None) -> SourceIndex | None:
        """That of a source; None where reading on in the middle would mean to decode it from its beginning.

        Args:
            source: as `open_source` takes it. fps: likewise.

        Raises:
            SourceError: there is none, or none that can be read.
        """
        reader = open_reader(source, RECONNECT_S)
        if isinstance(reader, ImageReader):
            stamps: Sequence[float] = [stamp or 0.0 for stamp, _ in reader.pictures(Event())]
        elif isinstance(reader, FileReader):
            stamps = _stamps(Path(source))
        else:
            stamps = ()
        if not len(stamps) or (np.diff(stamps) <= 0).any():
            return None
        clock = Clock(1 / (fps or reader.fps))
        index = cls(np.asarray(stamps), np.zeros(0), clock, fps is None)
        times, _ = index._followed(())
        return cls(index.stamps, times, clock, index.stamped)

    def bookmarks(self, pictures: Ints) -> list[Bookmark]:
        """Those of pictures (K,), by their numbers from 0, in their order."""
        marks = self._followed(pictures.tolist())[1]
        return [marks[number] for number in pictures.tolist()]

    def _followed(self, pictures: Sequence[int]) -> tuple[NDArray[np.float64], Mapping[int, Bookmark]]:
        """The time of every picture, and bookmarks of some."""
        clock, wanted = copy(self.clock), set(pictures)
        times = np.empty(len(self.stamps))
        marks = {}
        for number, stamp in enumerate(self.stamps.tolist()):
            if number in wanted:
                marks[number] = Bookmark(number, stamp, copy(clock), in_order=True)
            times[number] = clock(stamp if self.stamped else None)
        return times, marks


def _stamps(path: Path) -> Sequence[float]:
    """The time stamps of a file's pictures; none where it cannot be read on in the middle."""
    if is_truncated(path):
        return ()
    try:
        with av.open(f"file:{path}", metadata_errors="replace") as container:
            if not container.format.name.startswith(INDEXED):
                return ()
            stream = video_stream(container, str(path))
            base, stamps = stream.time_base, list[int]()
            for packet in container.demux(stream):
                if packet.size and not packet.is_discard:
                    if packet.pts is None:
                        return ()
                    stamps.append(packet.pts)
    except av.error.FFmpegError:
        return ()
    assert base is not None
    return [float(stamp) * base.numerator / base.denominator for stamp in sorted(stamps)]  # as PyAV has them of frames
