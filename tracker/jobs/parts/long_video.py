"""A long video: cut, each part tracked by whoever gets it, and joined to the folder that one run would have left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.errors import ResumeError, SourceError
from tracker.jobs.identities.archive import IdentityArchive
from tracker.jobs.identities.collector import EmbeddingCollector
from tracker.jobs.outcome import STAGES, Progress, SourceResult
from tracker.jobs.parts.cutting import VideoPart, cut
from tracker.jobs.parts.joined import JoinedParts
from tracker.jobs.parts.tracked_part import TOLD, PartFiles
from tracker.jobs.passes.online import Drawn, OnlinePass
from tracker.jobs.result_files import ResultFiles
from tracker.jobs.result_folder import LOCK, RECORD, Output, Record, ResultFolders
from tracker.jobs.resume.beginning import begin
from tracker.jobs.resume.conditions import Conditions
from tracker.jobs.resume.earlier import EarlierRun
from tracker.output.blur import looking_ahead
from tracker.smoothing.first_pass import KEPT, FirstPass
from tracker.smoothing.offline import post_processed
from tracker.structures import Detections, Floats, Tracks
from tracker.system.device import resolve_device
from tracker.system.files import locked, read_yaml, to_disk, writing
from tracker.video.source import Frame, Source, open_source

if TYPE_CHECKING:
    from tracker.tracker import Tracker

Tell = Callable[[Progress], None]
Hidden = tuple[Detections | None, Sequence[Floats]]
SettledFrames = Iterator[tuple[Frame, Tracks, Hidden]]


@dataclass
class Interruptible:
    """Whether the work is to end (`passes.online.Ending`)."""

    stopped: int = 0

    def stop(self, number: int) -> None:
        """Have it end."""
        self.stopped = self.stopped or number


@dataclass(frozen=True)
class LongVideo:
    """A recorded video and how it is tracked, as `tracker.jobs.run.run` takes it.

    Attributes:
        given: what `open_source` takes. parts: the folder of what is left of its parts until they are joined.
        output: its `name` is that of the folder of the results.
    """

    given: Any
    parts: Path
    tracker: Tracker
    output: Output
    vid_stride: int = 1
    fps: float | None = None
    zones: Zones = field(default_factory=Zones)
    ground: GroundPlane | None = None
    gallery: IdentityArchive | None = None
    command: Sequence[str] = ()

    @property
    def _left(self) -> Output:
        """What the whole leaves."""
        return replace(self.output, events=bool(self.zones.places), resume=False)

    @property
    def results(self) -> Path:
        """The folder of the results."""
        return self.output.project / self.output.name

    def cut(self, part_s: float) -> list[VideoPart]:
        """Its parts, no longer than that; none where it is short, cannot be cut, or is done.

        Raises:
            SourceError: it cannot be read.
        """
        parts = cut(self.given, part_s, self.vid_stride, self.fps)
        if not parts:
            return []
        earlier = EarlierRun.of(self.results)
        if earlier is not None and earlier.finished is not None:
            with open_source(self.given, self.vid_stride, fps=self.fps) as source:
                if self._is_same(earlier, self._conditions(source)):
                    return []
        return parts

    def frames(self, parts: Sequence[VideoPart]) -> int:
        """How many frames are looked at: of each part, and once more of the whole where their pictures are wanted."""
        again = parts[-1].last if self.output.video or self.output.crops else 0
        return sum(self._frames(count) for count in (*(part.tracked for part in parts), again))

    def track(self, part: VideoPart, tell: Tell) -> SourceResult:
        """Track a part, unless that is done.

        Raises:
            SourceError: the source does not give the frames that its container promises. OutputError: no space is left.
        """
        wanted = time.perf_counter()
        folder, ending = self._folder(part), Interruptible()
        with open_source(self.given, self.vid_stride, fps=self.fps) as source:
            conditions = self._conditions(source) | {"part": part.to_dict()}
            earlier = EarlierRun.of(folder)
            if earlier is not None and earlier.finished is not None and self._is_same(earlier, conditions):
                return earlier.finished
            assert source.size is not None
            tracker, device = self._tracker(), resolve_device(self.tracker.config.device)
            drawn = Drawn.of(self.zones, self.output.blur, self.ground, source.size, tracker)
            source.frame_count = self._frames(part.tracked)
            source.go_on(part.begin, part.end)
            result = SourceResult(self.output.name, folder)
            with _alone(folder), PartFiles(folder) as files:
                tracked = tracker, device, drawn, files, files.first
                OnlinePass(source, *tracked, False, result, nullcontext(), wanted, tell, ending, None).run()
                if result.error is not None:
                    raise result.error
                if ending.stopped:
                    return replace(result, interrupted=True, signal=ending.stopped)
                if len(files) != source.frame_count:
                    raise SourceError(
                        f"{source.name} has {len(files)} of {source.frame_count} frames in part {part.number}"
                    )
                state = files.state
        for name in (TOLD, *KEPT):
            to_disk(folder / name)
        result.seconds = time.perf_counter() - wanted
        names = {int(number): name for number, name in tracker.detector.names.items()}
        record = Record(folder / RECORD, conditions | {"state": state, "names": names}, [TOLD, *KEPT, RECORD])
        record.save(result.to_dict())
        return result

    def join(self, parts: Sequence[VideoPart], tell: Tell) -> SourceResult:
        """Write the results of the whole, of parts that are all tracked.

        Raises:
            SourceError: the parts are not of one video, or it does not give their frames again.
            OutputError: results cannot be written.
        """
        start = time.perf_counter()
        config, ending = self.tracker.config, Interruptible()
        records = [read_yaml(self._folder(part) / RECORD) for part in parts]
        embeddings = self.gallery is not None
        opened = [
            partial(PartFiles, self._folder(part), record["state"], record["names"], embeddings)
            for part, record in zip(parts, records, strict=True)
        ]
        joined = JoinedParts(parts, opened, config)
        with ExitStack() as context:
            source = context.enter_context(open_source(self.given, self.vid_stride, fps=self.fps))
            about = {"count": len(parts), "joints": [asdict(joint) for joint in joined.joints]}
            folders = ResultFolders(self._left, [self.given])
            begun = begin(
                folders, self.output.name, self.given, self._conditions(source) | {"parts": about}, recorded=True
            )
            record, unfinished = begun.record, begun.unfinished
            assert unfinished is not None and source.size is not None  # it is recorded, and open
            context.callback(unfinished.release)
            record.save()
            result = SourceResult(self.output.name, begun.folder)
            drawn = Drawn.of(self.zones, self.output.blur, self.ground, source.size, self.tracker)
            collector = None if self.gallery is None else EmbeddingCollector()
            files = ResultFiles(begun.folder, source, self._left, record.add, *drawn, collector=collector)
            with files:
                first = context.enter_context(FirstPass(unfinished.folder, embeddings=embeddings))
                settled = self._settled(joined, first, drawn)
                try:
                    for frame, tracks, hide in self._shown(source, settled, files.pictures):
                        files.take(frame, tracks, *hide)
                        _count(result, frame, tracks)
                        tell(Progress(result.source, result.frames, source.frame_count, len(tracks.confirmed), 0.0))
                except KeyboardInterrupt:
                    ending.stop(2)
            files.tell(result)
            told = [r["result"] for r in records]
            result.seconds = time.perf_counter() - start + sum(one["seconds"] for one in told)
            result.first_frame_s = told[0]["first_frame_s"]
            for stage in STAGES:
                result.stage_seconds[stage] = sum(one["ms_per_frame"][stage] * one["frames"] / 1000 for one in told)
            result.stage_seconds["write"] += files.seconds
            result.interrupted = bool(ending.stopped)
            if self.gallery is not None and collector is not None and not result.interrupted:
                self.gallery.add(collector.collected(self.given, self.output.name, self.tracker))
            begun.end(result, complete=not result.interrupted)
        return result

    def _settled(self, joined: JoinedParts, first: FirstPass, drawn: Drawn) -> SettledFrames:
        """Every frame with its tracks, and what is to be hidden in it."""
        offline, blur = self.output.offline, drawn.blur
        table = None
        if offline or blur is not None:
            joined.take_rows(first)
            table = first.recorder.table()
            if offline:
                table = post_processed(table, self.tracker.config)
        nothing: Hidden = None, ()
        hidden: Iterator[Hidden] = (
            repeat(nothing) if blur is None or table is None else looking_ahead(blur, first.found(table))
        )
        for number, ((frame, tracks), hide) in enumerate(zip(joined.frames(), hidden)):  # noqa: B905 - endless
            yield frame, (first.tracks(table, number) if offline and table is not None else tracks), hide

    def _shown(self, source: Source, settled: SettledFrames, pictures: bool) -> SettledFrames:
        """The same with the frames' pictures, where these are wanted, or blank ones."""
        assert source.size is not None
        width, height = source.size
        blank = np.broadcast_to(np.uint8(0), (height, width, 3))
        shown = iter(source) if pictures else repeat(None)
        for known, (frame, tracks, hide) in zip(shown, settled):  # noqa: B905 - endless, or as many
            if known is not None and (known.number, known.time_s) != (frame.number, frame.time_s):
                raise SourceError(f"{source.name} does not give the frames that it gave; track it anew")
            yield replace(frame, image=blank if known is None else known.image), tracks, hide

    def _frames(self, count: int) -> int:
        """How many of so many frames are looked at."""
        return -(-count // self.vid_stride)

    def _folder(self, part: VideoPart) -> Path:
        return self.parts / f"{part.number:04d}"

    def _tracker(self) -> Tracker:
        """The tracker, without tracks."""
        self.tracker.stage_seconds = dict.fromkeys(self.tracker.stage_seconds, 0.0)
        self.tracker.reset()
        return self.tracker

    def _conditions(self, source: Source) -> dict[str, Any]:
        asked = Conditions(self._left, self.vid_stride, self.fps, self.zones, self.ground, self.command, self.gallery)
        device = resolve_device(self.tracker.config.device)
        return asked.of(source, self.given, self.tracker.config, device, recorded=True)

    def _is_same(self, earlier: EarlierRun, conditions: dict[str, Any]) -> bool:
        """Whether an earlier run is what would be made now."""
        if not earlier.is_of(self.given, conditions["source"]["fingerprint"]):
            return False
        if earlier.record.get("part") != conditions.get("part"):
            return False
        try:
            earlier.require_same(conditions)
        except ResumeError:
            return False
        return True


def remove_parts(folder: Path) -> None:
    """Remove what is left of a video's parts, and nothing else."""
    for part in folder.glob("[0-9]*"):
        for name in (LOCK, TOLD, *KEPT, RECORD):
            (part / name).unlink(missing_ok=True)
        with suppress(OSError):  # there is something of somebody else's in it
            part.rmdir()
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()  # after the last video


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Within it a part is this process's, and begun anew.

    Raises:
        ResumeError: another process has it. OutputError: it cannot be made.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = locked(folder / LOCK)
    except BlockingIOError:
        raise ResumeError(f"the part in {folder} is tracked by another process; wait for it, or end it") from None
    with nullcontext() if lock is None else lock, writing(folder):
        (folder / RECORD).unlink(missing_ok=True)
        yield


def _count(result: SourceResult, frame: Frame, tracks: Tracks) -> None:
    result.frames += 1
    result.frames_repeated += frame.repeated
    result.frames_looked_at += tracks.looked and not frame.repeated
