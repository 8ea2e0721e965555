"""Image files that hold several pictures: animated WebP and PNG, TIFF of several pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image

from tracker.structures import Image
from tracker.system.images import quiet, read_image, unreadable

_SINGLE = frozenset({".jpg", ".jpeg", ".bmp"})
_PAGED = frozenset({".tif", ".tiff"})
_HEAD_BYTES = 1 << 16  # within which a PNG says that it is animated


def durations(path: Path) -> list[float]:
    """Seconds that each picture of an animation or page of a TIFF is shown (0: unsaid); empty where there is but one.

    A file that cannot be read has one, which says so when it is read.
    """
    suffix = path.suffix.lower()
    if suffix in _SINGLE or not path.is_file():  # a pipe would be waited for
        return []
    with suppress(Exception):  # whatever a damaged file makes the libraries raise
        if suffix in _PAGED:
            with quiet():
                count = cv2.imcount(str(path))
            return [0.0] * count if count > 1 else []
        if _is_animated(path):
            with PIL.Image.open(path) as file:
                return [_duration(file, number) for number in range(getattr(file, "n_frames", 1))]
    return []


def pictures(path: Path, count: int) -> Iterator[Callable[[], Image]]:
    """The calls that give each of the `count` pictures of a file (0: a plain one), to be made in order, or not at all.

    They raise `SourceError` where a picture cannot be read.
    """
    if not count:
        yield partial(read_image, path)
    elif path.suffix.lower() in _PAGED:
        yield from (partial(_page, path, number) for number in range(count))
    else:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(PIL.Image.open(path))
            except Exception as error:  # it has changed meanwhile
                raise unreadable(path) from error
            yield from (partial(_frame, file, path, number) for number in range(count))


def _is_animated(path: Path) -> bool:
    """By the file's first bytes, for which Pillow would take a hundred times as long."""
    with path.open("rb") as data:
        head = data.read(_HEAD_BYTES)
    return b"acTL" in head.partition(b"IDAT")[0] or (head[8:16] == b"WEBPVP8X" and head[20] & 2 > 0)


def _duration(file: PIL.Image.Image, number: int) -> float:
    file.seek(number)
    if file.format == "WEBP":  # which says it only of what is decoded
        file.load()
    return float(file.info.get("duration", 0)) / 1000


def _page(path: Path, number: int) -> Image:
    """By OpenCV, as single images: Pillow clips 16 bits where OpenCV scales them."""
    pages: Sequence[Any] = ()
    with quiet(), suppress(cv2.error):
        pages = cv2.imreadmulti(str(path), number, 1, flags=cv2.IMREAD_COLOR)[1]
    if not pages:
        raise unreadable(path)
    return np.asarray(pages[0], np.uint8)


def _frame(file: PIL.Image.Image, path: Path, number: int) -> Image:
    """By Pillow: an animation's pictures need those before them, which OpenCV would decode anew for each."""
    try:
        file.seek(number)
        return np.ascontiguousarray(np.asarray(file.convert("RGB"), np.uint8)[..., ::-1])
    except Exception as error:  # whatever a damaged file makes Pillow raise
        raise unreadable(path) from error
