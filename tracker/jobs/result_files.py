"""The files of one source, written in order by a thread of their own, and the frames that wait for it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import numpy as np

from tracker.analytics.event_writer import EventWriter
from tracker.analytics.ground.motion import GroundMotion
from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.jobs.identities.collector import EmbeddingCollector
from tracker.jobs.outcome import SourceResult
from tracker.jobs.result_folder import COUNTS, EVENTS, JSON, PARQUET, VIDEO, Output
from tracker.output.blur import Blur, Foreseen
from tracker.output.crops import CROPS, CropWriter
from tracker.output.draw import TRAIL_S, Annotator
from tracker.output.parquet_writer import ParquetWriter
from tracker.output.summary_writer import SummaryWriter
from tracker.output.video_writer import VideoWriter
from tracker.output.window import Window
from tracker.output.writers import CsvWriter, Filmed, JsonLinesWriter, MotWriter, Writer
from tracker.structures import Detections, Floats, Image, Tracks
from tracker.system.files import to_disk, writing
from tracker.system.images import jpeg
from tracker.system.snapshots.resumable import Resumable, Snapshot
from tracker.video.source import Frame

_WRITE_AHEAD = 8  # frames that may wait to be written
_LIVE_PART = 100_000  # frames of a live video's part, so that its index stays small: an hour and more
_FILE_PART = 1_000_000  # of a file's, which is not expected in parts: 11 hours at 25 frames/s
_NO_PICTURE = np.zeros((0, 0, 3), np.uint8)
_GROWING = MotWriter | CsvWriter | JsonLinesWriter | EventWriter
_WAITING_QUALITY = 95  # of the JPEG of a picture that waits
_HELD_BYTES = 768 << 20  # of pictures that wait as they are: half a second of 4K at 60 frames/s


class ResultFiles:
    """The files of one source, open until the context ends.

    The first error ends the writing, of all files, and is raised by the next `take` or at the end.

    Args:
        folder: where they are.
        source: whose frames they take.
        output: which they are.
        begun: called with the name of each further part of the video before it is written.
        zones: of this source alone: what happens there is written and drawn, and what is ignored is drawn.
        ground: in this source's picture: the tables have metres, too.
        blur: what hides objects in the pictures before any of the files gets them; None: nothing is hidden.
        called: id -> what a person calls the object, in pictures.
        collector: takes what the tracks look like; None: nobody does.
        aside: folder for what going on with them needs beside their states (`take_over`); None: nobody will.
        resumed: they are those of a run that was interrupted, whose state they are to take over.

    Attributes:
        seconds: time spent drawing and writing.
        pictures: whether any of them needs the frames' images.
        embeddings: whether any needs what the tracks look like.
    """

    def __init__(
        self,
        folder: Path,
        source: Filmed,
        output: Output,
        begun: Callable[[str], None],
        zones: Zones | None = None,
        blur: Blur | None = None,
        ground: GroundPlane | None = None,
        aside: Path | None = None,
        resumed: bool = False,
        called: Mapping[int, str] | None = None,
        collector: EmbeddingCollector | None = None,
    ) -> None:
        self.seconds = 0.0
        self.embeddings = collector is not None
        self.pictures = output.video or output.show or output.crops
        self._blur = blur if self.pictures else None
        self._hidden: Image | None = None  # the picture in which objects were hidden last
        self._writers: list[Writer] = []
        self._jobs: deque[Future[None]] = deque()
        self._failed = False
        self._window: Window | None = None
        self._zones: Zones | None = None  # in which is counted
        with ExitStack() as opened:

            def add(writer: Writer) -> None:
                opened.enter_context(closing(writer))
                self._writers.append(writer)

            add(MotWriter(folder / "tracks.txt", resumed))
            self._motion = None if ground is None else GroundMotion(ground)
            on_ground = None if self._motion is None else self._motion.update
            table = CsvWriter(folder / "tracks.csv", resumed, on_ground)
            if output.parquet:
                add(ParquetWriter(folder / PARQUET, table, source, ground=ground is not None))
            add(table)  # after the one that is made of it, which is closed after it
            self._summary = SummaryWriter(folder / "summary.csv", on_ground, resumed)
            add(self._summary)
            if collector is not None:
                add(collector)
            if output.json:
                add(JsonLinesWriter(folder / JSON, resumed))
            counted, ignored = None, None
            if zones is not None and zones.ignore:
                ignored = zones.outlines
            if zones is not None and output.events:
                assert source.size is not None  # of an open source
                events = EventWriter(folder / EVENTS, folder / COUNTS, zones, source.size, resumed)
                add(events)
                counted, self._zones = events.shown, zones
            self._crops = CropWriter(folder / CROPS, aside) if output.crops else None
            if self._crops is not None:
                add(self._crops)
            if output.video or output.show:
                trail_s = TRAIL_S if output.trails else 0.0
                drawn = output.forecast_s, output.labels, output.line_width, ignored, counted, called
                add(Annotator(trail_s, *drawn))
            part = _LIVE_PART if source.live else _FILE_PART
            self._video: VideoWriter | None = None
            if output.video:
                self._video = VideoWriter(folder / VIDEO, source.fps, part_frames=part, begun=begun, aside=aside)
                add(self._video)
            if output.show:
                self._window = Window(source.name)
                add(self._window)
            self._pool = ThreadPoolExecutor(1, "write")
            self._open = opened.pop_all()

    def tell(self, result: SourceResult) -> None:
        """Say in a result what was written: the tracks, and what was counted in zones."""
        result.tracks, result.tracks_by_class = len(self._summary), self._summary.by_class
        result.counts = [] if self._zones is None else self._zones.counts()

    @property
    def window_closed(self) -> bool:
        """The user has closed the window: the run is to end."""
        return self._window is not None and self._window.closed

    def take(self, frame: Frame, tracks: Tracks, found: Detections | None = None, soon: Sequence[Floats] = ()) -> None:
        """Take the next frame; waits where too many wait already.

        Args:
            frame: its picture is drawn on.
            tracks: what is written of it.
            found: what else is to be hidden in it: all that was detected, also what no track stands for.
            soon: what later frames show of it (`Foreseen`).

        Raises:
            OutputError: an earlier frame could not be written.
        """
        while len(self._jobs) >= _WRITE_AHEAD or (self._jobs and self._jobs[0].done()):
            self._jobs.popleft().result()
        self._jobs.append(self._pool.submit(self._write, frame, tracks, found, soon))

    def then(self, call: Callable[[Self], None]) -> None:
        """Call once all frames taken so far are written, in the writing thread; not after an error."""
        self._jobs.append(self._pool.submit(lambda: None if self._failed else call(self)))

    def snapshot(self) -> Snapshot:
        """What going on with the files needs to know."""
        own: Snapshot = {type(writer).__name__: writer.snapshot() for writer in self._resumable}
        for part, name in ((self._motion, "ground"), (self._blur, "blur")):
            own[name] = None if part is None else part.snapshot()
        return own | {"seconds": self.seconds}

    def take_over(self, snapshot: Mapping[str, Any]) -> None:
        """Go on with a snapshot, the files cut back to what they were then.

        Raises:
            OutputError: they cannot be, or are not what they were.
        """
        own = [(writer, type(writer).__name__) for writer in self._resumable]
        for part, name in (*own, (self._motion, "ground"), (self._blur, "blur")):
            if part is not None and snapshot.get(name) is not None:  # it is not where only a window is asked for since
                part.take_over(snapshot[name])
        self.seconds = snapshot["seconds"]

    @property
    def lines(self) -> dict[str, tuple[int, int]]:
        """Name of each file that grows by lines -> what there is of it (`files.holds`)."""
        grow = [writer.lines for writer in self._writers if isinstance(writer, _GROWING)]
        return {lines.path.name: lines.written for lines in grow}

    def to_disk(self) -> None:
        """Have what was written outlive a power cut."""
        growing = [writer.lines.path for writer in self._writers if isinstance(writer, _GROWING)]
        for path in [*growing, *([] if self._video is None else self._video.written)]:
            to_disk(path)
        if self._crops is not None:
            self._crops.to_disk()

    @property
    def sizes(self) -> dict[str, int]:
        """Name of each video file -> its bytes."""
        return {path.name: path.stat().st_size for path in ([] if self._video is None else self._video.written)}

    def committed(self) -> None:
        """The last snapshot is on disk."""
        if self._crops is not None:
            self._crops.committed()

    @property
    def _resumable(self) -> list[Resumable]:
        return [writer for writer in self._writers if isinstance(writer, Resumable)]

    def _write(self, frame: Frame, tracks: Tracks, found: Detections | None, soon: Sequence[Floats]) -> None:
        if self._failed:
            return
        start = time.perf_counter()
        try:
            self._hide(frame, tracks, found, soon)
            for writer in self._writers:
                writer.write(frame, tracks)
        except Exception:
            self._failed = True
            raise
        finally:
            self.seconds += time.perf_counter() - start

    def _hide(self, frame: Frame, tracks: Tracks, found: Detections | None, soon: Sequence[Floats]) -> None:
        """Hide what is to be hidden, once a picture: one that is shown once more was drawn on since."""
        if self._blur is not None and not (frame.repeated and frame.image is self._hidden):
            self._blur(frame.image, tracks, found, time_s=frame.time_s, soon=soon)
            self._hidden = frame.image

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, then close every file, whatever happens."""
        with self._open:
            self._pool.shutdown()
            while self._jobs:
                self._jobs.popleft().result()


