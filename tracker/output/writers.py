"""What a run leaves on disk: one class a format, each valid at any moment.

Every writer takes the frames in order and can be stopped at any time: text grows by whole lines, one system call a
frame and without a buffer of its own, so that a killed process leaves no half line; the video (`video_writer.py`) grows
by fragments that play without the end of the file. Where the disk is full, what was written stays, cut back to the last
whole line or fragment, and `OutputError` says so. Rows are those of confirmed tracks (`Tracks.confirmed`); a frame's
number counts the frames of its source from 1, also where some are skipped.
"""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tracker.structures import Status, Tracks
from tracker.system.files import Lines, replace_file

if TYPE_CHECKING:
    from tracker.video.source import Frame


class Writer(Protocol):
    """Takes frames with their tracks, in order."""

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add one frame.

        Raises:
            OutputError: the disk is full, or the file cannot be written for another reason.
        """

    def close(self) -> None:
        """Finish the file. Called once, also after an error."""


class MotWriter:
    """`tracks.txt` in MOTChallenge's format: frame,id,left,top,width,height,score,-1,-1,-1; boxes in pixels."""

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add the frame's lines; none where nothing is tracked."""
        self._lines.append(tracks.to_mot(frame.number))

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class CsvWriter:
    """`tracks.csv`: a row per frame and track.

    | column | unit | meaning |
    | --- | --- | --- |
    | `frame` | | number of the frame in its source, from 1 |
    | `time_s` | seconds | time of the frame by the source's own timestamps |
    | `id` | | the track, from 1, never reused; what was never confirmed used some numbers up |
    | `class`, `name` | | number and name of its class, by vote over the track's life |
    | `score` | 0 to 1 | the detector's confidence; of a predicted box, the last one |
    | `left`, `top`, `right`, `bottom` | pixels | the box, x to the right and y down |
    | `status` | | `confirmed` (detected in this frame) or `predicted` (not detected: the motion model's box) |
    """

    COLUMNS = ("frame", "time_s", "id", "class", "name", "score", "left", "top", "right", "bottom", "status")

    def __init__(self, path: Path, resumed: bool = False) -> None:
        self._lines = Lines(path, ",".join(self.COLUMNS) + "\n", resumed)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add a row for each track."""
        place = frame.number, f"{frame.time_s:.4f}"
        self._lines.append(
            _csv_text(
                (*place, i, number, name, f"{score:.4f}", *(f"{edge:.2f}" for edge in box), status)
                for i, number, name, score, box, status in _records(tracks)
            )
        )

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class JsonLinesWriter:
    """`tracks.jsonl`: a JSON object per frame, also where nothing is tracked.

    `{"frame": 1, "time_s": 0.0, "tracks": [{"id": 1, "class": 0, "name": "person", "score": 0.9,
    "box": [left, top, right, bottom], "status": "confirmed"}]}`, with the units of `CsvWriter`. A track has what
    detections carried, too, from the first frame on in which any did: of this frame's detection, and null where it was
    not detected:

    | key | value |
    | --- | --- |
    | `mask` | its pixels in COCO's run-length encoding, `{"size": [height, width], "counts": text}`, of the frame |
    | `keypoints` | `[[x, y, confidence], ...]` in pixels; x and y are null where a point is not known |
    | `corners` | `[[x, y], ...]`, the four of its oriented box in pixels |
    | `data` | what else the detections came with, by name; null in the place of a number that is none |
    """

    def __init__(self, path: Path) -> None:
        self._lines = Lines(path)
        self._carried: set[str] = set()  # keys of what was carried so far

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add the frame's object."""
        carried = _carried(tracks.confirmed, self._carried)
        objects = [
            {
                "id": i,
                "class": number,
                "name": name,
                "score": round(score, 4),
                "box": [round(edge, 2) for edge in box],
                "status": status,
                **more,
            }
            for (i, number, name, score, box, status), more in zip(_records(tracks), carried, strict=True)
        ]
        record = {"frame": frame.number, "time_s": round(frame.time_s, 4), "tracks": objects}
        self._lines.append(json.dumps(record, ensure_ascii=False, default=str) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class SummaryWriter:
    """`summary.csv`: a row per track, renewed every few seconds and at the end.

    | column | unit | meaning |
    | --- | --- | --- |
    | `id`, `class`, `name` | | the track and its class |
    | `first_frame`, `last_frame` | | where it was first and last reported |
    | `first_s`, `last_s` | seconds | the same as times |
    | `frames` | | frames it was reported in; fewer than last - first + 1 where it was occluded |
    | `mean_score` | 0 to 1 | mean confidence |
    | `path_px` | pixels | length of the way its centre went |
    | `mean_speed_px_s` | pixels/s | that length over the time it took |

    The way is measured between positions half a second apart, so that the jitter of boxes does not count as movement.
    A reader finds the file whole, as it was at most `REFRESH_S` ago, or 100 times as long as it takes to write:
    only tracks that have changed are put into words again, a thousand ids at a time. Memory is some 200 bytes a track,
    whatever the length of the video.
    """

    REFRESH_S = 10.0
    COLUMNS = (
        "id",
        "class",
        "name",
        "first_frame",
        "last_frame",
        "first_s",
        "last_s",
        "frames",
        "mean_score",
        "path_px",
        "mean_speed_px_s",
    )
    _SHARE = 0.01  # of the time that may go into renewing the file
    _BLOCK = 1000  # ids whose rows are put into words together
    _STEP_S = 0.5
    _ROW = np.dtype(
        [
            ("id", "i8"),
            ("class", "i8"),
            ("first_frame", "i8"),
            ("last_frame", "i8"),
            ("frames", "i8"),
            ("first_s", "f8"),
            ("last_s", "f8"),
            ("score", "f8"),
            ("path", "f8"),
            ("centre", "f8", (2,)),  # where it is now
            ("anchor", "f8", (2,)),  # where the way is measured up to, and since when
            ("anchor_s", "f8"),
        ]
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows = np.zeros(64, self._ROW)
        self._place: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._blocks: dict[int, list[int]] = {}  # id // _BLOCK -> places of its rows
        self._texts: dict[int, bytes] = {}  # id // _BLOCK -> its lines
        self._changed: set[int] = set()
        self._save()

    def __len__(self) -> int:
        """How many tracks there are."""
        return len(self._place)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Take the frame into account."""
        seen = tracks.confirmed
        self._names.update(seen.names)
        for i in seen.ids.tolist():
            if i not in self._place:
                self._place[i] = len(self._place)
                self._blocks.setdefault(i // self._BLOCK, []).append(self._place[i])
        self._changed.update((seen.ids // self._BLOCK).tolist())
        places = np.array([self._place[i] for i in seen.ids.tolist()], np.intp)
        while len(self._place) > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        rows = self._rows[places]
        centre = (seen.xyxy[:, :2] + seen.xyxy[:, 2:]) / 2
        new = rows["frames"] == 0
        rows["id"] = seen.ids
        rows["class"] = seen.classes
        rows["first_frame"][new] = frame.number
        rows["first_s"][new] = frame.time_s
        rows["anchor"][new] = centre[new]
        rows["anchor_s"][new] = frame.time_s
        rows["last_frame"] = frame.number
        rows["last_s"] = frame.time_s
        rows["frames"] += 1
        rows["score"] += seen.scores
        rows["centre"] = centre
        step = frame.time_s - rows["anchor_s"] >= self._STEP_S - 1e-6
        rows["path"][step] += np.linalg.norm(centre - rows["anchor"], axis=1)[step]
        rows["anchor"][step] = centre[step]
        rows["anchor_s"][step] = frame.time_s
        self._rows[places] = rows
        if time.monotonic() >= self._due:
            self._save()

    def close(self) -> None:
        """Write the final rows."""
        self._save()

    def _save(self) -> None:
        """Replace the file at once: a reader finds either the old or the new rows."""
        start = time.monotonic()
        for block in self._changed:
            self._texts[block] = self._lines(np.sort(self._rows[self._blocks[block]], order="id")).encode()
        self._changed.clear()
        header = (",".join(self.COLUMNS) + "\n").encode()
        replace_file(self.path, header + b"".join(self._texts[block] for block in sorted(self._texts)))
        now = time.monotonic()
        self._due = now + max(self.REFRESH_S, (now - start) / self._SHARE)

    def _lines(self, rows: Any) -> str:
        """Rows of `_ROW` as lines."""
        path = rows["path"] + np.linalg.norm(rows["centre"] - rows["anchor"], axis=1)
        seconds = rows["last_s"] - rows["first_s"]
        speed = np.divide(path, seconds, out=np.zeros_like(path), where=seconds > 0)
        return _csv_text(
            (
                row["id"],
                row["class"],
                self._names.get(int(row["class"]), str(row["class"])),
                row["first_frame"],
                row["last_frame"],
                f"{row['first_s']:.4f}",
                f"{row['last_s']:.4f}",
                row["frames"],
                f"{row['score'] / row['frames']:.4f}",
                f"{length:.1f}",
                f"{pace:.1f}",
            )
            for row, length, pace in zip(rows, path, speed, strict=True)
        )


def _records(tracks: Tracks) -> Iterator[tuple[int, int, str, float, list[float], str]]:
    """Id, class number and name, score, box and status of each confirmed track as plain Python values."""
    rows = tracks.confirmed
    columns = rows.ids, rows.classes, rows.scores, rows.xyxy, rows.status
    for i, number, score, box, status in zip(*(column.tolist() for column in columns), strict=True):
        yield i, number, rows.names.get(number, str(number)), score, box, Status(status).name.lower()


_CARRIED = ("mask", "keypoints", "corners", "data")  # keys of `JsonLinesWriter`, in order


def _carried(rows: Tracks, known: set[str]) -> list[dict[str, Any]]:
    """What each row's detection carried, as plain Python values; None where a row has none.

    Every row has all keys that are `known`, to which those of this frame are added.
    """
    columns: dict[str, list[Any]] = {}
    if rows.masks is not None:
        columns["mask"] = rows.masks.to_coco()
    if rows.keypoints is not None:
        xy, confidence = np.split(rows.keypoints.astype(np.float64), [2], axis=2)
        columns["keypoints"] = np.concatenate([xy.round(2), confidence.round(4)], axis=2).tolist()
    if rows.corners is not None:
        columns["corners"] = rows.corners.astype(np.float64).round(2).tolist()
    if rows.data:
        data = {name: values.tolist() for name, values in rows.data.items()}
        columns["data"] = [dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)]
    known.update(columns)
    seen = rows.detection_index >= 0
    return [
        {key: _plain(columns[key][row]) if here and key in columns else None for key in _CARRIED if key in known}
        for row, here in enumerate(seen.tolist())
    ]


def _plain(value: Any) -> Any:
    """As JSON has it, whatever a column of objects nests: None for numbers that it does not have, texts for keys."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv_text(rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
