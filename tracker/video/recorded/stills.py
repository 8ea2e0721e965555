"""Some pictures of a source that is not read from its begin to its end."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from threading import Event

import av.error

from tracker.errors import SourceError
from tracker.structures import Image
from tracker.video.container import pictures_from
from tracker.video.image_folder import ImageReader, folder_images

_KEY_FRAMES_APART = 300  # pictures after a key frame among which one is looked for


def stills(source: Path, shares: Sequence[float], seconds: float) -> list[Image]:
    """Pictures, (H, W, 3) BGR each, of a video file or a folder of images; fewer where it cannot be read on.

    Args:
        shares: of its length, from 0 up to 1, where they are. seconds: that length.

    Raises:
        SourceError: it cannot be opened, or holds no picture.
    """
    if source.is_dir():
        paths = folder_images(source)
        if not paths:
            raise SourceError(f"{source} has no images; give a folder with some")
        chosen = sorted({int(share * len(paths)) for share in shares})
        reader = ImageReader([paths[number] for number in chosen], str(source))
        return [image() for _, image in reader.pictures(Event())]
    return [image for share in shares if (image := _at(source, share * seconds)) is not None]


def _at(video: Path, time_s: float) -> Image | None:
    """The first picture of a video from a time on, or the last that is found before it."""
    found = None
    with suppress(av.error.FFmpegError), closing(pictures_from(video, time_s)) as pictures:
        for stamp, picture in islice(pictures, _KEY_FRAMES_APART):
            found = picture
            if stamp is not None and stamp >= time_s:
                break
    return None if found is None else found()
