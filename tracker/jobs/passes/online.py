"""The frames of a source through detector and tracker, and half a second later into the files.

Its state is that between two frames: all before were tracked, and those that are settled written. It is saved between
two batches of the detector, so that whoever goes on looks at the same frames together; and not where the next frame may
show the one once more that was written last, since what was drawn on that is needed then.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.ground.standing import StandingCamera
from tracker.analytics.zones import Zones
from tracker.errors import SourceError
from tracker.jobs.outcome import Progress, SourceResult
from tracker.jobs.prefetch import batch_size, detected
from tracker.jobs.result_files import Held, HeldFrames, Waiting
from tracker.jobs.resume.saving import Saving
from tracker.output.blur import Blur, of_what_is_looked_for, places
from tracker.smoothing.first_pass import FirstPass
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.structures import Detections, Floats, Tracks
from tracker.system.snapshots.resumable import Snapshot
from tracker.system.stopwatch import Timed
from tracker.video.bookmark import Bookmark
from tracker.video.clock import Clock
from tracker.video.repeats import Repeats
from tracker.video.source import Frame, Source

if TYPE_CHECKING:
    from tracker.tracker import Tracker

_COUNTED = ("frames", "frames_looked_at", "frames_repeated", "tracks", "tracks_by_class", "counts")  # of a result, ...
_TIMED = ("first_frame_s", "stage_seconds")  # ... and how long that took


class Drawn(NamedTuple):
    """What of one source's picture matters.

    Attributes:
        zones: what happens there, and what is ignored. blur: what is hidden. ground: where metres are told.
    """

    zones: Zones
    blur: Blur | None
    ground: GroundPlane | None

    @classmethod
    def of(
        cls, zones: Zones, blur: tuple[str, ...], ground: GroundPlane | None, size: tuple[int, int], tracker: Tracker
    ) -> Drawn:
        """In frames of (width, height).

        Raises:
            UsageError: the classes to be hidden, or those of the zones, are none that the tracker looks for.
        """
        names, detector = tracker.detector.names, tracker.config.detector
        hidden = of_what_is_looked_for(blur, detector.classes, names, detector.model)
        zones.require(names)
        return cls(zones.fitted(size), hidden, ground and ground.fitted(size))


class Taking(Protocol):
    """Who takes the frames once they are settled, as `ResultFiles` does; `pictures`, `embeddings`: with those."""

    pictures: bool
    embeddings: bool

    @property
    def window_closed(self) -> bool: ...

    def take(
        self, frame: Frame, tracks: Tracks, found: Detections | None = None, soon: Sequence[Floats] = ()
    ) -> None: ...


class Ending(Protocol):
    """Who knows whether a run is to end: `stopped`, the number of a signal or 0."""

    stopped: int

    def stop(self, number: int) -> None:
        """Have it end."""


class OnlinePass:
    """One source's way through a run.

    Args:
        source: whose frames are tracked.
        tracker: without tracks. device: that its networks are on.
        drawn: what is to be ignored and hidden, and where metres are told of a camera that has to stand.
        files: that are written. first: that remembers everything for post-processing; None: that is not done.
        forecasts: whether the files show any.
        result: whose counts and error are kept.
        turn: to use the detector.
        begun: when the source was wanted, of `time.perf_counter`.
        progress: called after each frame. ending: whether the run is to end.
        saving: where the state is saved; None: it is not.
    """

    def __init__(
        self,
        source: Source,
        tracker: Tracker,
        device: str,
        drawn: Drawn,
        files: Taking,
        first: FirstPass | None,
        forecasts: bool,
        result: SourceResult,
        turn: AbstractContextManager[object],
        begun: float,
        progress: Callable[[Progress], None],
        ending: Ending,
        saving: Saving | None,
    ) -> None:
        self._source, self._tracker, self._device = source, tracker, device
        self._zones, self._blur, self._files, self._first = drawn.zones, drawn.blur, files, first
        self._forecasts, self._result, self._turn, self._begun = forecasts, result, turn, begun
        self._progress, self._ending, self._saving = progress, ending, saving
        self._standing = StandingCamera(source.name, source.size) if drawn.ground and source.size else None
        settings = tracker.config
        self._smoother: FixedLagSmoother[Held] = FixedLagSmoother(settings.bank.report_delay_s, settings.offline)
        self._waiting = HeldFrames(files.pictures, drawn.blur)
        self._repeats = Repeats(settings.detector.skip_repeats)
        self._before: deque[Repeats | None] = deque()  # as it was before each of the frames that are not tracked yet
        self._batch = batch_size(source.live, device, settings.detector.batch, tracker.looks.adaptive)
        self._frames: Iterable[Frame] = source
        self._last = 0  # number of the frame tracked last
        self._tracks: Tracks | None = None  # in it
        self._start = time.perf_counter()

    def run(self) -> None:
        """Every frame, until there is none or the run is to end.

        Raises:
            OutputError: it cannot be written.
        """
        result = self._result
        try:
            with closing(self._detected()) as frames:
                for frame, found in frames:
                    self._save(frame, self._before.popleft())
                    if self._ending.stopped:
                        break
                    self._write(self._track(frame, found))
                    seconds = time.perf_counter() - self._start
                    assert self._tracks is not None
                    live = len(self._tracks.confirmed)
                    self._progress(Progress(result.source, result.frames, self._source.frame_count, live, seconds))
                    if self._files.window_closed:
                        self._ending.stop(signal.SIGINT)
        except SourceError as error:
            result.error = error
        except KeyboardInterrupt:  # of `progress`: who is called may end the run, too
            self._ending.stop(signal.SIGINT)
        if self._ending.stopped and not result.error:
            self._save(None, self._before[0] if self._before else self._repeats)
        with Timed(result.stage_seconds, "smoothing"):
            rest = self._smoother.flush()
        self._write(rest)

    def _detected(self) -> Generator[tuple[Frame, Detections | None], None, None]:
        tracker, batch = self._tracker, self._tracker.config.detector.batch
        looks = tracker.looks, tracker.due, batch, self._source.live, self._turn
        return detected(self._marked(), tracker.detector, self._device, self._result.stage_seconds, *looks)

    def _marked(self) -> Iterator[Frame]:
        for frame in self._frames:
            self._before.append(None if self._saving is None else copy(self._repeats))
            yield self._repeats.mark(frame)

    def _track(self, frame: Frame, found: Detections | None) -> list[tuple[Held, Tracks]]:
        """Take the next frame, with what was found in it; return those that have waited."""
        result, tracker = self._result, self._tracker
        hide = None if found is None or self._blur is None else places(found)
        if found is not None:
            found = self._zones.keep(found, (frame.image.shape[1], frame.image.shape[0]))
        if not frame.repeated:
            tracks = tracker.update(frame.image, found, time_s=frame.captured_s, look=found is not None)
            self._tracks = replace(tracks, names=tracker.detector.names)
            if self._standing is not None:
                self._standing.follow(tracker.camera_motion, frame.number)
        assert self._tracks is not None  # the first frame repeats none
        self._last = frame.number
        result.frames += 1
        result.frames_repeated += frame.repeated
        result.frames_looked_at += found is not None
        result.first_frame_s = result.first_frame_s or time.perf_counter() - self._begun
        if self._first is not None:
            self._first.add(self._tracks, found, hide, tracker.camera_motion, tracker.features, frame.repeated)
        held = self._waiting.hold(frame, hide)
        with Timed(result.stage_seconds, "smoothing"):
            return self._smoother.push(held, self._tracks, tracker.camera_motion, frame.repeated)

    def _write(self, decided: list[tuple[Held, Tracks]]) -> None:
        for held, tracks in decided:
            self._files.take(self._waiting.release(held), tracks, held.found, tuple(held.soon))

    def _save(self, frame: Frame | None, repeats: Repeats | None) -> None:
        """Save the state before this frame (None: whatever it is), where that is due and can be.

        Args:
            repeats: before it.
        """
        saving, waiting = self._saving, self._smoother.first
        if saving is None or repeats is None:
            return
        if frame is not None and frame.bookmark is not None and not self._result.frames:
            saving.begin(frame.bookmark)
        # whether the picture that was drawn on is needed
        unknown = waiting is None and (frame is None or frame.repeated)
        if unknown or not self._result.frames or self._result.frames % self._batch:
            return
        number = self._last + 1 if waiting is None else waiting.frame.number
        bookmark = saving.bookmark(frame, number - 1, bool(self._ending.stopped))
        if bookmark is not None:
            saving.save(self._snapshot(bookmark, repeats))

    def _snapshot(self, bookmark: Bookmark, repeats: Repeats) -> Snapshot:
        smoother = self._smoother.snapshot()
        smoother["held"] = [
            ([Waiting.of(held) for held in frames], self._bare(tracks)) for frames, tracks in smoother["held"]
        ]
        return {
            "bookmark": {**vars(bookmark), "clock": bookmark.clock.snapshot()},
            "last": self._last,
            "repeats": repeats.snapshot(),
            "tracker": self._tracker.state_dict(),
            "tracker_seconds": self._tracker.stage_seconds,
            "smoother": smoother,
            "standing": self._standing and self._standing.snapshot(),
            "first": self._first and self._first.snapshot(),
            **self._counts(),
        }

    def end(self) -> None:
        """Save that all frames are tracked, where they are to be post-processed.

        Raises:
            OutputError: it cannot be written.
        """
        if self._saving is not None and self._first is not None:
            self._saving.end({"first": self._first.snapshot(), **self._counts()})

    def _counts(self) -> Snapshot:
        error = self._result.error
        counts = {name: getattr(self._result, name) for name in (*_COUNTED, *_TIMED)}
        seconds = time.perf_counter() - self._start
        return {"result": counts | {"seconds": seconds}, "error": None if error is None else str(error)}

    def _bare(self, tracks: Tracks) -> Tracks:
        """Tracks that wait without what no file shows, or is known anyway."""
        embedded = tracks.embedded if self._files.embeddings else None
        return replace(tracks, names={}, embedded=embedded, forecaster=tracks.forecaster if self._forecasts else None)

    def take_over(self, snapshot: Mapping[str, Any]) -> None:
        """Go on where an interrupted run was, whose files have been taken over.

        Raises:
            SourceError: the frames that waited cannot be read any more. ValueError: it is no state of this tracker.
        """
        self._tracker.load_state_dict(snapshot["tracker"])
        self._tracker.stage_seconds.update(snapshot["tracker_seconds"])
        self._repeats.take_over(snapshot["repeats"])
        if self._standing is not None:
            self._standing.take_over(snapshot["standing"])
        if self._first is not None:
            self._first.go_on(snapshot["first"], self._tracker.detector.names)
        restore(self._result, snapshot)
        self._start -= self._result.seconds
        self._last = snapshot["last"]
        clock = Clock(1.0)
        clock.take_over(snapshot["bookmark"]["clock"])
        bookmark = Bookmark(**{**snapshot["bookmark"], "clock": clock})
        self._source.go_on(bookmark)
        if self._saving is not None:
            self._saving.begin(bookmark)
        held = self._read_again([w for frames, _ in snapshot["smoother"]["held"] for w in frames])
        names = self._tracker.detector.names
        entries = [
            ([held[w.number] for w in frames], replace(tracks, names=names))
            for frames, tracks in snapshot["smoother"]["held"]
        ]
        self._smoother.take_over({**snapshot["smoother"], "held": deque(entries)})
        self._tracks = entries[-1][1] if entries else None

    def _read_again(self, waiting: list[Waiting]) -> dict[int, Held]:
        """The frames that waited, by number, of those up to the one that was tracked last; the others are to come."""
        self._frames = frames = iter(self._source)
        wanted, held = {w.number: w for w in waiting}, {}
        for frame in frames:
            if frame.number in wanted:
                held[frame.number] = self._waiting.again(frame, wanted[frame.number])
            if frame.number >= self._last:
                break
        if len(held) < len(wanted):
            raise SourceError(f"{self._source.name} does not give the frames that it gave; track it anew")
        return held


def restore(result: SourceResult, snapshot: Mapping[str, Any]) -> None:
    """Give a result the counts that it had, and the source's error."""
    for name, value in snapshot["result"].items():
        setattr(result, name, value)
    result.error = None if snapshot["error"] is None else SourceError(snapshot["error"])
