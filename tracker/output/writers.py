"""What a run leaves on disk: one class a format, each valid at any moment.

Every writer takes the frames in order and can be stopped at any time: text grows by whole lines, one system call a
frame and without a buffer of its own, so that a killed process leaves no half line; the video (`video_writer.py`) grows
by fragments that play without the end of the file. Where the disk is full, what was written stays, cut back to the last
whole line or fragment, and `OutputError` says so. Rows are those of confirmed tracks (`Tracks.confirmed`); a frame's
number counts the frames of its source from 1, also where some are skipped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tracker.columns.documented import ON_GROUND, TRACKS, names
from tracker.structures import Status, Tracks
from tracker.system.files import Lines, csv_text
from tracker.system.snapshots.resumable import Resumable

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


class Filmed(Protocol):
    """What the files have to know of a source: its name, nominal frames/s, frame size, and whether it is live."""

    @property
    def name(self) -> str: ...
    @property
    def fps(self) -> float: ...
    @property
    def size(self) -> tuple[int, int] | None: ...
    @property
    def live(self) -> bool: ...


class OnGround(Protocol):
    """Where the tracks of a frame are and how fast they go, in the order of its rows; NaN where that is not known.

    Attributes:
        position_m: (N, 2) metres. speed_m_s, speed_std_m_s: (N,) metres a second.
    """

    @property
    def position_m(self) -> NDArray[np.float64]: ...
    @property
    def speed_m_s(self) -> NDArray[np.float64]: ...
    @property
    def speed_std_m_s(self) -> NDArray[np.float64]: ...


Ground = Callable[[Tracks], OnGround]
"""The tracks of the next frame -> what is known of them on the ground."""


class MotWriter(Resumable):
    """`tracks.txt` in MOTChallenge's format: frame,id,left,top,width,height,score,-1,-1,-1; boxes in pixels."""

    saved = ("lines",)

    def __init__(self, path: Path, resumed: bool = False) -> None:
        self.lines = Lines(path, resumed=resumed)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add the frame's lines; none where nothing is tracked."""
        self.lines.append(tracks.to_mot(frame.number))

    def close(self) -> None:
        """Close the file."""
        self.lines.close()


class CsvWriter(Resumable):
    """`tracks.csv`: a row per frame and track, with the columns `TRACKS`, with `ground` also `ON_GROUND`, of
    `tracker.columns.documented`."""

    COLUMNS = names(TRACKS)
    GROUND = names(ON_GROUND)

    saved = ("lines",)
    rebuilt = ("_ground",)

    def __init__(self, path: Path, resumed: bool = False, ground: Ground | None = None) -> None:
        self._ground = ground
        self.lines = Lines(path, ",".join(self.COLUMNS + (self.GROUND if ground else ())) + "\n", resumed)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add a row for each track."""
        place = frame.number, f"{frame.time_s:.4f}"
        self.lines.append(
            csv_text(
                (*place, i, number, name, f"{score:.4f}", *(f"{edge:.2f}" for edge in box), status, *more)
                for (i, number, name, score, box, status), more in zip(
                    _records(tracks), self._on_ground(tracks), strict=True
                )
            )
        )

    def _on_ground(self, tracks: Tracks) -> list[list[str]]:
        """What is added to each confirmed row."""
        if self._ground is None:
            return [[] for _ in range(len(tracks.confirmed))]
        said = self._ground(tracks)
        values = np.column_stack([said.position_m, said.speed_m_s, said.speed_std_m_s])
        return [[number_text(value, 3) for value in row] for row in values[tracks.status != Status.TENTATIVE].tolist()]

    def close(self) -> None:
        """Close the file."""
        self.lines.close()


class JsonLinesWriter(Resumable):
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

    saved = ("lines", "_carried")

    def __init__(self, path: Path, resumed: bool = False) -> None:
        self.lines = Lines(path, resumed=resumed)
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
        self.lines.append(json.dumps(record, ensure_ascii=False, default=str) + "\n")

    def close(self) -> None:
        """Close the file."""
        self.lines.close()


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
    columns |= {key: _plain(columns[key]) for key in columns if key != "mask"}
    seen = rows.detection_index >= 0
    return [
        {key: columns[key][row] if here and key in columns else None for key in _CARRIED if key in known}
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


def number_text(value: float, decimals: int) -> str:
    """A number of a table; nothing where there is none."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else ""
