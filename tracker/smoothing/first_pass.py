"""What the second pass over a video, after offline post-processing, needs of the first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracker.affine import Array
from tracker.columns.carried import Columns
from tracker.columns.column_file import ColumnFile
from tracker.columns.embeddings import TakenEmbeddings
from tracker.smoothing.offline import Recorder
from tracker.smoothing.track_table import TrackTable
from tracker.structures import Detections, Floats, Tracks
from tracker.system.snapshots.resumable import Resumable, Snapshot

KEPT = ("carried", "found", "rows")  # names of its files, where they stay


class FirstPass(Resumable):
    """Rows of tracks in memory, and on disk what the detections carried and where things to be hidden were.

    Args:
        folder: for files that are there until the context ends.
        kept: they stay, and the rows in another one, so that a later process can go on with them.
        embeddings: the tracks are to have those that were taken of them.

    Attributes:
        recorder: of the rows.
    """

    saved = ("_carried", "_found", "_rows")
    rebuilt = ("recorder", "_noted", "_embeddings", "_open")

    def __init__(self, folder: Path, kept: bool = False, embeddings: bool = False) -> None:
        self.recorder = Recorder()
        self._noted, self._embeddings = kept or embeddings, embeddings
        self._carried, self._found, self._rows = (ColumnFile(folder, name if kept else "") for name in KEPT)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for file in self._files:
            self._open.enter_context(file)
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
        if not repeated:
            seen = seen or Detections.empty()
        noted = self.recorder.add(tracks, None if repeated else seen, camera_motion, features)
        if self._noted:
            self._rows.append(Columns(data=noted))
        if repeated:
            return
        assert seen is not None
        self._carried.append(seen.columns)
        hide = Columns()
        if found is not None:
            hide = replace(found.columns, data={"xyxy": found.xyxy, "classes": found.classes})
        self._found.append(hide)

    def noted(self, frame: int) -> Mapping[str, NDArray[Any]]:
        """What the rows of a frame of the source are, by its number from 0: `Recorder.add` has returned it."""
        return self._rows[frame].data

    def carried(self, frame: int) -> Columns:
        """What the detections of a frame of the source carried, by its number from 0."""
        return self._carried[self.recorder.shown[frame]]

    def take_from(self, other: FirstPass, frame: int, noted: Mapping[str, NDArray[Any]]) -> None:
        """Take the next frame from another first pass, by its number there from 0, its rows as `noted` has them now."""
        self.recorder.again(noted)
        if self._noted:
            self._rows.append(Columns(data=dict(noted)))
        if noted:
            position = other.recorder.shown[frame]
            self._carried.append(other._carried[position])
            self._found.append(other._found[position])

    @property
    def _files(self) -> tuple[ColumnFile, ...]:
        return self._carried, self._found, self._rows

    def snapshot(self) -> Snapshot:
        """What is in the files by now."""
        for file in self._files:
            file.flush()
        return super().snapshot()

    def go_on(self, snapshot: Mapping[str, Any], names: Mapping[int, str]) -> None:
        """Take over what was in the files then; `names` of classes."""
        self.take_over(snapshot)
        self.recorder.names = names
        for frame in range(len(self._rows)):
            self.recorder.again(self._rows[frame].data)

    def tracks(self, table: TrackTable, frame: int) -> Tracks:
        """The tracks of a frame of the source, by its number from 0, as the table has them, with what they carry."""
        position = self.recorder.shown[frame]
        tracks = table.at(position, self.recorder.names)
        return replace(tracks, detected=self._carried[position], embedded=self.embedded(frame))

    def embedded(self, frame: int) -> TakenEmbeddings | None:
        """What was taken in a frame of the source, by its number from 0; None: nothing, or nobody wants it."""
        noted = self._rows[frame].data if self._embeddings else {}
        if not noted or not len(noted["embedded"]):
            return None
        by_id = np.argsort(noted["ids"])
        rows = noted["index"][by_id[np.searchsorted(noted["ids"], noted["embedded"], sorter=by_id)]]
        order = np.argsort(rows)
        return TakenEmbeddings(rows[order], noted["embeddings"][order])

    def found(self, table: TrackTable) -> Iterator[tuple[float, Detections | None]]:
        """The time of each frame of the source, and all that may have to be hidden in it."""
        for position in self.recorder.shown:
            columns = self._found[position]
            found = None
            if columns:
                boxes, classes = columns.data["xyxy"], columns.data["classes"]
                found = Detections(boxes, classes=classes, masks=columns.masks, keypoints=columns.keypoints)
            yield float(table.times_s[position]), found
