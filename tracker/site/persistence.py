"""What a site knows, in `DIR/state/`, so that ids go on after a restart, also after one that nobody announced.

A camera's tracker and who is at it are saved in its own thread between two frames: every `EVERY_S`, and soon after
somebody came. Galleries, which are larger and matter only to those who left, are saved less often. Each file is
replaced at once. What they lack at a kill is made up for: the gallery gets what the tracker knew of those who were
there, and the rows in `tracks.csv` tell which ids and frame numbers are taken.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from tracker import checkpoint
from tracker.appearance.gallery import Gallery
from tracker.config import BankConfig
from tracker.errors import DataError, OutputError, TrackerError
from tracker.site.counting import PlaceCounts
from tracker.site.presence import Presence
from tracker.site.records import written_since
from tracker.structures import TENTATIVE
from tracker.system import state
from tracker.system.files import locked, replace_text, writing
from tracker.tracker import Tracker

EVERY_S = 5.0  # between two states of a camera: 0.3 MB, more where many are there
SOON_S = 0.5  # but so soon where somebody came, or something was counted
GALLERY_S = 20.0  # 5 MB once 500 were seen

_log = logging.getLogger("tracker.site")


@dataclass(frozen=True)
class Resumed:
    """Where a camera goes on: its tracker, and number and time of its last frame (0 and minus infinity: none)."""

    tracker: Tracker
    number: int
    time_s: float


def claimed(project: Path) -> IO[str] | None:
    """Keep a folder of results for this process until the file is closed or the process ends, however it does.

    Raises:
        OutputError: another process has it, or it cannot be written.
    """
    try:
        return locked(project / "state" / "lock")
    except BlockingIOError:
        raise OutputError(f"another track serve writes to {project}; end it, or name another --project") from None


class StateFolder:
    """The folder `state`.

    Args:
        project: the folder of the results, in which it is; made.
        shared: whether there is one gallery of all cameras.
        config: of galleries.

    Raises:
        OutputError: it cannot be made.
    """

    def __init__(self, project: Path, shared: bool, config: BankConfig) -> None:
        self.folder = project / "state"
        self._config = config
        self._shared = Gallery(config) if shared else None
        self._loaded: dict[Path, Gallery] = {}
        with writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)

    def gallery(self, camera: str) -> Gallery:
        """The gallery of a camera: what was saved of it, or an empty one."""
        path = self._gallery_path(camera)
        if path not in self._loaded:
            self._loaded[path] = self._read_gallery(path)
        return self._loaded[path]

    def save_gallery(self, camera: str) -> None:
        """Save the gallery that this camera uses.

        Raises:
            OutputError: it cannot be written; what was there stays.
        """
        path = self._gallery_path(camera)
        self._loaded[path].save(path)

    def save(
        self, camera: str, tracker: Tracker, presence: Presence, counting: PlaceCounts, number: int, time_s: float
    ) -> None:
        """Save a camera between two frames; errors as of `save_gallery`."""
        about = {
            "number": number,
            "time_s": time_s,
            "newest_id": tracker.gallery.newest_id,
            "visits": presence.to_dict(),
            "counts": counting.to_list(),
        }
        tracker.save(self.folder / f"{camera}.safetensors")
        replace_text(self.folder / f"{camera}.json", json.dumps(about) + "\n")

    def resume(self, camera: str, fresh: Tracker, presence: Presence, counting: PlaceCounts, records: Path) -> Resumed:
        """A camera where it was saved: its tracker, or this fresh one where that cannot be read, which is said.

        Ids and frame numbers that are in its rows already are not given out again, whatever the state says.

        Args:
            camera: its name. fresh: a tracker with the camera's gallery. presence: takes over who was there.
            counting: takes over what was counted.
            records: folder of its results.
        """
        about = self._about(camera)
        try:
            number, time_s = int(about.get("number", 0)), float(about.get("time_s", -math.inf))
            newest = int(about.get("newest_id", 0))
            presence.go_on(about.get("visits", {}))
            counting.go_on(about.get("counts", ()))
        except (TypeError, ValueError, KeyError, AttributeError) as error:  # of another version, or damaged
            _log.warning("%s does not know who was there: %s.json cannot be read (%r)", camera, camera, error)
            number, time_s, newest = 0, -math.inf, 0
        rows = written_since(records, time_s)
        fresh.gallery.reserve(0, max(rows.id, newest))
        return Resumed(self._tracker(camera, fresh), max(number, rows.frame), max(time_s, rows.time_s))

    def _tracker(self, camera: str, fresh: Tracker) -> Tracker:
        path = self.folder / f"{camera}.safetensors"
        if not path.is_file():
            return fresh
        try:
            config, saved = checkpoint.opened(path, fresh.gallery)
            _recall(fresh.gallery, saved)
            if config != fresh.config:
                raise DataError("it was saved under other settings")
            tracker = Tracker.load(path, gallery=fresh.gallery)
        except (TrackerError, KeyError) as error:
            _log.warning("%s begins without its earlier tracks: %s", camera, error)
            return fresh
        tracker.networks = fresh.networks
        return tracker

    def _gallery_path(self, camera: str) -> Path:
        own = "shared" if self._shared is not None else "of " + camera  # no camera's name: those have no space
        return self.folder / f"gallery {own}.safetensors"

    def _read_gallery(self, path: Path) -> Gallery:
        if path.is_file():
            try:
                return Gallery.load(path)
            except TrackerError as error:
                _log.warning("nobody who left earlier is known: %s", error)
        return Gallery(self._config)

    def _about(self, camera: str) -> Mapping[str, Any]:
        try:
            about = json.loads((self.folder / f"{camera}.json").read_text(encoding="utf-8"))
            return about if isinstance(about, dict) else {}
        except (OSError, ValueError):
            return {}


def _recall(gallery: Gallery, saved: state.State) -> None:
    """Let a gallery know what a tracker, which is saved more often, knew of those who were there."""
    live = saved["bank.live"]
    part = {
        name: saved[f"bank.slots.{name}"][live] for name in ("ids", "classes", "status", "embeddings", "embedding_s")
    }
    camera, newest = int(saved["camera_number"]), int(part["ids"].max(initial=0))
    gallery.reserve(camera, newest)
    embedded = (part["status"] != TENTATIVE) & ~np.isnan(part["embeddings"]).all(axis=1)  # none: without appearance
    if embedded.any():
        time_s = float(part["embedding_s"][embedded].max())
        rows = embedded & ~np.isin(part["ids"], gallery.ids(time_s))
        ids, classes, features = (part[name][rows] for name in ("ids", "classes", "embeddings"))
        gallery.remember(ids, classes, features, np.zeros(len(ids), np.float32), camera, time_s)


class Due:
    """When a camera's state is to be saved."""

    def __init__(self) -> None:
        self._saved_s = self._gallery_s = time.monotonic()

    def state(self, soon: bool) -> bool:
        """Is it time for the tracker's?"""
        now_s = time.monotonic()
        due = now_s - self._saved_s >= (SOON_S if soon else EVERY_S)
        if due:
            self._saved_s = now_s
        return due

    def gallery(self) -> bool:
        """Is it time for the gallery's?"""
        now_s = time.monotonic()
        due = now_s - self._gallery_s >= GALLERY_S
        if due:
            self._gallery_s = now_s
        return due
