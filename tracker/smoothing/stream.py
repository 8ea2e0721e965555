"""A tracker's stream in order: its frames with their tracks, at once or smoothed at a fixed lag."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from tracker.affine import Array
from tracker.config import Config
from tracker.errors import InputError
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.structures import Tracks

if TYPE_CHECKING:
    from tracker.video.source import Frame


class Tracking(Protocol):
    """What tracks frame after frame."""

    config: Config
    camera_motion: Array

    def reset(self) -> None:
        """Forget all tracks."""

    def update(self, frame: Any, *, time_s: float | None = None) -> Tracks:
        """The tracks of the next frame."""


def tracked(tracker: Tracking, source: Any, vid_stride: int, fixed_lag: bool) -> Iterator[tuple[Frame, Tracks]]:
    """What `Tracker.stream` gives."""
    from tracker.video.repeats import marked
    from tracker.video.source import open_source

    tracker.reset()
    smoother: FixedLagSmoother[Frame] = _smoother(tracker)
    with open_source(source, vid_stride) as frames:
        try:
            for frame in marked(frames, tracker.config.detector.skip_repeats):
                if not frame.repeated:
                    tracks = tracker.update(frame.image, time_s=frame.captured_s)
                if fixed_lag:
                    yield from smoother.push(frame, tracks, tracker.camera_motion, frame.repeated)
                else:
                    yield frame, tracks
        except Exception:  # a source that breaks off: what was tracked before comes first
            yield from smoother.flush()
            raise
        yield from smoother.flush()


def smoothed(tracker: Tracking, updates: Iterable[Tracks], last_s: Callable[[], float]) -> Iterator[Tracks]:
    """What `Tracker.smooth` gives, of a tracker whose last frame was at the time that `last_s` says.

    How the camera moved is known of that frame alone, so the tracks have to be those of it.
    """
    smoother: FixedLagSmoother[None] = _smoother(tracker)
    _require(updates, Iterable)
    try:
        for tracks in updates:
            _require(tracks, Tracks)
            if tracks.time_s != last_s():
                raise InputError(
                    f"smooth got the tracks of {tracks.time_s:g} s when the last update was at {last_s():g} s; give it "
                    "each update's tracks before the next update is made: a generator, no list"
                )
            yield from (known for _, known in smoother.push(None, tracks, tracker.camera_motion))
    except Exception:  # updates that break off: what was tracked before comes first
        yield from (known for _, known in smoother.flush())
        raise
    yield from (known for _, known in smoother.flush())


def _require(value: Any, kind: type[Any]) -> None:
    """Is it what `smooth` takes?"""
    if not isinstance(value, kind):
        raise InputError(
            f"smooth got {type(value).__name__}; give it each update's tracks, one after another: "
            "tracker.smooth(tracker.update(frame) for frame in frames)"
        )


def _smoother(tracker: Tracking) -> FixedLagSmoother[Any]:
    return FixedLagSmoother(tracker.config.bank.report_delay_s, tracker.config.offline)
