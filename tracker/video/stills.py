"""Some pictures of a source that is not read from its begin to its end."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import numpy as np

from tracker.errors import SourceError
from tracker.structures import Image
from tracker.video import container
from tracker.video.image_folder import ImageReader, folder_images


def stills(source: Path, count: int) -> list[Image]:
    """Up to `count` pictures, (H, W, 3) BGR each, spread evenly over a video file or a folder of images.

    Raises:
        SourceError: it cannot be read.
    """
    if not source.is_dir():
        return container.stills(source, count)
    paths = folder_images(source)
    if not paths:
        raise SourceError(f"{source} has no images; give a folder with some")
    at = np.unique(np.linspace(0, len(paths) - 1, count).astype(int))
    reader = ImageReader([paths[number] for number in at.tolist()], str(source))
    return [image() for _, image in reader.pictures(Event())]
