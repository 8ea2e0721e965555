"""What a source is read with: one reader a kind. `source.py` chooses among them and reads ahead in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from threading import Event
from typing import Protocol, runtime_checkable

from tracker.structures import Image
from tracker.video.bookmark import Bookmark

Picture = tuple[float | None, Callable[[], Image]]
"""A frame's time stamp (seconds, any origin; None: unknown) and the call that turns it into (H, W, 3) uint8 BGR.

The conversion is a call because frames that `vid_stride` skips are decoded but never converted.
"""

DEFAULT_RATE = 30.0  # frames/s where nothing says how many


class Reader(Protocol):
    """One opened source.

    Attributes:
        shown: what messages call it; never holds a password.
        name: short name for files and folders made from it.
        fps: nominal frames/s.
        frame_count: estimate from the metadata; None where unknown.
        live: frames come whether or not they are read, so late ones are dropped.
    """

    shown: str
    name: str
    fps: float
    frame_count: int | None
    live: bool

    def pictures(self, stop: Event, /) -> Iterator[Picture]:
        """All pictures from the start; `stop` ends waiting.

        Raises:
            SourceError: after the last picture that could be read.
        """
        ...


@runtime_checkable
class SeekingReader(Protocol):
    """A reader of a file that has an index."""

    def pictures_from(self, bookmark: Bookmark, stop: Event, /) -> Iterator[Picture]:
        """The pictures from a bookmark on, as if all before had been read; errors as of `Reader.pictures`."""
        ...


def read_on(reader: Reader, bookmark: Bookmark, stop: Event) -> Iterator[Picture]:
    """The pictures from a bookmark on: sought where the reader can, else those before are read and passed over."""
    if bookmark.index and isinstance(reader, SeekingReader):
        return reader.pictures_from(bookmark, stop)
    return islice(reader.pictures(stop), bookmark.index, None)
