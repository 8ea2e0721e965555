"""Image files: which they are, in which order, and their pixels."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.errors import SourceError
from tracker.system.image_size import BELIEVED, Size, believable, claimed_size
from tracker.system.process_wide import ProcessWide

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")  # of datasets


def is_image(path: Path) -> bool:
    """Whether the name says image; hidden files (macOS' `._1.jpg`) are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def natural_order(path: Path) -> list[tuple[list[str | int], str]]:
    """Sorting key under which 2.jpg comes before 10.jpg, folder by folder; equal numbers (1, 01) by spelling."""
    return [
        ([int(part) if part.isdecimal() else part for part in re.split("([0-9]+)", name.casefold())], name)
        for name in path.parts
    ]


def read_image(path: Path) -> NDArray[np.uint8]:
    """An image file as (H, W, 3) uint8 BGR, upright by its EXIF orientation.

    Raises:
        SourceError: it cannot be read.
    """
    if not path.is_file() and path.exists():  # a pipe, which would be waited for
        raise SourceError(f"cannot read image {path}: it is no file; remove it")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read image {path} ({error.strerror}); check the file and its permissions") from error
    check_size(path, claimed_size(data), len(data))
    image = None
    # libpng writes to stderr by itself when a file was cut off, so such a file is not handed to it
    if data and not (data.startswith(b"\x89PNG") and b"IEND" not in data):
        with quiet(), suppress(cv2.error):  # which is raised for more pixels than OpenCV takes
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise unreadable(path)
    return np.asarray(image, np.uint8)


def check_size(path: Path, size: Size, file_bytes: int) -> None:
    """Refuse what claims to be larger than `file_bytes` can hold, before it is decoded.

    Raises:
        SourceError: that.
    """
    if not believable(size, file_bytes):
        raise SourceError(
            f"cannot read image {path}: it claims {size[0]} x {size[1]} pixels in {file_bytes} bytes; replace it, or "
            f"save it with at most {BELIEVED // 10**6} million pixels"
        )


def unreadable(path: Path) -> SourceError:
    """What to raise where a file's bytes are there and its pixels are not."""
    return SourceError(f"cannot read image {path}: it is damaged or no image; replace or remove it")


def _silenced() -> int:
    return int(cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT))


quiet = ProcessWide(_silenced, cv2.utils.logging.setLogLevel)
"""Nothing from OpenCV on stderr within `quiet()`: what fails is told by our own errors."""
