"""Frames whose tracks are not final yet, on disk, too: their rows would be lost with the process.

Rows are written when later frames have said who is who. Until then each frame's tracks stand in a file that grows by a
line a frame. After a kill they go the way they would have gone, up to the last one, and into the tables.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tracker.affine import Affine
from tracker.errors import OutputError
from tracker.site.feed import Settled
from tracker.site.results.records import Records, rows_since
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.structures import Tracks
from tracker.system.files import Lines, replace_text, writing
from tracker.video.source import Frame

_MOST = 1 << 18  # bytes of lines that are not needed any more, beyond which the file is made anew
_FLOATS = ("xyxy", "scores")
_WHOLE = ("ids", "classes", "raw_classes", "status", "detection_index", "pending")
_PLAIN = ("time_s", "interval_s", "jitter", "looked", "cut")
_ROUNDING_S = 1e-3  # of times in tables, at most

FramePlace = tuple[int, float]  # number and time of a frame

_log = logging.getLogger("tracker.site")


class UnsettledFrames:
    """The frames of one camera that wait, for a later process.

    Args:
        path: of the file, which is made with the first frame.
        reach_s: seconds before a frame that waits which say something of it.

    Raises:
        OutputError: as all its methods, where the file cannot be written; the next call tries again.
    """

    def __init__(self, path: Path, reach_s: float) -> None:
        self._path, self._reach_s = path, reach_s
        self._needed: deque[tuple[float, str]] = deque()  # time of a frame, and its line
        self._bytes = 0  # of these
        self._file: Lines | None = None

    def add(self, frame: Frame, tracks: Tracks, motion: Affine, waits: Frame | None) -> None:
        """Take the next frame, as the smoother does.

        Args:
            motion: of the camera into it, (2, 3). waits: the frame that has waited longest; None: none does.
        """
        line = json.dumps(_plain(frame, tracks, motion)) + "\n"
        needed_s = (frame if waits is None else waits).time_s - self._reach_s
        self._needed.append((frame.time_s, line))
        self._bytes += len(line)
        while self._needed[0][0] < needed_s:
            self._bytes -= len(self._needed.popleft()[1])
        if self._file is None or self._file.written[0] > _MOST + self._bytes:
            self._begin_anew()
            return
        try:
            self._file.append(line)
        except OutputError:
            self._close()  # with this line, too, once there is room
            raise

    def _begin_anew(self) -> None:
        """With the lines that are needed."""
        self._close()
        replace_text(self._path, "".join(line for _, line in self._needed))
        self._file = Lines(self._path, resumed=True)

    def recover(self, records: Records, smoother: FixedLagSmoother[FramePlace], names: Mapping[int, str]) -> None:
        """Write the rows that an earlier process was killed before it wrote.

        Args:
            records: of the camera, before anything is added to them. smoother: a fresh one. names: number -> class.
        """
        decided: list[tuple[FramePlace, Tracks]] = []
        try:
            for place, tracks, motion, repeated in self._earlier(names):
                if not repeated or smoother.first is not None:  # else what it repeats is not needed any more
                    decided += smoother.push(place, tracks, motion, repeated)
            decided += smoother.flush()
        except (OSError, ValueError, KeyError, TypeError) as error:  # of another version, or damaged
            _log.warning("rows of the moment before the restart are lost: %s cannot be read (%r)", self._path, error)
        if not decided:
            return
        rows = rows_since(records.folder, decided[0][0][1] - _ROUNDING_S)
        written = {(number, i) for number, _, i in rows}
        last = max((number for number, _ in written), default=0)
        for (number, time_s), tracks in decided:
            lacking = np.array([(number, i) not in written for i in tracks.ids.tolist()], bool)
            if number >= last and lacking.any():  # some of the last one may be there
                records.write(Settled(number, time_s, tracks[lacking]))

    def _earlier(self, names: Mapping[int, str]) -> Iterator[tuple[FramePlace, Tracks, Affine, bool]]:
        """What `add` was given, but for what a kill has torn: number and time, tracks, motion, and is it repeated?"""
        text = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        for line in text.split("\n")[:-1]:
            about = json.loads(line)
            values: dict[str, Any] = {name: about[name] for name in _PLAIN}
            values |= {name: np.array(about[name], np.int64) for name in _WHOLE}
            values |= {"xyxy": np.array(about["xyxy"], np.float32).reshape(-1, 4)}
            values |= {"scores": np.array(about["scores"], np.float32), "names": names}
            values |= {"renamed": {int(old): int(new) for old, new in about["renamed"]}}
            motion = np.array(about["motion"], np.float64).reshape(2, 3)
            number, time_s = about["frame"]
            yield (int(number), float(time_s)), Tracks(**values), motion, bool(about["repeated"])

    def clear(self) -> None:
        """Nothing waits any more.

        Raises:
            OutputError: the file cannot be removed.
        """
        self._close()
        self._needed.clear()
        self._bytes = 0
        with writing(self._path):
            self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _plain(frame: Frame, tracks: Tracks, motion: Affine) -> dict[str, Any]:
    """What is needed to write a frame's rows later, for JSON."""
    return {
        "frame": [frame.number, frame.time_s],
        "repeated": frame.repeated,
        "motion": motion.tolist(),
        "renamed": [[int(old), int(new)] for old, new in tracks.renamed.items()],
        **{name: getattr(tracks, name) for name in _PLAIN},
        **{name: getattr(tracks, name).tolist() for name in (*_FLOATS, *_WHOLE)},
    }
