"""How each video of a batch is tracked: what a worker process has to know, and what it does."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tracker import provenance
from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.config import Config
from tracker.errors import OutputError, ResumeError, SourceError, TrackerError
from tracker.jobs.batch.dataset import part_of, write_part
from tracker.jobs.batch.manifest import VideoRow, VideoState
from tracker.jobs.batch.storage import Results, copied, gallery_at, is_stored
from tracker.jobs.batch.worker import Tell, Work
from tracker.jobs.identities.collector import require_embeddings
from tracker.jobs.outcome import SourceResult
from tracker.jobs.parts.cutting import VideoPart
from tracker.jobs.parts.long_video import LongVideo
from tracker.jobs.result_folder import LEAVES, RECORD, Output
from tracker.system.extras import extra
from tracker.system.files import read_yaml, replace_text
from tracker.video.url import is_url, shown

PARTS = ".parts"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class TrackingPlan:
    """How each video of a batch is tracked, and what it leaves; as `tracker.jobs.run.run` takes it.

    Attributes:
        output: its `project` is the folder of the batch, `name` and `exist_ok` do not matter; `parquet` leaves the rows
            of all videos in one dataset there.
        part_s: videos that are longer than this are cut into parts; 0: none is.
        results: the URL of an object storage where results are to be, in the place of that folder; empty: none.
        gallery: folder or URL of the archive's gallery; empty: none.
    """

    config: Config = field(default_factory=Config)
    output: Output = field(default_factory=Output)
    device: str | None = None
    vid_stride: int = 1
    fps: float | None = None
    zones: Zones = field(default_factory=Zones)
    ground: GroundPlane | None = None
    command: Sequence[str] = ()
    results: str = ""
    gallery: str = ""
    part_s: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """All that results depend on, as `batch.yaml` has it."""
        return {
            "config": self.config.to_dict(),
            "device": self.device,
            "vid_stride": self.vid_stride,
            "fps": self.fps,
            "zones": self.zones.to_dict() if self.zones else None,
            "camera": self.ground.to_dict() if self.ground else None,
            "gallery": shown(self.gallery) or None,
            "part_s": self.part_s,
            "output": {name: getattr(self.output, name) for name in (*LEAVES, "offline")}
            | {"blur": list(self.output.blur)},
        }


@dataclass(frozen=True)
class Video:
    """One video to be tracked.

    Attributes:
        source: its name in the manifest. given: what `open_source` takes. folder: the name of that of its results.
        anew: of an earlier call finished parts count alone; else it goes on where that was interrupted.
        whole: it is not cut.
    """

    source: str
    given: Any
    folder: str
    anew: bool = False
    whole: bool = False

    @property
    def video(self) -> Video:
        """Itself, as other tasks name theirs."""
        return self


@dataclass(frozen=True, eq=False)
class VideoTask:
    """Something that is to be done of a video that is cut."""

    video: Video

    @property
    def source(self) -> str:
        """Of the video."""
        return self.video.source


@dataclass(frozen=True, eq=False)
class PartTask(VideoTask):
    """One part of it to be tracked."""

    part: VideoPart


@dataclass(frozen=True, eq=False)
class JoinTask(VideoTask):
    """Its results to be written, when all parts are tracked; also what a task says that finds the video to be long.

    Attributes:
        frames: how many all its tasks have to look at.
    """

    parts: Sequence[VideoPart]
    frames: int


class NoPartsError(TrackerError):
    """A video that does not give in parts what it would give as a whole, as one that is damaged."""


class DiskFullError(OutputError):
    """A video for whose results there is no space, as there is none for those of any other."""


def one_line(error: BaseException) -> str:
    """What is wrong, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, TrackerError) else f"{type(error).__name__}: {text}"


