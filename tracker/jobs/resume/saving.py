"""When a run saves where it is: every few seconds, at a frame before which all is settled."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from tracker.errors import OutputError
from tracker.jobs.result_files import ResultFiles
from tracker.jobs.result_folder import UNFINISHED
from tracker.jobs.resume.unfinished import Unfinished
from tracker.system.snapshots.packing import packed
from tracker.system.state import State
from tracker.video.bookmark import Bookmark, digest
from tracker.video.source import Frame

EVERY_S = 5.0
_SHARE = 0.02  # of the time that may go into it


class Saving:
    """Saves one run.

    Args:
        unfinished: where. files: of it.
    """

    def __init__(self, unfinished: Unfinished, files: ResultFiles) -> None:
        self.unfinished, self._files = unfinished, files
        self._due_s = time.monotonic() + EVERY_S
        self._ahead: Bookmark | None = None  # of a frame with its picture's digest, that still waits
        self._reached: Bookmark | None = None  # the last one before which all is written
        self._ended = False

    def begin(self, bookmark: Bookmark) -> None:
        """Take a bookmark before which all is written: the first frame's, or where the run goes on."""
        self._reached = bookmark

    def bookmark(self, frame: Frame | None, waiting: int, ends: bool) -> Bookmark | None:
        """Where a later process is to read on if the run is saved now, before this frame; None: it is not to be.

        What the decoder gives there is compared with what it gives now, so a picture has to be seen before it is
        drawn on, and is the bookmark once all frames before it are written.

        Args:
            frame: None where it is not known. waiting: number of pictures before the first frame that is not written.
            ends: whether the run does, which saves it once.
        """
        due = self._ahead is not None and self._ahead.index <= waiting
        if due:
            self._reached, self._ahead = self._ahead, None
        elif self._ahead is None and frame is not None and frame.bookmark and time.monotonic() >= self._due_s:
            self._ahead = replace(frame.bookmark, digest=digest(frame.image))
        if not due and (not ends or self._ended):
            return None
        self._ended = ends
        return self._reached

    def save(self, run: Mapping[str, Any]) -> None:
        """Save a run, all but its files at once, and these when they are as far."""
        self._files.then(partial(self._write, packed(run), _sizes(run)))

    def end(self, run: Mapping[str, Any]) -> None:
        """Save a run whose frames are all tracked, and whose files do not matter any more; errors as of
        `Unfinished.save`.
        """
        self.unfinished.save({"run": packed(run)}, {}, _sizes(run))

    def _write(self, run: State, sizes: Mapping[str, int], files: ResultFiles) -> None:
        begun_s = time.monotonic()
        with suppress(OutputError, OSError):  # where the disk is full, the tables say so; the last state stays
            files.to_disk()
            sizes = {**sizes, **files.sizes}
            self.unfinished.save({"run": run, "files": packed(files.snapshot())}, files.lines, sizes)
            files.committed()
        now_s = time.monotonic()
        self._due_s = now_s + max(EVERY_S, (now_s - begun_s) / _SHARE)


def _sizes(run: Mapping[str, Any]) -> dict[str, int]:
    """Name of each file of the first pass -> the bytes that count."""
    return {f"{UNFINISHED}/{name}": part["size"] for name, part in (run["first"] or {}).items()}
