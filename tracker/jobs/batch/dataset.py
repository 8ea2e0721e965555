"""`tracks.parquet`: the rows of `tracks.csv` of all videos, partitioned by video as Hive does it, which DuckDB, Polars
and Spark read at once, with the name of the video's folder as the column `video`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tracker.output.writers import CsvWriter
from tracker.system.extras import extra
from tracker.system.files import writing

DATASET = "tracks.parquet"
_WHOLE = ("frame", "id", "class")
_TEXT = ("name", "status")


def part_of(video: str) -> str:
    """Where the rows of a video are in the dataset; what a file system or Hive would take for something else is
    escaped as in a URL.

    >>> part_of("door 1")
    'tracks.parquet/video=door%201/tracks.parquet'
    """
    return f"{DATASET}/video={quote(video, safe='', errors='surrogateescape')}/tracks.parquet"


def write_part(table: Path, part: Path, source: str) -> None:
    """Write the rows of a video.

    Args:
        table: its tracks.csv. part: the file, replaced at once. source: of the video, a column of its own.

    Raises:
        MissingExtraError: pyarrow is not installed. OutputError: it cannot be written; what was there stays.
    """
    arrow, csv, parquet = (extra(module, "batch") for module in ("pyarrow", "pyarrow.csv", "pyarrow.parquet"))
    kinds: dict[str, Callable[[], Any]] = dict.fromkeys(_WHOLE, arrow.int64) | dict.fromkeys(_TEXT, arrow.string)
    names = (*CsvWriter.COLUMNS, *CsvWriter.GROUND)
    types = csv.ConvertOptions(column_types={name: kinds.get(name, arrow.float64)() for name in names})
    shown = os.fsencode(source).decode("utf-8", "replace")
    draft = part.with_name(f".{part.name}.part")
    with writing(part):
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with csv.open_csv(table, convert_options=types) as rows:
                schema = arrow.schema([*rows.schema, arrow.field("source", arrow.string())])
                with parquet.ParquetWriter(draft, schema, compression="zstd") as writer:
                    for block in rows:
                        columns = [*block.columns, arrow.repeat(shown, len(block))]
                        writer.write_batch(arrow.RecordBatch.from_arrays(columns, schema=schema))
            draft.replace(part)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