def ready(tracking: TrackingPlan) -> Work:
    """What tracks videos in a worker process, the networks loaded.

    Raises:
        TrackerError: of settings that suit no video at all, and of weights.
    """
    from tracker.jobs.run import is_live, run
    from tracker.output.blur import of_what_is_looked_for
    from tracker.tracker import Tracker

    if tracking.output.parquet:
        extra("pyarrow", "batch")
    if tracking.gallery:
        require_embeddings(tracking.config)
    tracker = Tracker(tracking.config, device=tracking.device)
    names, detector = tracker.detector.names, tracker.config.detector
    if tracker.config.appearance.enabled:
        tracker.embedder  # noqa: B018 - loaded
    tracking.zones.require(names)
    of_what_is_looked_for(tracking.output.blur, detector.classes, names, detector.model)

    stored = Results(tracking.results) if tracking.results else None
    gallery = gallery_at(tracking.gallery) if tracking.gallery else None
    if gallery is not None:
        gallery.require_usable()

    def tracked(source: str, given: Any, output: Output, tell: Tell) -> SourceResult:
        (result,) = run(
            [given],
            tracker,
            output,
            vid_stride=tracking.vid_stride,
            fps=tracking.fps,
            zones=tracking.zones,
            ground=tracking.ground,
            gallery=None if gallery is None else gallery.of_source(source),
            progress=tell,
            command=tracking.command,
        )
        return result

    def long_video(video: Video) -> LongVideo:
        output = replace(tracking.output, name=video.folder, exist_ok=True, parquet=False)
        asked = tracking.vid_stride, tracking.fps, tracking.zones, tracking.ground
        archive = None if gallery is None else gallery.of_source(video.source)
        parts = parts_folder(output.project, video.folder)
        return LongVideo(video.given, parts, tracker, output, *asked, archive, tracking.command)

    def cut(video: Video) -> JoinTask | None:
        if not tracking.part_s or video.whole or is_url(str(video.given)):
            return None
        with suppress(SourceError):  # it fails in its turn
            long = long_video(video)
            if parts := long.cut(tracking.part_s):
                return JoinTask(video, parts, long.frames(parts))
        return None

    def do(task: Video | PartTask | JoinTask, tell: Tell) -> VideoRow | JoinTask:
        try:
            if isinstance(task, Video):
                return cut(task) or track(task, tell)
            return of_parts(task, tell)
        except OutputError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
                raise DiskFullError(str(error)) from error
            raise

    def of_parts(task: PartTask | JoinTask, tell: Tell) -> VideoRow:
        video, long = task.video, long_video(task.video)
        try:
            result = long.track(task.part, tell) if isinstance(task, PartTask) else long.join(task.parts, tell)
        except SourceError as error:
            raise NoPartsError(one_line(error)) from error
        if isinstance(task, JoinTask) and tracking.output.parquet and _state(result) == VideoState.DONE:
            write_part(long.results, tracking.output.project / part_of(video.folder), video.source)
        return _row(video.source, result)

    def track(video: Video, tell: Tell) -> VideoRow:
        if not is_stored(video.given) and is_live(video.given, tracking.vid_stride, 0.0):
            raise SourceError(f"{video.source} is live and never done; watch it with track serve")
        output = replace(tracking.output, name=video.folder, exist_ok=True, parquet=False)
        with ExitStack() as copies:
            given = copies.enter_context(copied(video.given)) if is_stored(video.given) else video.given
            if stored is not None:
                output = replace(
                    output, project=Path(copies.enter_context(TemporaryDirectory(prefix="tracker-batch-")))
                )
            of_a_copy = stored is not None or given is not video.given
            result = tracked(video.source, given, replace(output, resume=not video.anew and not of_a_copy), tell)
            if isinstance(result.error, ResumeError) and not video.anew:  # as where a package has another version now
                result = tracked(video.source, given, output, tell)
            if result.folder is not None and given is not video.given:
                _say_where_it_is_from(result.folder / RECORD, video.given)
            if tracking.output.parquet and result.folder is not None and _state(result) == VideoState.DONE:
                part = result.folder.parent / part_of(video.folder)
                write_part(result.folder, part, video.source)
                if stored is not None:
                    stored.put(part, part_of(video.folder))
            if stored is not None and result.folder is not None and not result.interrupted:
                stored.put_folder(result.folder, video.folder)
        return _row(video.source, result)

    return do


def parts_folder(project: Path, folder: str) -> Path:
    """Where the parts of a video are until they are joined."""
    return project / PARTS / folder


def _say_where_it_is_from(record: Path, source: str) -> None:
    """Let a run's record name the object in the place of its copy, which is gone."""
    content = read_yaml(record)
    content["source"]["given"] = shown(source)
    replace_text(record, provenance.yaml_text(content))


def _row(source: str, result: SourceResult) -> VideoRow:
    error = "" if result.error is None else one_line(result.error)
    return VideoRow(source, _state(result), result.frames, result.tracks, result.seconds, error)


def _state(result: SourceResult) -> VideoState:
    if result.error:
        return VideoState.FAILED
    return VideoState.INTERRUPTED if result.interrupted else VideoState.DONE
