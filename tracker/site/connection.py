"""One connection to a camera's source, whatever it is: a stream, a file, or images of one's own."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Event
from typing import Any, cast

import numpy as np

from tracker.errors import SourceError
from tracker.structures import Image
from tracker.video.container import FileReader
from tracker.video.live import LiveReader
from tracker.video.reader import DEFAULT_RATE, Picture
from tracker.video.source import check_url, open_reader
from tracker.video.url import is_url


@dataclass(frozen=True)
class Connection:
    """Pictures from one connection to its end.

    Attributes:
        pictures: with their stamps in seconds.
        live: they come whether or not they are taken.
        timed: stamps are Unix seconds, to be taken as they are.
        interval_s: nominal seconds from one to the next.
        again: there can be another connection after it.
    """

    pictures: Iterator[Picture]
    live: bool
    timed: bool
    interval_s: float
    again: bool


def check(source: Any) -> None:
    """Raise SourceError where no waiting helps: an address that cannot be one, a file that is not there."""
    text = str(source).strip()
    if not isinstance(source, str | Path) or re.fullmatch("(/dev/video)?[0-9]+", text):
        return
    if is_url(text):
        check_url(text)
    else:
        open_reader(source, 0.0)


def connected(source: Any, stop: Event) -> Connection:
    """Connect to what `SiteCamera.source` names; takes until the source answers.

    Raises:
        SourceError: it cannot be opened now.
    """
    if isinstance(source, str | int | Path):
        reader = open_reader(source, 0.0)
        if isinstance(reader, LiveReader):
            return Connection(reader.session(), True, False, 1 / reader.fps, again=True)
        if isinstance(reader, FileReader):
            reader.frame_threads = False  # cameras are decoded side by side
        return Connection(reader.pictures(stop), False, False, 1 / reader.fps, again=False)
    items = _checked(source)
    first = next(items, None)
    timed = isinstance(first, tuple)
    again = callable(source) and first is not None
    pictures = _pictures(chain([] if first is None else [first], items))
    return Connection(pictures, not timed, timed, 1 / DEFAULT_RATE, again)


def _checked(source: Any) -> Iterator[Any]:
    """The items of a source of one's own; whatever its code raises, the camera is away, and the others go on."""
    try:
        for item in source() if callable(source) else source:
            image = item[0] if isinstance(item, tuple) else item
            if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.shape[2:] != (3,):
                raise TypeError("it gave no image: uint8 of shape (H, W, 3), BGR, or (image, Unix seconds)")
            yield item
    except Exception as error:
        raise SourceError(f"the source failed ({type(error).__name__}: {error}); mend its code") from error


def _pictures(items: Iterable[Any]) -> Iterator[Picture]:
    for item in items:
        image, stamp = item if isinstance(item, tuple) else (item, time.monotonic())
        yield float(stamp), partial(cast, Image, image)
