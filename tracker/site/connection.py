"""One connection to a camera's source, whatever it is: a stream, a file, or images of one's own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, cast

import numpy as np

from tracker.errors import SourceError
from tracker.structures import Image
from tracker.video.live import LiveReader
from tracker.video.reader import DEFAULT_RATE, Picture
from tracker.video.source import open_reader


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


def connected(source: Any, stop: Event) -> Connection:
    """Connect to what `SiteCamera.source` names; takes until the source answers.

    Raises:
        SourceError: it cannot be opened now.
    """
    if isinstance(source, str | int | Path):
        reader = open_reader(source, 0.0)
        if isinstance(reader, LiveReader):
            return Connection(reader.session(), True, False, 1 / reader.fps, again=True)
        return Connection(reader.pictures(stop), False, False, 1 / reader.fps, again=False)
    items = iter(_given(source))
    first = next(items, None)
    timed = isinstance(first, tuple)
    return Connection(
        _pictures(first, items), not timed, timed, 1 / DEFAULT_RATE, again=callable(source) and first is not None
    )


def _given(source: Any) -> Iterable[Any]:
    try:
        return cast(Iterable[Any], source() if callable(source) else source)
    except Exception as error:  # whatever code of others raises: the camera is away, and the others go on
        raise SourceError(f"the source function failed ({type(error).__name__}: {error}); mend it") from error


def _pictures(first: Any, items: Iterator[Any]) -> Iterator[Picture]:
    item = first
    while item is not None:
        image, stamp = item if isinstance(item, tuple) else (item, time.monotonic())
        yield float(stamp), _as_it_is(image)
        try:
            item = next(items, None)
        except Exception as error:  # as above
            raise SourceError(f"the source's iteration failed ({type(error).__name__}: {error}); mend it") from error


def _as_it_is(image: Any) -> Callable[[], Image]:
    if not isinstance(image, np.ndarray):
        raise SourceError(
            f"the source gave a {type(image).__name__}; give images (H, W, 3) uint8 BGR, or (image, time)"
        )
    return lambda: image
