"""What a run leaves in `unfinished/` while it is not done: where it is, and what going on from there needs.

The state there is that of a moment between two frames, and everything it counts on is on disk before it is: tables up
to a length, whole fragments of the video, crops, the first pass of `--offline`. What came after that moment is cut off,
or written anew, by whoever goes on. So a kill or a power cut at any time leaves a state and what belongs to it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from tracker.analytics.event_finder import Event
from tracker.analytics.events import Count
from tracker.analytics.ground.motion import GroundFilters
from tracker.columns.carried import Columns
from tracker.columns.embeddings import TakenEmbeddings
from tracker.columns.masks import Masks
from tracker.errors import DataError, ResumeError
from tracker.jobs.result_files import Waiting
from tracker.jobs.result_folder import LOCK, OFFLINE, RECORD, STATE, UNFINISHED, clear, kept
from tracker.motion.adaptation.online_calibration import ForecastCalibration
from tracker.motion.kalman import KalmanParameters
from tracker.motion.kalman_predictor import BoxForecast, FilterForecast
from tracker.motion.learned import LearnedForecast
from tracker.smoothing.first_pass import KEPT
from tracker.smoothing.track_table import TrackTable
from tracker.structures import Detections, ForecastOfRows, Tracks
from tracker.system import state
from tracker.system.files import holds, to_disk, writing
from tracker.system.snapshots.packing import unpacked

VERSION = 4
"""Of what is saved around a tracker; raised with every change of a `Resumable`'s `saved` or of its meaning."""

_KINDS: tuple[type, ...] = (Tracks, TrackTable, Detections, Columns, Masks, Waiting, Event, Count, GroundFilters)
_KINDS += (
    TakenEmbeddings,
    ForecastOfRows,
    BoxForecast,
    FilterForecast,
    LearnedForecast,
    ForecastCalibration,
    KalmanParameters,
)


class Unfinished:
    """The folder `unfinished` of a run, made and kept for this process.

    Args:
        folder: of the run.

    Attributes:
        folder: the one in it.

    Raises:
        ResumeError: another process writes there. OutputError: it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / UNFINISHED
        self._lock: IO[str] | None = kept(folder)
        with writing(self.folder):
            self.folder.mkdir(exist_ok=True)

    @classmethod
    def new(cls, folder: Path) -> Self:
        """That of a run that begins; errors as of the class."""
        unfinished = cls(folder)
        clear(unfinished.folder, but=LOCK)
        return unfinished

    def scratch(self) -> Path:
        """An empty folder for what replaces the results at the end; errors as of the class."""
        path = self.folder / OFFLINE
        with writing(path):
            if path.is_dir():
                shutil.rmtree(path)
            path.mkdir()
        return path

    def save(
        self, parts: Mapping[str, state.State], lines: Mapping[str, tuple[int, int]], sizes: Mapping[str, int]
    ) -> None:
        """Write where the run is.

        Args:
            parts: of the run, packed. lines, sizes: what its files have to be, by name: `ResultFiles.lines`, and bytes
                at least.

        Raises:
            OutputError: it cannot be written; what was there stays.
        """
        run = self.folder.parent
        for path in (run / RECORD, run, *(self.folder / name for name in KEPT)):
            to_disk(path)
        about = {"layout": VERSION, "parts": list(parts), "lines": dict(lines), "sizes": dict(sizes)}
        arrays = {f"{part}.{name}": array for part, packed in parts.items() for name, array in packed.items()}
        state.write(self.folder / STATE, "run", about, arrays, durable=True)

    def release(self) -> None:
        """Let another process go on with it."""
        if self._lock is not None:
            self._lock.close()

    def remove(self) -> None:
        """The run is done."""
        clear(self.folder)  # the lock in it while it is kept: whoever waits for it gets a new one, or none
        self.release()


def saved(folder: Path) -> dict[str, Any] | None:
    """Where the run in a folder is; None where it was interrupted before that was known.

    Raises:
        ResumeError: that cannot be read, is of another version, or the files are not those that it belongs to.
    """
    path = folder / UNFINISHED / STATE
    if not path.exists():
        return None
    anew = "; track it anew without --resume"
    try:
        about, arrays = state.read(path, "run")
        if about.get("layout") != VERSION:
            raise ResumeError(f"{path} was left by another version of the tracker{anew}")
        with state.loading(path):
            found = {part: unpacked(_part(arrays, f"{part}."), _KINDS) for part in about["parts"]}
    except DataError as error:
        raise ResumeError(f"{str(error).partition(';')[0]}{anew}") from error
    changed = [name for name, (size, total) in about["lines"].items() if not holds(folder / name, size, total)]
    for name, size in about["sizes"].items():
        if max(_size(folder / name), _size(folder / UNFINISHED / name)) < size:
            changed.append(name)
    if changed:
        raise ResumeError(f"{folder / changed[0]} has been changed since the run was interrupted{anew}")
    return found


def _part(arrays: state.State, start: str) -> state.State:
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0
