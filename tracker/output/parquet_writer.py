"""`tracks.parquet`: the rows of `tracks.csv` with types and units, for whoever has millions of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from tracker.columns.documented import ON_GROUND, TRACKS
from tracker.datasets.formats.parquet import from_table, of_video, schema
from tracker.output.writers import CsvWriter, Filmed
from tracker.structures import Tracks
from tracker.system.snapshots.resumable import Resumable

if TYPE_CHECKING:
    from tracker.video.source import Frame


class ParquetWriter(Resumable):
    """`tracks.parquet`, made of the table when that is whole: at the end, also of a run that was interrupted.

    A Parquet file cannot be read before its last byte is written, nor be gone on with. So a killed process leaves none,
    and a run that is resumed makes the same one. It takes a second for a million rows.

    Args:
        path: the file.
        table: `tracks.csv`, which is written beside it.
        source: whose rows these are.
        ground: whether the table has metres.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """

    saved = ("_last", "_step")
    rebuilt = ("_path", "_table", "_source", "_columns")

    def __init__(self, path: Path, table: CsvWriter, source: Filmed, ground: bool = False) -> None:
        self._path, self._table, self._source = path, table, source
        self._columns = (*TRACKS, *(ON_GROUND if ground else ()))
        self._last = self._step = 0
        schema(self._columns, {})

    def write(self, frame: Frame, tracks: Tracks) -> None:  # noqa: ARG002 - the table has them
        """Note the frame; its rows come from the table."""
        if self._last:
            self._step = math.gcd(self._step, frame.number - self._last)
        self._last = frame.number

    def close(self) -> None:
        """Write the file.

        Raises:
            OutputError: it cannot be written.
        """
        step, size = self._step or 1, self._source.size
        assert size is not None  # of an open source
        about = of_video(self._source.name, size, self._last, self._source.fps * step, step)
        from_table(self._table.lines.path, self._path, self._columns, about)
