"""What the second pass over a video, after offline post-processing, needs of the first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tracker.affine import Array
from tracker.columns.carried import Columns
from tracker.columns.column_file import ColumnFile
from tracker.smoothing.offline import Recorder
from tracker.smoothing.track_table import TrackTable
from tracker.structures import Detections, Floats, Tracks


class FirstPass:
    """Rows of tracks in memory, and on disk what the detections carried and where things to be hidden were.

    Args:
        folder: for files that are there until the context ends.

    Attributes:
        recorder: of the rows.
    """

    def __init__(self, folder: Path) -> None:
        self.recorder = Recorder()
        self._carried = ColumnFile(folder)
        self._found = ColumnFile(folder)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(self._carried)
        self._open.enter_context(self._found)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(
        self,
        tracks: Tracks,
        seen: Detections | None,
        found: Detections | None,
        camera_motion: Array,
        features: Floats | None,
        repeated: bool = False,
    ) -> None:
        """Take the next frame; one that is `repeated` shows the picture before it once more.

        Args:
            seen: what the tracker got; None: nothing was looked for. found: all that may have to be hidden.
            tracks, camera_motion, features: as for `Recorder.add`.
        """
        if repeated:
            self.recorder.add(tracks, None, camera_motion, features)
            return
        seen = seen or Detections.empty()
        self.recorder.add(tracks, seen, camera_motion, features)
        self._carried.append(seen.columns)
        hide = Columns()
        if found is not None:
            hide = replace(found.columns, data={"xyxy": found.xyxy, "classes": found.classes})
        self._found.append(hide)

    def tracks(self, table: TrackTable, frame: int) -> Tracks:
        """The tracks of a frame of the source, by its number from 0, as the table has them, with what they carry."""
        position = self.recorder.shown[frame]
        return replace(table.at(position, self.recorder.names), detected=self._carried[position])

    def found(self, table: TrackTable) -> Iterator[tuple[float, Detections | None]]:
        """The time of each frame of the source, and all that may have to be hidden in it."""
        for position in self.recorder.shown:
            columns = self._found[position]
            found = None
            if columns:
                boxes, classes = columns.data["xyxy"], columns.data["classes"]
                found = Detections(boxes, classes=classes, masks=columns.masks, keypoints=columns.keypoints)
            yield float(table.times_s[position]), found
