"""Fixed-lag smoothing: what is written lags half a second and holds what later frames have shown.

A tracker needs a few detections before it confirms a track, loses sight of objects for moments, and reports boxes that
jitter with the detector's. What goes to files and to the screen can wait a little (fixed-lag smoothing: Anderson &
Moore, "Optimal Filtering", 1979, ch. 7). A frame that has waited is reported with the early rows of tracks that are
confirmed by now, with boxes for objects that have been seen again since, smoothed, and without occluded objects that
have not.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Generic, TypeVar

import numpy as np

from tracker.affine import Array, composed, inverse, moved_corners
from tracker.config import OfflineConfig
from tracker.smoothing.track_table import SMOOTH_REACH, TrackTable, columns, filled, renamed, smoothed
from tracker.structures import Ints, Status, Tracks, of_rows
from tracker.system.snapshots.resumable import Resumable

_BETWEEN_LOOKS = 0.9  # standard deviation of the smoothing, in times from one look to the next
_WAITING, _WAITING_S = 1000, 10.0  # frames and seconds, beyond both of which no look is waited for: the settings' most

F = TypeVar("F")  # whatever the caller calls a frame


class FixedLagSmoother(Generic[F], Resumable):
    """Holds frames back, in order.

    Args:
        delay_s: so long each; 0: each is reported at once, as it was tracked.
        settings: gaps up to `fill_s` are closed, boxes smoothed by `smooth_s` or what `delay_s` allows.

    Memory holds the frames that wait, the detected rows of those and of as many before as smoothing reaches, and the
    last row of each track not seen since; where nobody looks any more, a thousand frames or ten seconds of them.
    """

    saved = ("_held", "_motion", "_seen", "_looked_s")
    rebuilt = ("_delay_s", "_fill_s", "_smooth_s")

    def __init__(self, delay_s: float, settings: OfflineConfig) -> None:
        self._delay_s = delay_s
        self._fill_s = settings.fill_s
        self._smooth_s = min(settings.smooth_s, delay_s / SMOOTH_REACH)
        self._held: deque[tuple[list[F], Tracks]] = deque()  # frames that show one picture, and its tracks
        self._motion = np.zeros((0, 2, 3))  # of the camera, from each frame that waits to the newest
        self._seen = TrackTable.empty()  # detected rows, where the newest frame would show them
        self._looked_s = -math.inf  # time of the newest frame that was looked at

    @property
    def first(self) -> F | None:
        """The frame that has waited longest; None where none waits."""
        return self._held[0][0][0] if self._held else None

    def push(self, frame: F, tracks: Tracks, camera_motion: Array, repeated: bool = False) -> list[tuple[F, Tracks]]:
        """Take the next frame, and how the camera moved into it, (2, 3); return the frames that have waited.

        One that was not looked at waits at least for the next that is, unless that is longer than any setting makes
        it: its boxes lie between those of two looks. One that shows the picture before it once more is `repeated`: what
        that shows is reported of both.
        """
        if not self._delay_s:
            return [(frame, tracks.confirmed)]
        if repeated:
            self._held[-1][0].append(frame)
            return []
        held, motion, seen = self._held, self._motion, self._seen
        if tracks.renamed:
            held = deque((frames, _renamed(t, tracks.renamed)) for frames, t in held)
            seen = _renamed_rows(seen, tracks.renamed)
            if held:  # the first frame that shows it by its id says so
                frames, first = held[0]
                held[0] = frames, replace(first, renamed={**first.renamed, **tracks.renamed})
                tracks = replace(tracks, renamed={})
        if (camera_motion != np.eye(2, 3)).any():
            motion = composed(motion, camera_motion)
            seen = replace(seen, xyxy=moved_corners(seen.xyxy, camera_motion))
        motion = np.concatenate([motion, np.eye(2, 3)[None]])
        looked_s = self._looked_s
        if tracks.looked:
            looked_s = tracks.time_s
        seen = _with(seen, tracks)
        # all at once: an interruption finds all or none
        self._motion, self._seen, self._held, self._looked_s = motion, seen, held, looked_s
        held.append(([frame], tracks))
        decided = []
        while self._has_waited(tracks.time_s):
            decided += self._next()
        return decided

    def _has_waited(self, time_s: float) -> bool:
        """Has the first frame waited long enough at this time?"""
        seconds = time_s - self._held[0][1].time_s
        looked = self._held[0][1].time_s <= self._looked_s or _is_long(len(self._held), seconds)
        return looked and self._held[0][1].time_s <= time_s - self._delay_s + 1e-6

    def flush(self) -> list[tuple[F, Tracks]]:
        """The frames that wait at the end of the stream; tracks that were never confirmed are left out.

        Not those that only wait to be re-identified: nothing comes any more that could show them to be old ones.
        """
        if self._held:
            self._seen = _confirmed(self._seen, self._held[-1][1].pending)
        return [shown for _ in range(len(self._held)) for shown in self._next()]

    def _next(self) -> list[tuple[F, Tracks]]:
        """The frame that has waited longest, and those that show its picture once more.

        One that no look follows is as it was tracked.
        """
        at = len(self._seen.times_s) - len(self._held)
        confirmed = self._seen[self._seen.status == Status.CONFIRMED]
        rows = smoothed(filled(confirmed, self._fill_s), self._sigma_s() * self._held[-1][1].jitter, at)
        rows = replace(rows, xyxy=moved_corners(rows.xyxy, inverse(self._motion[:1])[0]))
        frames, tracks = self._held[0]
        known = _as_known(tracks, rows) if tracks.time_s <= self._looked_s else tracks.confirmed
        self._seen, self._motion = self._needed_after(at), self._motion[1:]
        self._held.popleft()
        return [(frame, known) for frame in frames]

    def _sigma_s(self) -> float:
        """How far boxes are smoothed: where few frames are looked at, about from each look to the next."""
        looks = self._seen.times_s[self._seen.looked]
        if self._seen.looked.all() or len(looks) < 2 or not self._smooth_s:
            return self._smooth_s
        step_s = float(looks[-1] - looks[0]) / (len(looks) - 1)
        return max(self._smooth_s, min(_BETWEEN_LOOKS * step_s, self._delay_s / SMOOTH_REACH))

    def _needed_after(self, frame: int) -> TrackTable:
        """The rows that frames after this one need."""
        seen = self._seen
        seconds = seen.row_times_s
        reach_s = seen.times_s[frame] - SMOOTH_REACH * self._sigma_s()
        old = seconds < reach_s
        followed = np.append((seen.ids[1:] == seen.ids[:-1]) & old[1:], False)[: len(seen)]
        looks = np.flatnonzero(seen.looked[: frame + 1])
        look = int(looks[-1]) if len(looks) else frame  # the last one: lines to the next begin there
        if _is_long(frame - look, seen.times_s[frame] - seen.times_s[look]):
            look = frame
        seen = seen[~old | (~followed & ((seconds >= reach_s - self._fill_s) | (seen.frames >= look)))]
        first = min(look, int(seen.frames.min(initial=look)))
        parts = {name: getattr(seen, name)[first:] for name in ("times_s", "camera", "looked", "cuts")}
        return replace(seen, frames=seen.frames - first, **parts)


def _is_long(frames: int, seconds: float) -> bool:
    """Is that longer than any setting makes it to the next look?"""
    return frames > _WAITING and seconds > _WAITING_S


def _with(seen: TrackTable, tracks: Tracks) -> TrackTable:
    """The rows seen so far and those of the newest frame, ordered by id and frame; and which are confirmed by now."""
    rows = tracks[tracks.detection_index >= 0]
    looked, cuts = np.append(seen.looked, tracks.looked), np.append(seen.cuts, tracks.cut)
    seen = replace(seen, times_s=np.append(seen.times_s, tracks.time_s), looked=looked, cuts=cuts)
    newest = replace(
        seen,
        frames=np.full(len(rows), len(seen.times_s) - 1),
        **columns(rows),
    )
    seen = _confirmed(seen.stacked(newest).ordered, tracks.ids[tracks.status == Status.CONFIRMED])
    still = np.tile(np.eye(2, 3), (len(seen.times_s), 1, 1))  # boxes were moved already
    return replace(seen, camera=still)


def _confirmed(seen: TrackTable, ids: Ints) -> TrackTable:
    """The same rows, those of these tracks as confirmed ones."""
    return replace(seen, status=np.where(np.isin(seen.ids, ids), int(Status.CONFIRMED), seen.status))


def _renamed(tracks: Tracks, names: Mapping[int, int]) -> Tracks:
    """The rows of tracks that were re-identified since, under their ids."""
    for provisional, known in names.items():
        row = tracks.ids == provisional
        if row.any():
            tracks = tracks[tracks.ids != known]  # while it went by another id, its own box was predicted, or wrong
            ids = np.where(tracks.ids == provisional, known, tracks.ids)
            tracks = replace(tracks, ids=ids)[np.argsort(ids)]
    return tracks


def _renamed_rows(seen: TrackTable, names: Mapping[int, int]) -> TrackTable:
    """The same for rows of many frames."""
    ids = renamed(seen.ids, names)
    place = ids * len(seen.times_s) + seen.frames
    return replace(seen, ids=ids)[(ids != seen.ids) | ~np.isin(place, place[ids != seen.ids])]


def _as_known(tracks: Tracks, rows: TrackTable) -> Tracks:
    """The tracks of one frame as they are known later, `rows` in order of their ids."""
    row = np.where(np.isin(rows.ids, tracks.ids), np.searchsorted(tracks.ids, rows.ids), -1)
    return replace(tracks, **columns(rows), forecaster=of_rows(tracks.forecaster, row))
