"""How tracks go on the ground: a Kalman filter in metres for all of them at once, by real times.

A detector's error of a box lasts for some frames, so most of a foot point's error is a state of the filter itself that
fades with time (a first-order Gauss-Markov process); only the rest is white. A filter that took all of it for white
would believe after a second that it knew a speed many times better than it does. State of a track: place (2), velocity
(2) and lasting error (2), all in metres and seconds. The velocity is believed to change slowly, which makes it exact,
and its length more slowly than its direction; where the sightings of about a second are off to the same side, it has
changed, and is uncertain again. After
Bar-Shalom, Li & Kirubarajan, "Estimation with Applications to Tracking and Navigation" (2001), ch. 6.2, 8.2 and 11.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tracker.analytics.ground.homography import Array
from tracker.analytics.ground.plane import GroundPlane
from tracker.errors import InputError
from tracker.structures import PREDICTED, TENTATIVE, Ints, Mask, Tracks
from tracker.system.snapshots.resumable import Resumable

LASTS_S = 0.3  # after which a foot point's lasting error has fallen to 1/e
WHITE = 0.1  # share of its variance that does not last
ACCELERATION = 0.02  # of the velocity's random walk: m/s per sqrt(s)
_FASTER, _TURNS = 0.01, 0.05  # shares of the speed added to it: along the way, and across; speed lasts, direction less
_START_M_S = 30.0  # standard deviation of a new track's velocity: of anything that goes on the ground
_SPAN_S = 0.5  # between the first sighting and the last, before a speed is told
_FORGOTTEN_S = 3.0  # a track that was not seen for so long is filtered anew
_SURPRISE = 13.8  # squared standard deviations: 99.9 % of sightings are nearer; one that is not has turned
_DRIFTS_S = 1.0  # after which a sighting's share in what they are off together has fallen to 1/e
_DRIFTED = 9.2  # squared standard deviations of that: 99 % of steady ways are nearer
_CHANGED_M_S = (0.2, 0.05)  # standard deviation of the change of velocity then, and the share of the speed added to it
_PLACE, _VELOCITY, _ERROR = slice(0, 2), slice(2, 4), slice(4, 6)
_SEEN_AS = np.tile(np.eye(2), 3)  # (2, 6): a sighting is place plus lasting error,
_SEEN_AS[:, _VELOCITY] = 0


@dataclass(frozen=True, eq=False)
class GroundStates:
    """Where N tracks are and how fast they go; NaN where that is not known.

    Attributes:
        ids: (N,) int64, as those of the tracks.
        position_m: (N, 2) metres. std_m: (N, 2) standard deviation of each coordinate.
        velocity_m_s: (N, 2) metres a second.
        speed_m_s: (N,) metres a second. speed_std_m_s: (N,) its standard deviation; 1.645 of them each way are a 90 %
            interval.
    """

    ids: Ints
    position_m: Array
    std_m: Array
    velocity_m_s: Array
    speed_m_s: Array
    speed_std_m_s: Array


@dataclass(frozen=True, eq=False)
class GroundFilters:
    """M filters, ordered by id.

    Attributes:
        mean: (M, 6). covariance: (M, 6, 6).
        drift: (M, 2) sum of how far sightings were off lately, each in its own standard deviations. sightings: (M,) its
            variance: how many, those that are long ago less.
        time_s: (M,) of all that. since_s: (M,) of the first sighting.
    """

    ids: Ints
    mean: Array
    covariance: Array
    drift: Array
    sightings: Array
    time_s: Array
    since_s: Array

    @classmethod
    def none(cls) -> GroundFilters:
        shapes = (6,), (6, 6), (2,), (), (), ()
        return cls(np.zeros(0, np.int64), *(np.zeros((0, *shape)) for shape in shapes))

    def __getitem__(self, rows: Ints | Mask) -> GroundFilters:
        return GroundFilters(*(values[rows] for values in _columns(self)))

    def put(self, at: Ints, rows: GroundFilters) -> None:
        """Write rows (K,) over those at (K,)."""
        for column, values in zip(_columns(self), _columns(rows), strict=True):
            column[at] = values

    def replaced(self, rows: GroundFilters) -> GroundFilters:
        """With these rows in place of what there was of their ids."""
        kept = self[~np.isin(self.ids, rows.ids)]
        both = GroundFilters(*(np.concatenate(pair) for pair in zip(_columns(kept), _columns(rows), strict=True)))
        return both[np.argsort(both.ids)]

    def renamed(self, names: Mapping[int, int]) -> GroundFilters:
        """Filters of ids that were corrected go on under the ids they are known by now."""
        corrected = self[np.isin(self.ids, list(names))]
        ids = np.array([names[i] for i in corrected.ids.tolist()], np.int64)
        return self[~np.isin(self.ids, list(names))].replaced(replace(corrected, ids=ids))


class GroundMotion(Resumable):
    """Filters the ground positions of one stream's tracks.

    Args:
        ground: fitted to the stream's frames.

    Examples:
        >>> from tracker import Detections, GroundPlane, Tracker
        >>> ground = GroundPlane.from_points([[0, 0], [900, 0], [0, 900], [900, 900]], [[0, 0], [9, 0], [0, 9], [9, 9]])
        >>> motion, tracker = GroundMotion(ground), Tracker()
        >>> for step in range(60):  # 100 pixels, so 1 m, a second
        ...     box = Detections([[100 + 4 * step, 100, 140 + 4 * step, 200]])
        ...     states = motion.update(tracker.update(None, box, time_s=step / 25))
        >>> bool(abs(states.speed_m_s[0] - 1) < 0.05)
        True
    """

    saved = ("_filters", "_time_s")
    rebuilt = ("_ground", "_said")

    def __init__(self, ground: GroundPlane) -> None:
        self._ground = ground
        self._filters = GroundFilters.none()
        self._time_s = -np.inf
        self._said: GroundStates | None = None

    def update(self, tracks: Tracks) -> GroundStates:
        """Take the tracks of the next frame, of any tracker, and tell what is known of each now.

        A track is seen where it was detected and `GroundPlane.positions` knows its foot; in between its filter runs
        on. Position and speed of a row whose foot is hidden or outside of the calibrated ground are NaN, and so is the
        speed of a track that has not been seen for half a second. A frame at the same time as the one before is taken
        for the same.

        Raises:
            InputError: time went back.
        """
        now = tracks.time_s
        if self._said is not None and now == self._time_s:
            return self._said
        if now < self._time_s:
            raise InputError(
                f"tracks of {now:g} s came after those of {self._time_s:g} s; give them in order, and make a new "
                "GroundMotion for another video"
            )
        place, covariance = self._ground.measured(tracks)
        known = np.isfinite(place[:, 0])
        seen = known & (tracks.status != PREDICTED) & ((tracks.status != TENTATIVE) | (tracks.detection_index >= 0))
        filters = self._filters.renamed(tracks.renamed) if tracks.renamed else self._filters
        filters = filters[now - filters.time_s <= _FORGOTTEN_S]
        rows = _begun(tracks.ids.copy(), place, covariance, now)
        old = np.isin(tracks.ids, filters.ids)
        for seen_now in (False, True):
            of = np.flatnonzero(old & known & (seen == seen_now))
            if not len(of):
                continue
            forecast = _forecast(filters[np.searchsorted(filters.ids, tracks.ids[of])], covariance[of], now)
            rows.put(of, _corrected(forecast, place[of], covariance[of]) if seen_now else forecast)
        self._filters, self._time_s = filters.replaced(rows[seen]), now
        self._said = _states(rows, known & (old | seen))
        return self._said


def _columns(filters: GroundFilters) -> tuple[Any, ...]:
    return tuple(getattr(filters, about.name) for about in fields(filters))


def _begun(ids: Ints, place: Array, covariance: Array, now: float) -> GroundFilters:
    """New filters of tracks (N,) first seen at places (N, 2): what lies there is place and lasting error together."""
    count = len(ids)
    whole = np.zeros((count, 6, 6))
    whole[:, _PLACE, _PLACE] = covariance
    whole[:, _VELOCITY, _VELOCITY] = _START_M_S**2 * np.eye(2)
    lasting = (1 - WHITE) * covariance
    whole[:, _ERROR, _ERROR] = lasting
    whole[:, _PLACE, _ERROR] = whole[:, _ERROR, _PLACE] = -lasting
    mean = np.concatenate([place, np.zeros((count, 4))], axis=1)
    drift, sightings = np.zeros((count, 2)), np.zeros(count)
    return GroundFilters(ids, mean, whole, drift, sightings, np.full(count, now), np.full(count, now))


def _forecast(filters: GroundFilters, covariance: Array, now: float) -> GroundFilters:
    """Filters (N,) at another time, where a foot point has this covariance (N, 2, 2)."""
    seconds = (now - filters.time_s)[:, None]
    stays = np.exp(-seconds / LASTS_S)
    step = np.tile(np.eye(6), (len(seconds), 1, 1))
    for axis in (0, 1):
        step[:, axis, 2 + axis] = seconds[:, 0]
        step[:, 4 + axis, 4 + axis] = stays[:, 0]
    walk = _walk(filters.mean[:, _VELOCITY])
    seconds, stays = seconds[:, None], stays[:, None]
    whole = step @ filters.covariance @ step.swapaxes(1, 2)
    whole[:, _PLACE, _PLACE] += walk * seconds**3 / 3
    whole[:, _PLACE, _VELOCITY] += walk * seconds**2 / 2
    whole[:, _VELOCITY, _PLACE] += walk * seconds**2 / 2
    whole[:, _VELOCITY, _VELOCITY] += walk * seconds
    whole[:, _ERROR, _ERROR] += (1 - stays**2) * (1 - WHITE) * covariance
    mean = (step @ filters.mean[:, :, None])[:, :, 0]
    fades = np.exp(-seconds[:, 0] / _DRIFTS_S)
    return replace(
        filters,
        mean=mean,
        covariance=whole,
        drift=fades * filters.drift,
        sightings=fades[:, 0] ** 2 * filters.sightings,
        time_s=np.full(len(mean), now),
    )


def _walk(velocity: Array) -> Array:
    """(N, 2, 2) variance per second of how velocities (N, 2) change."""
    speed = np.linalg.norm(velocity, axis=1)
    heading = velocity / np.maximum(speed, 1e-9)[:, None]
    along = heading[:, :, None] * heading[:, None]
    faster, turns = (((ACCELERATION + share * speed) ** 2)[:, None, None] for share in (_FASTER, _TURNS))
    return np.asarray(faster * along + turns * (np.eye(2) - along))


def _corrected(filters: GroundFilters, place: Array, covariance: Array) -> GroundFilters:
    """Filters (N,) after their tracks were seen at places (N, 2); a place that surprises makes them forget."""
    off = place - filters.mean @ _SEEN_AS.T
    filters = _changed(filters, _in_std(off, filters.covariance, covariance))
    whole = filters.covariance
    surprise = (_in_std(off, whole, covariance) ** 2).sum(axis=1)
    wider = np.maximum(surprise / _SURPRISE, 1.0)[:, None, None]
    whole = whole * wider
    expected = _SEEN_AS @ whole @ _SEEN_AS.T + WHITE * covariance
    gain = whole @ _SEEN_AS.T @ np.linalg.inv(expected)
    whole = whole - gain @ _SEEN_AS @ whole
    mean = filters.mean + (gain @ off[:, :, None])[:, :, 0]
    return replace(filters, mean=mean, covariance=(whole + whole.swapaxes(1, 2)) / 2)


def _changed(filters: GroundFilters, off: Array) -> GroundFilters:
    """Filters (N,) whose sightings, the last off by (N, 2) deviations, may say together that it goes otherwise."""
    drift, sightings = filters.drift + off, filters.sightings + 1
    changed = (drift**2).sum(axis=1) > _DRIFTED * sightings
    if not changed.any():
        return replace(filters, drift=drift, sightings=sightings)
    least, share = _CHANGED_M_S
    std = np.where(changed, least + share * np.linalg.norm(filters.mean[:, _VELOCITY], axis=1), 0)
    whole = filters.covariance.copy()
    whole[:, _VELOCITY, _VELOCITY] += (std**2)[:, None, None] * np.eye(2)
    drift, sightings = np.where(changed[:, None], 0, drift), np.where(changed, 0, sightings)
    return replace(filters, covariance=whole, drift=drift, sightings=sightings)


def _in_std(off: Array, whole: Array, covariance: Array) -> Array:
    """(N, 2) how many standard deviations sightings are off that are (N, 2) metres off: numbers that do not correlate.

    Args:
        whole: (N, 6, 6) of the filters. covariance: (N, 2, 2) of the foot points.
    """
    expected = _SEEN_AS @ whole @ _SEEN_AS.T + WHITE * covariance
    first = np.sqrt(expected[:, 0, 0])  # Cholesky's root, by hand: it is of two by two
    both = expected[:, 0, 1] / first
    along = off[:, 0] / first
    return np.stack([along, (off[:, 1] - both * along) / np.sqrt(expected[:, 1, 1] - both**2)], axis=1)


def _states(filters: GroundFilters, known: Mask) -> GroundStates:
    """What filters (N,) say of their tracks, of those that are known.

    A velocity's length is too long on average, by what is uncertain of it across its direction. That is taken off, or
    what stands still would go.
    """
    velocity = filters.mean[:, _VELOCITY]
    variance = filters.covariance[:, _VELOCITY, _VELOCITY]
    squared = (velocity**2).sum(axis=1)
    total = np.einsum("nii->n", variance)
    along = np.einsum("ni,nij,nj->n", velocity, variance, velocity)
    along = np.divide(along, squared, out=total / 2, where=squared > 0)
    speed = np.sqrt(np.maximum(squared - (total - along), 0))
    std = np.sqrt(along)
    told = known & (filters.time_s - filters.since_s >= _SPAN_S - 1e-6)
    place_std = np.sqrt(np.einsum("nii->ni", filters.covariance[:, _PLACE, _PLACE]))
    columns = [np.where(known[:, None], values, np.nan) for values in (filters.mean[:, _PLACE], place_std)]
    motion = [np.where(told, values.T, np.nan).T for values in (velocity, speed, std)]
    return GroundStates(filters.ids, *columns, *motion)
