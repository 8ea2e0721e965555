"""What tracking a part leaves on disk: the tracks of each frame, and the rows that post-processing takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from tracker.columns.carried import Columns
from tracker.columns.column_file import ColumnFile
from tracker.smoothing.first_pass import FirstPass
from tracker.smoothing.track_table import columns
from tracker.structures import Detections, Floats, Tracks
from tracker.video.source import Frame

TOLD = "told"


class PartFiles:
    """Those of one part, written by who tracks it and read by who joins it.

    Args:
        folder: of the files, which stay.
        state: `state` of who wrote them; None: they are new.
        names: class number -> name. embeddings: the tracks are read with those that were taken of them.

    Attributes:
        first: the rows, of every frame from where the tracking began.
        pictures, embeddings: not needed.
    """

    pictures = embeddings = False
    window_closed = False

    def __init__(
        self,
        folder: Path,
        state: Mapping[str, Any] | None = None,
        names: Mapping[int, str] = {},
        embeddings: bool = False,
    ) -> None:
        self.first = FirstPass(folder, kept=True, embeddings=embeddings)
        self._told = ColumnFile(folder, TOLD)
        self._names = names
        self._open = ExitStack()
        if state is not None:
            self._told.take_over(state["told"])
            self.first.go_on(state["first"], names)

    def __enter__(self) -> Self:
        self._open.enter_context(self._told)
        self._open.enter_context(self.first)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def state(self) -> dict[str, Any]:
        """What reading them needs to know, ready for YAML; all is with the system then."""
        self._told.flush()
        return {"told": self._told.snapshot(), "first": self.first.snapshot()}

    def take(self, frame: Frame, tracks: Tracks, found: Detections | None = None, soon: Sequence[Floats] = ()) -> None:
        """Take the next frame that is settled (`found` and `soon` are in `first`).

        Raises:
            OutputError: the disk is full.
        """
        del found, soon
        data = columns(tracks) | {
            "frame": np.array([frame.number, frame.time_s, frame.late_s, frame.repeated]),
            "of": np.array([tracks.time_s, tracks.interval_s, tracks.jitter, tracks.looked, tracks.cut]),
            "renamed": np.array(list(tracks.renamed.items()), np.int64).reshape(-1, 2),
        }
        self._told.append(Columns(data=data))

    def __len__(self) -> int:
        """Frames that were tracked."""
        return len(self._told)

    def frames(self) -> Iterator[tuple[Frame, Tracks]]:
        """Every frame, its image a blank one, with its tracks."""
        for position in range(len(self)):
            data: dict[str, Any] = dict(self._told[position].data)
            number, shown_s, late_s, repeated = data.pop("frame")
            time_s, interval_s, jitter, looked, cut = data.pop("of")
            frame = Frame(_NO_IMAGE, int(number), float(shown_s), bool(repeated), float(late_s))
            renamed = dict(data.pop("renamed").tolist())
            told = Tracks(
                **data,
                time_s=float(time_s),
                interval_s=float(interval_s),
                names=self._names,
                renamed=renamed,
                jitter=float(jitter),
                looked=bool(looked),
                cut=bool(cut),
                detected=self.first.carried(position),
                embedded=self.first.embedded(position),
            )
            yield frame, told


_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)
