"""What others see of a running site: pages, publishers, one's own code. None of it can hold up a camera.

A `Moment` is one frame of one camera after tracking. There are two ways to it, both from any thread:

- `camera.newest` and `camera.wait(number)`: the last one, with its picture. Who is slow misses frames.
- `site.subscribe()`: all of them in order, without pictures, through a queue of bounded length. Who is slow misses
  frames in which nothing happened; objects that came or left and events stay in the queue.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from tracker.analytics.events import Count
from tracker.analytics.ground.motion import GroundStates
from tracker.output.counted import Counted
from tracker.structures import Image, Tracks

if TYPE_CHECKING:
    from tracker.site.config import SiteConfig

CONNECTING, LIVE, SILENT, STUCK, AWAY, ENDED = "connecting", "live", "silent", "stuck", "away", "ended"
"""States of a camera: never there so far; sends pictures; connected without a picture; sends pictures, none of which is
tracked; lost and tried again; a recording that is through."""


@dataclass(frozen=True)
class Visit:
    """An object from where it was first reported to where it was last: what is published of its start and end.

    Attributes:
        id: its track, unique at its camera, and at the site where `gallery: shared`.
        number, name: of its class, by vote, as last known.
        start_s, last_s: Unix seconds of the first and last frame it was reported in.
        frames: how many it was reported in.
        box: left, top, right, bottom in pixels, where it was last.
        score: 0 to 1, as last known.
        position_m: x and y on the ground in metres, where it was last; None: not known, or the camera has no ground.
        speed_m_s: how fast it went there, in metres a second; None: as there.
    """

    id: int
    number: int
    name: str
    start_s: float
    last_s: float
    frames: int
    box: tuple[float, float, float, float]
    score: float
    position_m: tuple[float, float] | None = None
    speed_m_s: float | None = None


@dataclass(frozen=True, eq=False)
class Settled:
    """A frame as the files have it: about half a second late, when it is known who is who.

    Attributes:
        number, time_s: of the frame, as in `Moment`. tracks: confirmed ones, smoothed.
        ground: where on the ground each is; None: nothing is known of any.
    """

    number: int
    time_s: float
    tracks: Tracks
    ground: GroundStates | None = None


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame of a camera.

    Attributes:
        camera: its name.
        number: of the frame at this camera, from 1, counting dropped ones; goes on after a restart.
        time_s: Unix seconds of the frame; always advancing at a camera, also over a restart.
        image: (H, W, 3) uint8 BGR, not to be written to, without what is to be hidden (`blur`); None in a
            subscription.
        tracks: of this frame at once: confirmed ones, `status` and all. Ids may still be corrected (`renamed`).
        settled: frames whose tracks are final now, in order; those of this moment follow in a later one. When a camera
            ends, its last moment comes once more with all that was left.
        present: id -> visit of all who are here by the settled frames.
        started: visits that began with `settled`; an object that returns under its id begins another visit.
        ended: visits that are over: not reported for `ends_after_s`. Each ends once, also after a restart.
        events: of zones and lines (as in `events.jsonl`), by the settled frames.
        counts: to what they add up, where there are any: as of `CameraStatus`.
        lag_s: from the arrival of the frame to its tracks.
    """

    camera: str
    number: int
    time_s: float
    image: Image | None
    tracks: Tracks
    settled: tuple[Settled, ...] = ()
    present: Mapping[int, Visit] | None = None
    started: tuple[Visit, ...] = ()
    ended: tuple[Visit, ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()
    counts: tuple[Count, ...] = ()
    lag_s: float = 0.0

    @property
    def has_news(self) -> bool:
        """Did somebody come or leave, or did something happen?"""
        return bool(self.started or self.ended or self.events)


@dataclass(frozen=True)
class CameraStatus:
    """How a camera is, at one moment.

    Attributes:
        name: of the camera. source: its address without secrets.
        state: `connecting`, `live`, `silent`, `stuck`, `away` or `ended`.
        state_s: seconds it is in it.
        frames: tracked since the site was started. dropped: arrived, but were skipped because the machine was behind.
        looked_at: of `frames`, those that the detector looked at.
        frames_per_s: tracked, over the last seconds. arriving_per_s: that arrived.
        lag_s: from arrival to tracks, the longest over the last seconds; `math.nan` before the first frame.
        last_frame_s: Unix seconds at which the last frame arrived; None: none yet.
        silent_s: seconds since then, or since the site was started.
        untracked_s: seconds since the first frame came of those that are not tracked; 0: the last one was.
        connections: how often it was connected. restarts: how often it came back after a loss.
        problem: why it is away, or what cannot be written, in one sentence without secrets; "" where all is well.
        width, height: of the last frame in pixels; 0 before the first.
        present: how many objects are here. ids: how many visits began since the site was started.
        counts: what was counted at each line and zone since that began, also before a restart.
    """

    name: str
    source: str
    state: str
    state_s: float
    frames: int
    dropped: int
    looked_at: int
    frames_per_s: float
    arriving_per_s: float
    lag_s: float
    last_frame_s: float | None
    silent_s: float
    untracked_s: float
    connections: int
    restarts: int
    problem: str
    width: int
    height: int
    present: int
    ids: int
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True)
class DestinationStatus:
    """How something that is published to is.

    Attributes:
        shown: its URL without secrets.
        reachable: whether the last try to send came through.
        waiting: messages on disk that wait for it.
        delivered: messages that it acknowledged since the start.
        dropped: messages that could not be kept for it: no room, or a disk that is full.
        refused: messages that it answered it will not have.
        problem: in one sentence; "" where all is well.
    """

    shown: str
    reachable: bool
    waiting: int
    delivered: int
    dropped: int
    refused: int
    problem: str


