"""`tracks.parquet`: the rows of `tracks.csv` with types and units, for whoever has millions of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tracker.columns.documented import ON_GROUND, TRACKS
from tracker.datasets.formats.parquet import from_table, schema
from tracker.output.writers import CsvWriter, Filmed
from tracker.structures import Tracks

if TYPE_CHECKING:
    from tracker.video.source import Frame


class ParquetWriter:
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

    def __init__(self, path: Path, table: CsvWriter, source: Filmed, ground: bool = False) -> None:
        self._path, self._table, self._frames = path, table, 0
        self._columns = (*TRACKS, *(ON_GROUND if ground else ()))
        assert source.size is not None  # of an open source
        self._about = {
            "name": source.name,
            "width": f"{source.size[0]}",
            "height": f"{source.size[1]}",
            "frames_per_s": f"{source.fps * source.vid_stride!r}",
            "step": f"{source.vid_stride}",
        }
        schema(self._columns, self._about)

    def write(self, frame: Frame, tracks: Tracks) -> None:  # noqa: ARG002 - the table has them
        """Note the frame; its rows come from the table."""
        self._frames = frame.number

    def close(self) -> None:
        """Write the file.

        Raises:
            OutputError: it cannot be written.
        """
        from_table(self._table.path, self._path, self._columns, self._about | {"frames": f"{self._frames}"})
