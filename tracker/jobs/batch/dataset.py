"""`tracks.parquet` of a batch: the rows of all videos, partitioned by video as Hive does it, which DuckDB, Polars and
Spark read at once, with the name of the video's folder as the column `video`.

A part is what `track --parquet` leaves of one video, with the video as a column of its own.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from tracker.columns.documented import ON_GROUND, SOURCE, TRACKS
from tracker.datasets.finished_run import FinishedRun
from tracker.datasets.formats.parquet import from_table, of_video
from tracker.jobs.result_folder import PARQUET
from tracker.system.files import writing


def part_of(video: str) -> str:
    """Where the rows of a video are in the dataset; what a file system or Hive would take for something else is
    escaped as in a URL.

    >>> part_of("door 1")
    'tracks.parquet/video=door%201/tracks.parquet'
    """
    return f"{PARQUET}/video={quote(video, safe='', errors='surrogateescape')}/{PARQUET}"


def write_part(folder: Path, part: Path, source: str) -> None:
    """Write the rows of a video.

    Args:
        folder: of its run. part: the file, replaced at once. source: the video, as `batch.csv` has it.

    Raises:
        MissingExtraError: pyarrow is not installed. OutputError: it cannot be written; what was there stays.
    """
    run = FinishedRun.read(folder)
    about = run.record["source"]
    last = 1 + (run.record["result"]["frames"] - 1) * run.step
    columns = (*TRACKS, *(ON_GROUND if "camera" in run.record else ()))
    shown = os.fsencode(source).decode("utf-8", "replace")
    with writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    of = of_video(run.name, run.size, last, about["frames_per_s"] * run.step, run.step)
    from_table(folder / "tracks.csv", part, columns, of, {SOURCE: shown})
