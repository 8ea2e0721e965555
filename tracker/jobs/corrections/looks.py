"""What a run's tracks look like, by the pictures that it left of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from tracker.output.crops import own_crop
from tracker.structures import Floats, Ints


def of_crops(folder: Path, ids: Ints) -> dict[int, Floats]:
    """Id -> (512,) embedding of the track's picture in `crops/`, where the run left one (`--save-crops`)."""
    files = {track: path for track in ids.tolist() if (path := own_crop(folder, track)) is not None}
    if not files:
        return {}
    from tracker.appearance.embedder import Embedder

    embedder, looks = Embedder(), {}
    for track, path in files.items():
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if picture is not None:
            height, width = picture.shape[:2]
            looks[track] = embedder(np.asarray(picture, np.uint8), np.array([[0, 0, width, height]], np.float32))[0]
    return looks
