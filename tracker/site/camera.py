"""One camera: its frames through detector and tracker, into its files, and to whoever watches."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.detection.detector import class_numbers
from tracker.errors import OutputError, TrackerError
from tracker.jobs.prefetch import set_torch_threads
from tracker.jobs.result_files import Held
from tracker.output.counted import Counted
from tracker.site.config import SiteCamera
from tracker.site.counting import PlaceCounts
from tracker.site.feed import LIVE, SILENT, STUCK, CameraStatus, Moment, Settled, Visit
from tracker.site.intake import Intake
from tracker.site.looking import SharedDetector
from tracker.site.persistence import Due, Known, StateFolder
from tracker.site.pictures.hiding import Hiding
from tracker.site.pictures.recording import Recording
from tracker.site.presence import Presence
from tracker.site.results.metres import Metres
from tracker.site.results.records import Records
from tracker.site.results.unsettled import FramePlace, UnsettledFrames
from tracker.site.said import BoundedLog
from tracker.site.turns import Turns
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.structures import Detections, Image, Tracks
from tracker.tracker import Tracker
from tracker.video.repeats import Repeats
from tracker.video.source import Frame

MOST_FAILURES = 10  # frames in a row that cannot be tracked, after which it is given up
RATE_S = 5.0  # over which rates and the longest lag are measured
STUCK_S = 10.0  # frames that come for so long, none of which is tracked, mean that something hangs


class Camera:
    """A camera of a site; `CameraView` of `feed.py` is what others may use of it.

    Args:
        name, settings: of the site's configuration.
        tracker: of its own, fresh; its gallery may be shared.
        detect: the detector of all cameras.
        turns: in which they work.
        folder: where its results go.
        store: where its state is.
        ends_after_s: as of `Presence`.
        publish: is given every moment, in the camera's thread, and returns at once.
        looked_for: names or numbers of classes that the detector looks for; empty: all.

    Attributes:
        name: its name. records: its files.
    """

    def __init__(
        self,
        name: str,
        settings: SiteCamera,
        tracker: Tracker,
        detect: SharedDetector,
        turns: Turns,
        folder: Path,
        store: StateFolder,
        ends_after_s: float,
        publish: Callable[[Moment], None],
        looked_for: Sequence[str] = (),
    ) -> None:
        self.name = name
        self._settings, self._detect, self._turns = settings, detect, turns
        self._store, self._publish = store, publish
        self._zones = Zones.load(settings.zones) if settings.zones else Zones()
        self._zones.require(detect.names)
        self._fitted: Zones | None = None
        self._keep = class_numbers(tracker.config.detector.classes, detect.names)
        self._hiding = Hiding(settings.blur, looked_for, detect.names, settings.record)
        metres = Metres(GroundPlane.load(settings.camera) if settings.camera else None)
        self.records = Records(folder, metres=bool(settings.camera))
        self._recording = Recording(self.records) if settings.record else None
        self._known = Known(Presence(ends_after_s), PlaceCounts(self._zones), metres)
        self._say = BoundedLog(name)
        self._problems: dict[str, str] = {}  # what goes wrong now, by what it is about
        bank, offline = tracker.config.bank, tracker.config.offline
        self._unsettled = UnsettledFrames(store.folder / f"{name}.unsettled.jsonl", bank.report_delay_s)
        earlier = FixedLagSmoother[FramePlace](bank.report_delay_s, offline)
        self._written("rows", partial(self._unsettled.recover, self.records, earlier, detect.names))
        resumed = store.resume(name, tracker, self._known, folder)
        self._tracker = resumed.tracker
        self._intake = Intake(self._say, settings.source, resumed.number, resumed.time_s)
        self._smoother = self._new_smoother()
        self._number, self._time_s = resumed.number, resumed.time_s
        self._due = Due()
        self._last: Tracks | None = None
        self._newest: Moment | None = None
        self._changed = threading.Condition()
        self._lately: deque[tuple[float, int, float]] = deque()  # when, frames received by then, lag
        self._frames = self._looked_at = self._visits = 0
        self._untracked_since_s: float | None = None  # monotonic, when the first frame came that is not tracked yet
        self._was_stuck = False
        self._size = (0, 0)
        self._thread = threading.Thread(target=self._run, name=f"track {name}", daemon=True)

    def start(self) -> None:
        """Begin to connect, and to track what comes."""
        self._intake.start()
        self._thread.start()

    def stop(self) -> None:
        """Take no more frames; `join` waits until all is written."""
        self._intake.stop()

    def join(self, timeout_s: float) -> bool:
        """Wait so long for its end, after which its files are closed and its state is saved; has it ended?"""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def newest(self) -> Moment | None:
        """The last frame, with its picture."""
        return self._newest

    def wait(self, after: Moment | None, timeout_s: float) -> Moment | None:
        """A frame that is not this one, waited for so long; None: there is none."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not after, timeout_s)
            return None if self._newest is after else self._newest

    @property
    def counted(self) -> Counted:
        """What is to be drawn of its lines and zones."""
        return self._known.counting.shown

    def watch(self) -> None:
        """Say in the log where frames come and none is tracked, once, and when that is over; called now and then."""
        stuck = self._untracked_s > STUCK_S
        if stuck and not self._was_stuck:
            self._say(logging.ERROR, f": frames come, and none was tracked for {STUCK_S:g} s")
        elif self._was_stuck and not stuck:
            self._say(logging.WARNING, " is tracked again")
        self._was_stuck = stuck

    @property
    def _untracked_s(self) -> float:
        """For how long frames have come without one of them having been tracked."""
        since_s = self._untracked_since_s
        return 0.0 if since_s is None else time.monotonic() - since_s

    def status(self) -> CameraStatus:
        """How it is now."""
        intake = self._intake
        state, state_s = intake.state
        untracked_s, stuck = self._untracked_s, ""
        if state in (LIVE, SILENT) and untracked_s > STUCK_S:
            state, state_s = STUCK, untracked_s
            stuck = f"its pictures are not tracked for {untracked_s:.0f} s; restart where it lasts"
        problems = *list(self._problems.values()), intake.problem, stuck
        now_s, lately = time.monotonic(), list(self._lately)
        lately = [entry for entry in lately if now_s - entry[0] <= RATE_S]
        span_s = max(now_s - lately[0][0], 1e-9) if lately else RATE_S
        return CameraStatus(
            name=self.name,
            source=self._settings.shown,
            state=state,
            state_s=state_s,
            frames=self._frames,
            dropped=intake.dropped,
            looked_at=self._looked_at,
            frames_per_s=max(len(lately) - 1, 0) / span_s,
            arriving_per_s=(lately[-1][1] - lately[0][1]) / span_s if lately else 0.0,
            lag_s=max((lag_s for *_, lag_s in lately), default=math.nan),
            last_frame_s=intake.last_s,
            silent_s=intake.silent_s,
            untracked_s=untracked_s,
            connections=intake.connections,
            restarts=max(0, intake.connections - 1),
            problem=next(filter(None, problems), ""),
            width=self._size[0],
            height=self._size[1],
            present=len(self._known.presence.here),
            ids=self._visits,
            counts=self._known.counting.counts,
        )

    def _run(self) -> None:
        set_torch_threads(self._detect.threads)
        failures = 0
        repeats = Repeats(self._tracker.config.detector.skip_repeats)
        try:
            while self._intake.wait():
                if self._untracked_since_s is None:
                    self._untracked_since_s = time.monotonic()
                try:
                    with self._turns:
                        taken = self._intake.take()  # the newest by now, where the machine is behind
                        if taken is None:  # it was stopped meanwhile
                            break
                        frame = repeats.mark(taken)
                        tracks, found = self._track(frame)
                    self._take(frame, tracks, found)
                    failures = 0
                    self._untracked_since_s = None
                    self._note("tracking", "")
                except TrackerError as error:  # as of zones outside of the picture: the user's to mend
                    self._note("tracking", str(error))
                except Exception:
                    failures += 1
                    about = f": a frame after {self._number} cannot be tracked; begins without its tracks"
                    self._say(logging.ERROR, about, trace=True)
                    self._problems["tracking"] = "a frame could not be tracked, see the log"
                    if failures == MOST_FAILURES:
                        break
                    self._tracker.reset()
                    self._smoother = self._new_smoother()
        finally:
            self._intake.stop()
            self._finish()

    def _new_smoother(self) -> FixedLagSmoother[Held]:
        self._hiding.begin()
        config = self._tracker.config
        return FixedLagSmoother(config.bank.report_delay_s, config.offline)

    def _take(self, frame: Frame, tracks: Tracks, found: Detections | None) -> None:
        """The rest of a frame's way: it is decided on, written and shown."""
        self._number, self._time_s = frame.number, frame.time_s
        if self._recording is not None and not self._hiding.waits:
            self._written("video", partial(self._recording.write, frame))
        first = self._smoother.first
        waits = None if first is None else first.frame
        motion = self._tracker.camera_motion
        self._written("unsettled", partial(self._unsettled.add, frame, tracks, motion, waits))
        held = self._hiding.hold(frame, found)
        decided = self._smoother.push(held, tracks, motion, frame.repeated)
        shown = replace(frame, image=self._hiding.shown(frame, tracks, found))
        self._report(shown, tracks, self._settle(decided))

    def _track(self, frame: Frame) -> tuple[Tracks, Detections | None]:
        """Its tracks, and all that was found in it, wherever and of whatever class."""
        self._size = frame.image.shape[1], frame.image.shape[0]
        if frame.repeated:
            assert self._last is not None  # the first frame repeats none
            return self._last, None
        tracker, found, kept = self._tracker, None, None
        look = tracker.due(frame.captured_s)
        if look:
            found = self._detect(frame.image)
            kept = self._kept(found, frame.image)
            self._looked_at += 1
        tracks = tracker.update(frame.image, kept, time_s=frame.captured_s, look=look)
        self._last = replace(tracks, names=self._detect.names)
        self._known.metres.follow(tracker.camera_motion, self._size, frame.number)
        return self._last, found

    def _kept(self, found: Detections, image: Image) -> Detections:
        """The detections of this camera's classes outside of the regions that it ignores."""
        if self._keep is not None:
            found = found[np.isin(found.classes, self._keep)]
        size = image.shape[1], image.shape[0]
        if self._fitted is None:
            self._fitted = self._zones.fitted(size)  # of frames whose size may change
            self._known.counting.begin(self._fitted)
        return self._fitted.keep(found, size)

    def _settle(self, decided: Iterable[tuple[Held, Tracks]], last: bool = False) -> dict[str, Any]:
        """Write the frames whose tracks are final, and what is certain by them; what a moment says of it.

        Args:
            last: there are no more.
        """
        settled: list[Settled] = []
        came: list[Visit] = []
        left: list[Visit] = []
        events: list[dict[str, Any]] = []
        for held, tracks in decided:
            frame = self._hiding.release(held, tracks)
            if self._recording is not None and self._hiding.waits:
                self._written("video", partial(self._recording.write, frame))
            size = frame.image.shape[1], frame.image.shape[0]
            ground = self._known.metres.update(tracks, size)
            settled.append(Settled(frame.number, frame.time_s, tracks, ground))
            self._written("rows", partial(self.records.write, settled[-1]))
            began, ended = self._known.presence.update(tracks, ground)
            happened = self._known.counting.take(frame.number, frame.time_s, size, tracks)
            self._tell(frame.time_s, happened)
            came, left, events = came + began, left + ended, events + happened
        if last and (rest := self._known.counting.finish()):
            self._tell(self._time_s, rest)
            events += rest
        self._visits += len(came)
        self._note("metres", self._known.metres.problem)
        return {
            "settled": tuple(settled),
            "started": tuple(came),
            "ended": tuple(left),
            "events": tuple(events),
            "counts": self._known.counting.counts,
        }

    def _tell(self, time_s: float, events: list[dict[str, Any]]) -> None:
        if counts := self._known.counting.counts:
            self._written("events", partial(self.records.tell, time_s, events, counts))

    def _report(self, frame: Frame, tracks: Tracks, settled: dict[str, Any]) -> None:
        lag_s = time.monotonic() - self._intake.arrived_s
        present = self._known.presence.here
        now = self.name, frame.number, frame.time_s, frame.image, tracks.confirmed
        moment = Moment(*now, present=present, lag_s=lag_s, **settled)
        self._frames += 1
        now_s = time.monotonic()
        self._lately.append((now_s, self._intake.received, lag_s))
        while now_s - self._lately[0][0] > RATE_S:
            self._lately.popleft()
        with self._changed:
            self._newest = moment
            self._changed.notify_all()
        self._publish(moment)
        self._save(soon=bool(moment.started or moment.events))

    def _save(self, soon: bool) -> None:
        if self._due.state(soon):
            self._written("state", self._save_state)
        if self._due.gallery():
            self._written("gallery", partial(self._store.save_gallery, self.name))

    def _save_state(self) -> None:
        self._store.save(self.name, self._tracker, self._known, self._number, self._time_s)

    def _finish(self) -> None:
        """Write what waits, close the files, save the state."""
        rest = self._settle(self._smoother.flush(), last=True)
        if self._newest is not None and (rest["settled"] or rest["events"]):
            self._publish(replace(self._newest, present=self._known.presence.here, **rest))
        if self._recording is not None:
            self._written("video", self._recording.close)
        self._written("rows", self.records.close)
        self._written("unsettled", self._unsettled.clear)
        if self._frames:
            self._written("state", self._save_state)
            self._written("gallery", partial(self._store.save_gallery, self.name))

    def _written(self, what: str, write: Callable[[], None]) -> None:
        """Write; a disk that is full costs what is not written, and not the tracking."""
        try:
            write()
            self._note(what, "")
        except OutputError as error:
            self._note(what, str(error))

    def _note(self, what: str, problem: str) -> None:
        """What goes wrong with something now; nothing: it goes well."""
        if problem and problem != self._problems.get(what):
            self._say(logging.ERROR, f": {problem}")
        self._problems[what] = problem
