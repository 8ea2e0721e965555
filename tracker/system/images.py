"""Image files: which they are, in which order, how large by their headers, and their pixels; and pixels as a JPEG.

A file of a few hundred bytes can claim thousands of millions of pixels; a decoder would believe it, and take gigabytes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.errors import SourceError
from tracker.system.process_wide import ProcessWide

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")  # of datasets
BELIEVED = 1 << 26  # pixels (8192 x 8192) that any file may claim: 200 MB, decoded
PIXELS_PER_BYTE = 100  # of what is larger; photographs have 5 to 30, and only what is nearly blank has more

Size = tuple[int, int]

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that a frame's header begins with
_JPEG_ALONE = frozenset({0x00, 0x01, *range(0xD0, 0xDA)})  # what follows 0xFF without a length


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


def jpeg(image: NDArray[np.uint8], quality: int, widest: int | None = None) -> bytes:
    """A picture, (H, W, 3) BGR, as a JPEG of some quality (1 to 100), made smaller where it is wider (pixels)."""
    height, width = image.shape[:2]
    if widest is not None and width > widest:
        # below half no pixel is left out by the quicker way, which takes a quarter of the time
        how = cv2.INTER_LINEAR if width < 2 * widest else cv2.INTER_AREA
        small = cv2.resize(image, (widest, round(height * widest / width)), interpolation=how)
        image = np.asarray(small, np.uint8)
    return bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1])


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


def claimed_size(data: bytes) -> Size:
    """Width and height in pixels by the header of a JPEG, PNG, WebP, BMP or (first page) TIFF; (0, 0) elsewhere."""
    read = _KINDS.get(data[:2])
    if read is not None:
        with suppress(Exception):  # whatever a damaged header makes of it: decoding it will fail
            return read(data)
    return 0, 0


def page_sizes(path: Path) -> list[Size]:
    """Width and height of each page of a TIFF, of those before the first that is damaged."""
    sizes: list[Size] = []
    with suppress(Exception), path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for size in _tiff_pages(data):
            sizes.append(size)  # noqa: PERF402 - those before the error are wanted
    return sizes


def believable(size: Size, file_bytes: int) -> bool:
    """Whether a file of so many bytes may hold a picture of that size."""
    return size[0] * size[1] <= max(BELIEVED, PIXELS_PER_BYTE * file_bytes)


def _jpeg(data: bytes) -> Size:
    """Goes from marker to marker, as what is embedded (a preview) has headers of its own."""
    at = data.index(b"\xff", 2)
    while (marker := data[at + 1]) not in _JPEG_FRAMES:
        if marker == 0xFF:  # a fill byte
            at += 1
        else:
            length = 0 if marker in _JPEG_ALONE else int.from_bytes(data[at + 2 : at + 4])
            at = data.index(b"\xff", at + 2 + length)
    height, width = struct.unpack_from(">HH", data, at + 5)
    return width, height


def _png(data: bytes) -> Size:
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _bmp(data: bytes) -> Size:
    old = int.from_bytes(data[14:18], "little") == 12
    width, height = struct.unpack_from("<HH" if old else "<ii", data, 18)
    return abs(width), abs(height)  # below zero: from the top down


def _webp(data: bytes) -> Size:
    if data[12:16] == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF


def _tiff_pages(data: bytes | mmap) -> Iterator[Size]:
    """Goes from directory to directory of entries (tag, type, count, value); BigTIFF's numbers are of 8 bytes."""
    order = "<" if data[:2] == b"II" else ">"

    def number(kind: str, at: int) -> int:
        return int(struct.unpack_from(order + kind, data, at)[0])

    big = number("H", 2) == 43
    first, count_kind, entry_bytes, value_kind = (8, "Q", 20, "Q") if big else (4, "H", 12, "I")
    at, seen = number(value_kind, first), set[int]()
    while at and at not in seen:
        seen.add(at)
        entries = at + struct.calcsize(count_kind)
        end = entries + entry_bytes * number(count_kind, at)
        size: dict[int, int] = {}
        for entry in range(entries, end, entry_bytes):
            tag = number("H", entry)
            if tag in (256, 257):
                value = entry + entry_bytes - struct.calcsize(value_kind)
                size[tag] = number({3: "H", 4: "I", 16: "Q"}[number("H", entry + 2)], value)
            if len(size) == 2:
                break
        yield size[256], size[257]
        at = number(value_kind, end)


_KINDS: dict[bytes, Callable[[bytes], Size]] = {
    b"\xff\xd8": _jpeg,
    b"\x89P": _png,
    b"BM": _bmp,
    b"RI": _webp,
    b"II": lambda data: next(_tiff_pages(data)),
    b"MM": lambda data: next(_tiff_pages(data)),
}
