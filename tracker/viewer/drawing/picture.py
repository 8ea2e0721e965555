"""The picture of a video that is drawn on."""

from __future__ import annotations

from dataclasses import dataclass

from tracker.errors import SourceError
from tracker.system.images import jpeg
from tracker.video.source import open_source

_QUALITY = 92  # of the JPEG: edges of marks on the road stay sharp


@dataclass(frozen=True)
class Still:
    """A frame as a JPEG, and its (width, height) in pixels."""

    jpeg: bytes
    size: tuple[int, int]


def picture(video: str, at_s: float) -> Still:
    """The first frame of a video at or after a time.

    Raises:
        SourceError: it cannot be opened, or has ended by then.
    """
    with open_source(video) as source:
        for frame in source:
            if frame.time_s >= at_s - 1e-6:
                height, width = frame.image.shape[:2]
                return Still(jpeg(frame.image, _QUALITY), (width, height))
    raise SourceError(f"{video} has no frame at {at_s:g} s; give a smaller --at")
