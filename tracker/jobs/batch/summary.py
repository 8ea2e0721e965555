"""`summary.csv` of a whole batch: the rows of every video's, in the manifest's order."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from tracker.output.summary_writer import SummaryWriter
from tracker.system.files import csv_text, text_file

SUMMARY = "summary.csv"


def write_summary(project: Path, folders: Mapping[str, str]) -> None:
    """Write it anew: the columns of a video's summary behind `source` and `folder`.

    Args:
        project: the folder of the batch.
        folders: source -> its folder in there, of the videos that are done. One whose summary is gone has no rows.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    with text_file(project / SUMMARY, "surrogateescape") as file:  # sources are names in whatever encoding
        headed = False
        for source, folder in folders.items():
            try:
                table = (project / folder / SUMMARY).open(encoding="utf-8", newline="")
            except FileNotFoundError:
                continue
            with table:
                lines = csv.reader(table)
                head = next(lines, [])
                if not headed:
                    file.write(csv_text([("source", "folder", *head)]))
                    headed = True
                file.write(csv_text((source, folder, *line) for line in lines))
        if not headed:
            file.write(csv_text([("source", "folder", *SummaryWriter.COLUMNS)]))
