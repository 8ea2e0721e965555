"""Where in a source a frame is: enough for another process to read on from there, the same frames at the same times."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from tracker.structures import Image
from tracker.video.clock import Clock

_EVERY = 4  # rows of a picture that its digest is of: to tell it from what another decoding gives, enough


@dataclass(frozen=True, eq=False)
class Bookmark:
    """Where a frame is.

    Attributes:
        index: pictures of the source before it, of which `vid_stride` may leave some out.
        stamp_s: its time stamp; None: it has none.
        clock: as it was before this frame.
        in_order: all stamps so far are there, each later than the one before.
        digest: of its picture; None where none was made.
    """

    index: int
    stamp_s: float | None
    clock: Clock
    in_order: bool
    digest: int | None = None


def digest(image: Image) -> int:
    """A number that tells a (H, W, 3) picture from others."""
    return zlib.crc32(np.ascontiguousarray(image[::_EVERY]))
