"""Image files that hold several pictures: animated WebP and PNG, TIFF of several pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from tracker.structures import Image
from tracker.system.images import believable, check_size, claimed_size, page_sizes, quiet, read_image, unreadable

_SINGLE = frozenset({".jpg", ".jpeg", ".bmp"})
_PAGED = frozenset({".tif", ".tiff"})
_AHEAD_BYTES = 64 << 20  # of pages, as pixels
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
        pages = _Pages(path)
        yield from (partial(pages, number) for number in range(count))
    else:
        with ExitStack() as stack:
            try:
                file = stack.enter_context(PIL.Image.open(path))
            except Exception as error:  # it has changed meanwhile
                raise unreadable(path) from error
            yield from (partial(_frame, file, path, number) for number in range(count))


def _is_animated(path: Path) -> bool:
    """By the file's first bytes, for which Pillow would take a hundred times as long.

    One that claims to be larger than it can be counts as a plain image, of which `read_image` says so.
    """
    with path.open("rb") as data:
        head = data.read(_HEAD_BYTES)
    if not believable(claimed_size(head), path.stat().st_size):
        return False
    return b"acTL" in head.partition(b"IDAT")[0] or (head[8:16] == b"WEBPVP8X" and head[20] & 2 > 0)


def _duration(file: PIL.Image.Image, number: int) -> float:
    file.seek(number)
    if file.format == "WEBP":  # which says it only of what is decoded
        file.load()
    return float(file.info.get("duration", 0)) / 1000


class _Pages:
    """The pages of a TIFF, by OpenCV as single images are: Pillow clips 16 bits where OpenCV scales them.

    OpenCV goes through the file from its first page each time, so several are read at a time.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._sizes = page_sizes(path)
        for size in self._sizes:
            check_size(path, size, path.stat().st_size)
        self._first, self._pages = 0, list[Image]()

    def __call__(self, number: int) -> Image:
        if not self._first <= number < self._first + len(self._pages):
            total_bytes = np.cumsum([3 * width * height for width, height in self._sizes[number:]])
            count = max(1, int(np.searchsorted(total_bytes, _AHEAD_BYTES, "right")))
            self._first, self._pages = number, self._read(number, count)
            self._pages = self._pages or self._read(number, 1)  # a damaged one takes its neighbours with it
        if not self._pages:
            raise unreadable(self._path)
        return self._pages[number - self._first]

    def _read(self, first: int, count: int) -> list[Image]:
        with quiet(), suppress(cv2.error):
            found = cv2.imreadmulti(str(self._path), first, count, flags=cv2.IMREAD_COLOR)[1]
            return [np.asarray(page, np.uint8) for page in found]
        return []


def _frame(file: PIL.Image.Image, path: Path, number: int) -> Image:
    """By Pillow: an animation's pictures need those before them, which OpenCV would decode anew for each."""
    try:
        file.seek(number)
        return np.ascontiguousarray(np.asarray(file.convert("RGB"), np.uint8)[..., ::-1])
    except Exception as error:  # whatever a damaged file makes Pillow raise
        raise unreadable(path) from error
