"""`summary.csv`: what became of every track, a row each."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracker.columns.documented import SUMMARY, SUMMARY_ON_GROUND, names
from tracker.output.writers import Ground, number_text
from tracker.structures import Status, Tracks
from tracker.system.files import csv_text, replace_file
from tracker.system.snapshots.resumable import Resumable

if TYPE_CHECKING:
    from tracker.video.source import Frame

_STEP_S = 0.5  # a way is measured between places so far apart in time
_WAY = np.dtype(
    [
        ("seen", "?"),
        ("first_s", "f8"),
        ("last_s", "f8"),
        ("length", "f8"),
        ("at", "f8", (2,)),  # where it is now
        ("anchor", "f8", (2,)),  # where the way is measured up to, and since when
        ("anchor_s", "f8"),
    ]
)


def _go(ways: Any, to: NDArray[Any], time_s: float) -> None:
    """Lead ways (N,) of `_WAY` on to points (N, 2), where these are not NaN."""
    known = np.isfinite(to[:, 0])
    new = known & ~ways["seen"]
    ways["seen"] |= known
    ways["first_s"][new] = time_s
    ways["last_s"][known] = time_s
    ways["at"][known] = to[known]
    step = known & (time_s - ways["anchor_s"] >= _STEP_S - 1e-6) & ~new
    ways["length"][step] += np.linalg.norm(to - ways["anchor"], axis=1)[step]
    ways["anchor"][step | new] = to[step | new]
    ways["anchor_s"][step | new] = time_s


def _gone(ways: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Length (N,) of ways and the mean speed on them."""
    length = ways["length"] + np.linalg.norm(ways["at"] - ways["anchor"], axis=1)
    seconds = ways["last_s"] - ways["first_s"]
    return length, np.divide(length, seconds, out=np.zeros_like(length), where=seconds > 0)


class SummaryWriter(Resumable):
    """`summary.csv`: a row per track, renewed every few seconds and at the end.

    Its columns are `SUMMARY`, with `ground` also `SUMMARY_ON_GROUND`, of `tracker.columns.documented`.

    The way is measured between positions half a second apart, so that the jitter of boxes does not count as movement.
    A reader finds the file whole, as it was at most `REFRESH_S` ago, or 100 times as long as it takes to write:
    only tracks that have changed are put into words again, a thousand ids at a time. Memory is some 300 bytes a track,
    whatever the length of the video.
    """

    REFRESH_S = 10.0
    COLUMNS = names(SUMMARY)
    GROUND = names(SUMMARY_ON_GROUND)
    _SHARE = 0.01  # of the time that may go into renewing the file
    _BLOCK = 1000  # ids whose rows are put into words together
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
            ("picture", _WAY),
            ("ground", _WAY),
        ]
    )

    saved = ("_rows", "_place", "_names")
    rebuilt = ("path", "_ground", "_blocks", "_texts", "_changed", "_due")

    def __init__(self, path: Path, ground: Ground | None = None, resumed: bool = False) -> None:
        self.path = path
        self._ground = ground
        self._rows = np.zeros(64, self._ROW)
        self._place: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._blocks: dict[int, list[int]] = {}  # id // _BLOCK -> places of its rows
        self._texts: dict[int, bytes] = {}  # id // _BLOCK -> its lines
        self._changed: set[int] = set()
        self._due = time.monotonic()
        if not resumed:
            self._save()

    def __len__(self) -> int:
        """How many tracks there are."""
        return len(self._place)

    @property
    def by_class(self) -> dict[str, int]:
        """How many tracks there are of each class, by its name, the most first."""
        classes, many = np.unique(self._rows["class"][: len(self)], return_counts=True)
        order = np.argsort(-many, kind="stable")
        return {self._name(number): count for number, count in zip(classes[order], many[order].tolist(), strict=True)}

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
        rows["last_frame"] = frame.number
        rows["last_s"] = frame.time_s
        rows["frames"] += 1
        rows["score"] += seen.scores
        _go(rows["picture"], centre, frame.time_s)
        if self._ground is not None:
            place = self._ground(tracks).position_m[tracks.status != Status.TENTATIVE]
            _go(rows["ground"], place, frame.time_s)
        self._rows[places] = rows
        if time.monotonic() >= self._due:
            self._save()

    def _taken_over(self) -> None:
        for track, place in self._place.items():
            self._blocks.setdefault(track // self._BLOCK, []).append(place)
        self._changed.update(self._blocks)

    def close(self) -> None:
        """Write the final rows."""
        self._save()

    def _save(self) -> None:
        """Replace the file at once: a reader finds either the old or the new rows."""
        start = time.monotonic()
        for block in self._changed:
            self._texts[block] = self._lines(np.sort(self._rows[self._blocks[block]], order="id")).encode()
        self._changed.clear()
        header = (",".join(self.COLUMNS + (self.GROUND if self._ground else ())) + "\n").encode()
        replace_file(self.path, header + b"".join(self._texts[block] for block in sorted(self._texts)))
        now = time.monotonic()
        self._due = now + max(self.REFRESH_S, (now - start) / self._SHARE)

    def _name(self, number: Any) -> str:
        """Of a class."""
        return self._names.get(int(number), str(number))

    def _lines(self, rows: Any) -> str:
        """Rows of `_ROW` as lines."""
        path, speed = _gone(rows["picture"])
        more = np.zeros((len(rows), 0))
        if self._ground is not None:
            more = np.where(rows["ground"]["seen"][:, None], np.column_stack(_gone(rows["ground"])), np.nan)
        return csv_text(
            (
                row["id"],
                row["class"],
                self._name(row["class"]),
                row["first_frame"],
                row["last_frame"],
                f"{row['first_s']:.4f}",
                f"{row['last_s']:.4f}",
                row["frames"],
                f"{row['score'] / row['frames']:.4f}",
                f"{length:.1f}",
                f"{pace:.1f}",
                *(number_text(value, 2) for value in on_ground),
            )
            for row, length, pace, on_ground in zip(rows, path, speed, more.tolist(), strict=True)
        )