class Subscription:
    """Moments of all cameras in order, without pictures, for one reader in a thread of its own.

    Args:
        limit: moments that wait at most, but for those with news, of which `MOST_NEWS` may wait beside them.

    Attributes:
        dropped: moments without news that were never read. lost: moments with news that were not: the reader stood
            still for very long.
    """

    MOST_NEWS = 10_000

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._plain: deque[tuple[int, Moment]] = deque()
        self._news: deque[tuple[int, Moment]] = deque()
        self._count = 0
        self._changed = threading.Condition()
        self._closed = False
        self.dropped = self.lost = 0

    def put(self, moment: Moment) -> None:
        """Take one more; never waits."""
        with self._changed:
            if self._closed:
                return
            self._count += 1
            queue, limit = (self._news, self.MOST_NEWS) if moment.has_news else (self._plain, self._limit)
            if len(queue) == limit:
                queue.popleft()
                self.lost += moment.has_news
                self.dropped += not moment.has_news
            queue.append((self._count, replace(moment, image=None)))
            self._changed.notify()

    def get(self, timeout_s: float | None = None) -> Moment | None:
        """The next one, waited for so long; None: none came, or it is closed and all were read."""
        with self._changed:
            self._changed.wait_for(lambda: self._plain or self._news or self._closed, timeout_s)
            waiting = [queue for queue in (self._plain, self._news) if queue]
            return min(waiting, key=lambda queue: queue[0][0]).popleft()[1] if waiting else None

    def __iter__(self) -> Iterator[Moment]:
        """All of them until it is closed."""
        while (moment := self.get()) is not None:
            yield moment

    @property
    def closed(self) -> bool:
        """Will there be no more moments?"""
        return self._closed

    def close(self) -> None:
        """No more moments; what waits can still be read."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class CameraView(Protocol):
    """A camera as others see it."""

    @property
    def name(self) -> str:
        """Its name: letters, digits, `.`, `_` and `-`, so it can stand in a URL and a file name."""

    @property
    def newest(self) -> Moment | None:
        """The last frame, with its picture; None before the first."""

    def wait(self, after: Moment | None, timeout_s: float) -> Moment | None:
        """A frame newer than this one (None: any), waited for so long; None: there is none."""

    @property
    def counted(self) -> Counted:
        """What is to be drawn of its lines and zones; from any thread."""

    def status(self) -> CameraStatus:
        """How it is now; cheap."""


class Feed(Protocol):
    """A site as its services see it: all that `web/` and `publishing/` may know."""

    @property
    def config(self) -> SiteConfig:
        """Its settings."""

    @property
    def cameras(self) -> Mapping[str, CameraView]:
        """Its cameras by name, in the order of the file; the same for as long as it runs."""

    @property
    def started_s(self) -> float:
        """Unix seconds since when it runs."""

    def subscribe(self, limit: int = 256) -> Subscription:
        """All moments from now on; close the subscription when they are not read any more."""

    def destinations(self) -> Sequence[DestinationStatus]:
        """How what is published to is now; cheap."""


class Service(Protocol):
    """Something that runs beside the cameras: made with a `Feed`, started before they are, stopped after them."""

    def start(self) -> None:
        """Begin, in threads of its own, and return.

        Raises:
            TrackerError: it cannot: an address that is taken, a package that is not installed.
        """

    def destinations(self) -> Sequence[DestinationStatus]:
        """How what it publishes to is now; nothing where it does not publish."""

    def stop(self) -> None:
        """End within 1.5 s. All cameras have ended, and all subscriptions are closed: what waits there is the rest."""
