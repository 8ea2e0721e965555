"""What a run's tables say of objects that nobody corrected stays as it was written, to the byte.

The tables have boxes to a hundredth of a pixel and scores to four decimals. A way, a mean or the moment of a crossing
computed from those may differ in its last digit from what the run computed, which had all digits. So only the lines
of objects that were corrected are new ones.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from tracker.analytics.event_writer import EventWriter, counts_row
from tracker.analytics.events import Count, counted
from tracker.analytics.zones import Zones
from tracker.columns.documented import OBJECT_NAME
from tracker.datasets.annotations import Annotations
from tracker.errors import DataError
from tracker.system.files import csv_text, writing

Told = Mapping[str, Any]
Row = Sequence[str]

_LINES = 4096  # of a table that are written together


def touched(before: Annotations, after: Annotations) -> set[int]:
    """The ids of which one has a row that the other has not."""
    names = {name: number for number, name in enumerate(sorted({*before.names.values(), *after.names.values()}))}

    def table(of: Annotations) -> Any:
        classes = np.array([names[of.names[number]] for number in of.classes.tolist()], np.int64)
        return np.column_stack([of.ids, of.frames, of.xyxy, classes, of.scores, of.occluded])

    rows, times = np.unique(np.concatenate([table(before), table(after)]), axis=0, return_counts=True)
    return set(np.unique(rows[times == 1, 0]).astype(int).tolist())


def keep_lines(
    own: Path, made: Path, target: Path, id_column: int, corrected: set[int], names: Mapping[int, str] | None = None
) -> None:
    """Write the table `made` with the lines of `own` in the place of those of objects that were not corrected.

    Both have the same objects' lines in the same order. A column says what objects are called, where any is.

    Args:
        id_column: number of the column with the id.
        names: object's id -> what it is called; None: a table without a header, which cannot say so.

    Raises:
        DataError: they have not. OutputError: it cannot be written.
    """
    header = names is not None
    with (
        own.open(newline="", encoding="utf-8") as ours,
        made.open(newline="", encoding="utf-8") as others,
        writing(target),
        target.open("w", newline="", encoding="utf-8") as file,
    ):
        kept = (row for row in _rows(ours, header) if int(row[id_column]) not in corrected)
        rows = csv.reader(others)
        first = [[*next(rows), *([OBJECT_NAME.name] if names else [])]] if header else []
        lines: list[Row] = []
        for row in chain(first, _merged(kept, rows, id_column, corrected, names or {}, own)):
            lines.append(row)
            if len(lines) == _LINES:
                file.write(csv_text(lines))
                lines.clear()
        file.write(csv_text(lines))


def _rows(file: Iterable[str], header: bool) -> Iterator[Row]:
    rows = csv.reader(file)
    if header:
        next(rows)
    return rows


def _merged(
    kept: Iterator[Row], rows: Iterable[Row], id_column: int, corrected: set[int], names: Mapping[int, str], own: Path
) -> Iterator[Row]:
    for row in rows:
        track = int(row[id_column])
        if track not in corrected:
            row = next(kept, [])
            if not row or int(row[id_column]) != track:
                raise DataError(f"{own} has not the objects of tracks.csv; run `track` again")
        yield [*row, names.get(track, "")] if names else row


def kept_events(own: Sequence[Told], made: Sequence[Told], corrected: set[int]) -> list[Told]:
    """The run's events of objects that were not corrected, in their order, and the new ones of others where they fit
    by time.
    """
    kept = [event for event in own if event["id"] not in corrected]
    new = [event for event in made if event["id"] in corrected]
    order = [*_latest(kept), *_latest(new)]
    both = [*kept, *new]
    return [both[n] for n in sorted(range(len(both)), key=order.__getitem__)]


def _latest(events: Sequence[Told]) -> list[float]:
    """The latest time so far: events are told when they are certain, not quite in order of time."""
    return np.maximum.accumulate([event["time_s"] for event in events]).tolist() if events else []


def kept_counts(own: Path, zones: Zones, before: Sequence[Told], after: Sequence[Told], end_s: float) -> str:
    """`counts.csv` by the events after the correction; a place's and class' row stays where those are as before.

    Args:
        own: the run's. end_s: when an object was seen last, until which those were inside that did not leave.
    """
    with own.open(newline="", encoding="utf-8") as file:
        rows = {(row[0], row[1]): row for row in list(csv.reader(file))[1:]}

    def of(events: Sequence[Told], key: tuple[str, str]) -> list[Told]:
        return [event for event in events if (event["zone"], event["class"]) == key]

    new = []
    for place in zones.places:
        nothing = Count(place.name, "", 0, 0, 0 if place.is_zone else None, None)
        for count in counted(place.name, place.is_zone, after, end_s) or [nothing]:
            key = count.zone, count.name
            new.append(rows[key] if key in rows and of(before, key) == of(after, key) else counts_row(count))
    return csv_text([EventWriter.COLUMNS, *new])