@dataclass(frozen=True)
class Held:
    """A frame that waits: as it is, or its picture as a JPEG; and what may have to be hidden in it.

    Attributes:
        found: what was detected in it. soon: what later frames show of it.
    """

    frame: Frame
    jpeg: bytes = b""
    found: Detections | None = None
    soon: Sequence[Floats] = ()


@dataclass(frozen=True)
class Waiting:
    """What is saved of a frame that waits: all but its picture.

    Attributes:
        number, repeated, late_s: of the frame. compressed: it waits as a JPEG. found: as of `Held`.
    """

    number: int
    repeated: bool
    late_s: float
    compressed: bool
    found: Detections | None

    @classmethod
    def of(cls, held: Held) -> Waiting:
        """Of a frame that waits."""
        return cls(held.frame.number, held.frame.repeated, held.frame.late_s, bool(held.jpeg), held.found)


class HeldFrames:
    """Frames that wait for what follows, in a bounded number of bytes.

    One that shows the picture before it once more has that one's, on which the same is drawn.

    Args:
        pictures: whether the images are needed afterwards; where not, they are not held at all.
        blur: what hides objects in them; None: what was found does not matter.

    Beyond `_HELD_BYTES` of pictures further ones wait as JPEGs, an eighth of their size or less: half a second of 4K at
    240 frames/s in 1.1 GiB. Which frames wait how long never depends on it, so neither do the tracks.
    """

    def __init__(self, pictures: bool, blur: Blur | None = None) -> None:
        self._pictures = pictures
        self._ahead = None if blur is None or not pictures else Foreseen(blur)
        self._bytes = 0
        self._shown: Image | None = None  # of the frame released last

    def again(self, frame: Frame, waiting: Waiting) -> Held:
        """A frame, read anew, that has waited before: to wait as it did."""
        frame = replace(frame, repeated=waiting.repeated, late_s=waiting.late_s)
        return self.hold(frame, waiting.found, waiting.compressed)

    def hold(self, frame: Frame, found: Detections | None = None, compressed: bool | None = None) -> Held:
        """The frame, to wait; `compressed`: whether as a JPEG, where that is known."""
        if not self._pictures or frame.repeated:
            return Held(replace(frame, image=_blank(frame.image)))
        known: tuple[Detections | None, Sequence[Floats]] = (None, ())
        if self._ahead is not None:
            known = found, self._ahead.push(found, frame.time_s)
        if not (self._bytes + frame.image.nbytes > _HELD_BYTES if compressed is None else compressed):
            self._bytes += frame.image.nbytes
            return Held(frame, b"", *known)
        return Held(replace(frame, image=_NO_PICTURE), jpeg(frame.image, _WAITING_QUALITY), *known)

    def release(self, held: Held) -> Frame:
        """The frame that has waited."""
        frame = held.frame
        if held.jpeg:
            image = np.asarray(cv2.imdecode(np.frombuffer(held.jpeg, np.uint8), cv2.IMREAD_COLOR), np.uint8)
            frame = replace(frame, image=image)
        elif frame.repeated and self._shown is not None:
            return replace(frame, image=self._shown)
        elif self._pictures:
            self._bytes -= frame.image.nbytes
        self._shown = frame.image
        return frame


def _blank(image: Image) -> Image:
    """A picture of the same size that takes no memory."""
    return np.broadcast_to(np.uint8(0), image.shape)


def move_files(source: Path, target: Path) -> None:
    """Move all files of a folder, and of those in it, to the same places in another, over what is there."""
    for file in [path for path in source.rglob("*") if path.is_file()]:
        place = target / file.relative_to(source)
        with writing(place):
            place.parent.mkdir(exist_ok=True)
            file.replace(place)
