"""What a run's tracks look like, by the pictures that it left of them."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from tracker.errors import SourceError
from tracker.output.crops import own_crop
from tracker.structures import Floats, Ints
from tracker.system.images import read_image


def of_crops(folder: Path, ids: Ints) -> dict[int, Floats]:
    """Id -> (512,) embedding of the track's picture in `crops/`, where the run left one (`--save-crops`)."""
    files = {track: path for track in ids.tolist() if (path := own_crop(folder, track)) is not None}
    if not files:
        return {}
    from tracker.appearance.embedder import Embedder

    embedder, looks = Embedder(), {}
    for track, path in files.items():
        with suppress(SourceError):  # a picture that is damaged tells nothing
            picture = read_image(path)
            height, width = picture.shape[:2]
            looks[track] = embedder(picture, np.array([[0, 0, width, height]], np.float32))[0]
    return looks
