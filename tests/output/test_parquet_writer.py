"""`tracks.parquet` has what `tracks.csv` has, once a run's files are closed, and not a moment before."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from tracker.output.parquet_writer import ParquetWriter
from tracker.output.writers import CsvWriter
from tracker.structures import Status, Tracks
from tracker.video.source import Frame

parquet = pytest.importorskip("pyarrow.parquet")

SOURCE = SimpleNamespace(name="clip", size=(64, 48), fps=10.0)
NAMES = {0: "person", 1: 'NA, "quoted"\nand more'}


def frames(count):
    image = np.zeros((48, 64, 3), np.uint8)
    boxes = np.array([[1, 2, 3.25, 4], [5, 6, 7, 8]], np.float32)
    status, index = np.array([Status.CONFIRMED, Status.PREDICTED]), np.array([0, -1])
    for number in range(1, 3 * count, 3):
        ids, kinds = np.array([number, number + 1]), np.array([0, 1])
        yield (
            Frame(image, number, number / 30),
            Tracks(ids, boxes, np.full(2, 0.5, np.float32), kinds, kinds, status, index, 0.0, 0.1, NAMES),
        )


def ground(tracks):
    """The second one is on no ground."""
    return SimpleNamespace(
        position_m=np.array([[1.5, 2], [np.nan, np.nan]]),
        speed_m_s=np.array([1, np.nan]),
        speed_std_m_s=np.array([0.1, np.nan]),
    )


@pytest.mark.parametrize("on_ground", [None, ground])
def test_the_rows_are_those_of_the_table(tmp_path, on_ground):
    table = CsvWriter(tmp_path / "tracks.csv", ground=on_ground)
    writer = ParquetWriter(tmp_path / "tracks.parquet", table, SOURCE, on_ground is not None)
    for frame, tracks in frames(4):
        for one in (table, writer):
            one.write(frame, tracks)
    assert [path.name for path in tmp_path.iterdir()] == ["tracks.csv"], "what a kill leaves is no Parquet file"
    table.close()
    writer.close()
    found = parquet.read_table(tmp_path / "tracks.parquet")
    with (tmp_path / "tracks.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert found.column_names == header and found.num_rows == len(rows) == 8
    kinds = [{"int64": int, "double": float, "string": str}[str(field.type)] for field in found.schema]
    expected = [[kind(text) if text else None for kind, text in zip(kinds, row, strict=True)] for row in rows]
    assert [list(row.values()) for row in found.to_pylist()] == expected
    assert found.schema.field("time_s").metadata[b"unit"] == b"seconds"
    about = {key.decode(): text.decode() for key, text in found.schema.metadata.items()}
    assert about == {
        "name": "clip", "width": "64", "height": "48", "frames": "10", "frames_per_s": "30.0", "step": "3"
    }  # fmt: skip


def test_a_run_without_a_row_has_the_columns(tmp_path):
    table = CsvWriter(tmp_path / "tracks.csv")
    writer = ParquetWriter(tmp_path / "tracks.parquet", table, SOURCE)
    table.close()
    writer.close()
    found = parquet.read_table(tmp_path / "tracks.parquet")
    assert found.num_rows == 0 and found.column_names == list(CsvWriter.COLUMNS)
