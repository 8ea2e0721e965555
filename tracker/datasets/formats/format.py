"""What a format is to the rest: how it is read and written, and what of `Annotations` it can hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.rows import Said

_BLOCK = 1 << 16  # rows that are put into words at a time
_MASKS = 1 << 11  # the same with masks, each of which takes some ten kilobytes meanwhile

PARTS: dict[str, Callable[[Annotations], bool]] = {
    "boxes": lambda a: len(a) > 0,
    "scores": lambda a: bool((a.scores != 1).any()),
    "what is occluded": lambda a: bool(a.occluded.any()),
    "keyframes": lambda a: not a.keyframes.all(),
    "masks": lambda a: a.columns.masks is not None,
    "keypoints": lambda a: a.columns.keypoints is not None,
    "oriented boxes": lambda a: a.columns.corners is not None,
    "times of frames": lambda a: (
        not np.allclose(a.times_s, a.times_s[:1] + np.arange(a.frame_count) / a.frames_per_s, atol=1e-3)
    ),
    "a frame rate": lambda a: a.frame_count > 1,
    "classes that change on the way": lambda a: not np.array_equal(a.of_one_class.classes, a.classes),
    "boxes of objects without a mask": lambda a: a.columns.masks is not None and not a.columns.masks.known.all(),
    "boxes beyond the edges of the frame": lambda a: bool((np.clip(a.xyxy, 0, [*a.size, *a.size]) != a.xyxy).any()),
    "frames that were left out": lambda a: a.step > 1,
}
"""What not every format can hold, and whether annotations have it."""


@dataclass(frozen=True)
class FileFormat:
    """A format.

    Attributes:
        title: what it is, for people.
        read: a file or folder -> what it says of each video in it. Raises DataError.
        write: annotations of one or more videos into a file or folder. Raises OutputError.
        suffix: of its file; empty where it is a folder.
        many: whether one file has several videos.
        lacks: names of `PARTS` that it cannot hold.
        pictures: where images of its frames are, in its folder or beside its file, with `{stem}` of the video's name
            and `{number}`; None: it has none.
        check: raises DataError of annotations that it can make nothing of.
    """

    title: str
    read: Callable[[Path], list[Said]]
    write: Callable[[Sequence[Annotations], Path], None]
    suffix: str
    many: bool
    lacks: frozenset[str]
    pictures: str | None = None
    check: Callable[[Annotations], None] = lambda _: None

    def lost(self, annotations: Annotations) -> list[str]:
        """What annotations have that the format cannot hold."""
        return [part for part, there in PARTS.items() if part in self.lacks and there(annotations)]


def blocks(rows: Annotations) -> Iterator[slice]:
    """Slices of the rows, in order."""
    size = _BLOCK if rows.columns.masks is None else _MASKS
    return (slice(begin, begin + size) for begin in range(0, len(rows), size))
