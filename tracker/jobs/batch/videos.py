"""Many videos tracked by several processes, each into a folder of its own: what is done stays done.

A process loads the networks once and then does what `track` does, a video at a time. Nothing that happens to one video
ends the others; what would happen to all of them alike (settings, weights, a full disk) ends the batch.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tracker import provenance
from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.config import Config
from tracker.errors import OutputError, SourceError, TrackerError, UsageError
from tracker.jobs.batch.manifest import JOURNAL, TABLE, Manifest, VideoRow, VideoState
from tracker.jobs.batch.pool import TaskBegun, TaskDone, TaskFailed, TaskNews, TaskPool
from tracker.jobs.batch.sources import folders
from tracker.jobs.batch.summary import SUMMARY, write_summary
from tracker.jobs.batch.worker import Tell, Work
from tracker.jobs.outcome import Progress, SourceResult
from tracker.jobs.result_folder import Output
from tracker.system.files import read_yaml, replace_text
from tracker.system.output_folder import alone, claim

SETTINGS, LOCK = "batch.yaml", ".batch.lock"
_FULL = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class TrackingPlan:
    """How each video of a batch is tracked, and what it leaves; as `tracker.jobs.run.run` takes it.

    Attributes:
        output: its `project` is the folder of the batch, `name` and `exist_ok` do not matter.
    """

    config: Config = field(default_factory=Config)
    output: Output = field(default_factory=Output)
    device: str | None = None
    vid_stride: int = 1
    fps: float | None = None
    zones: Zones = field(default_factory=Zones)
    ground: GroundPlane | None = None
    command: Sequence[str] = ()

    def to_dict(self) -> dict[str, Any]:
        """All that results depend on, as `batch.yaml` has it."""
        left = ("video", "json", "forecast_s", "labels", "trails", "line_width", "offline", "crops")
        return {
            "config": self.config.to_dict(),
            "device": self.device,
            "vid_stride": self.vid_stride,
            "fps": self.fps,
            "zones": self.zones.to_dict() if self.zones else None,
            "camera": self.ground.to_dict() if self.ground else None,
            "output": {name: getattr(self.output, name) for name in left} | {"blur": list(self.output.blur)},
        }


@dataclass(frozen=True)
class Video:
    """One video to be tracked.

    Attributes:
        source: its name in the manifest. given: what `open_source` takes. folder: the name of that of its results.
        begun: there may be results of it, of an earlier call, that were not finished.
    """

    source: str
    given: Any
    folder: str
    begun: bool


@dataclass(frozen=True)
class BatchProgress:
    """Where a batch stands.

    Attributes:
        wanted: how many videos this call is to track. rows: of those that have ended by now, the last one at the end.
        running: source -> where it stands, of those in work.
    """

    wanted: int
    rows: list[VideoRow]
    running: Mapping[str, Progress]


@dataclass(frozen=True)
class BatchResult:
    """What became of a batch.

    Attributes:
        rows: of all sources that were asked for, also those that were done or failed before.
        interrupted: the number of the signal that ended it; 0: none did.
    """

    rows: list[VideoRow]
    interrupted: int = 0


def batch(
    sources: Mapping[str, Any],
    tracking: TrackingPlan,
    pool: Callable[[Callable[[], Work]], TaskPool],
    retry: bool = False,
    progress: Callable[[BatchProgress], None] = lambda _: None,
) -> BatchResult:
    """Track all sources that are not done; those that failed before only with `retry`.

    Args:
        sources: as `tracker.jobs.batch.sources.listed` has them.
        pool: the processes that do it, for what prepares one: `partial(WorkerPool, 4)`, `partial(RayPool, "auto")`.
        progress: called when a video begins or ends, and now and then.

    Raises:
        UsageError: the folder holds results of other settings; settings that suit no video.
        WeightsError, MissingExtraError: of networks that cannot be loaded.
        OutputError: the folder cannot be written, is in use, is full, or holds what no batch made.
        DataError: its manifest is damaged.
    """
    project = tracking.output.project
    lock = alone(project / LOCK, "batch", project)
    with nullcontext() if lock is None else lock:
        claim(project, "batch", (TABLE, JOURNAL, SUMMARY, SETTINGS), option="--project")
        _require_same(project / SETTINGS, tracking)
        with closing(Manifest(project)) as manifest:
            places = _places(project, manifest, sources)
            manifest.add(sources)
            over = {VideoState.DONE} if retry else {VideoState.DONE, VideoState.FAILED}
            rows = [row for source in sources if (row := manifest.rows[source]).state not in over]
            videos = [
                Video(row.source, sources[row.source], places[row.source], row.state != VideoState.WAITING)
                for row in rows
            ]
            interrupted = _track(videos, tracking, pool, manifest, progress)
            done = [row.source for row in manifest.rows.values() if row.state == VideoState.DONE]
            write_summary(project, {source: places[source] for source in done})
            return BatchResult([manifest.rows[source] for source in sources], interrupted)


def _require_same(path: Path, tracking: TrackingPlan) -> None:
    """Note how videos are tracked, or require that it is as it was noted, as far as both versions know a setting."""
    now = yaml.safe_load(provenance.yaml_text(tracking.to_dict()))
    if not path.is_file():
        record = {"command": provenance.command_line(tracking.command), "settings": now}
        replace_text(path, provenance.yaml_text(record))
        return
    before = read_yaml(path)
    other = list(_differences(before.get("settings") if isinstance(before, dict) else None, now))
    if other:
        raise UsageError(
            f"{path.parent} holds videos tracked with other settings ({', '.join(other[:3])}); "
            "give those again, or another --project"
        )


def _differences(before: Any, now: Any, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        both = [key for key in now if key in before]
        return [found for key in both for found in _differences(before[key], now[key], f"{name}.{key}".lstrip("."))]
    return [] if before == now else [name.removeprefix("config.").removeprefix("output.")]


def _places(project: Path, manifest: Manifest, sources: Mapping[str, Any]) -> dict[str, str]:
    """The folder of every row, new ones among them, where nothing is yet.

    Raises:
        OutputError: something is.
    """
    new = [source for source in sources if source not in manifest.rows]
    places = folders([*manifest.rows, *new], (TABLE, JOURNAL, SUMMARY, SETTINGS, LOCK))
    there = next((places[source] for source in new if (project / places[source]).exists()), None)
    if there is not None:
        raise OutputError(f"{project / there} is there and no batch made it; move it away, or give another --project")
    return places


def _track(
    videos: Sequence[Video],
    tracking: TrackingPlan,
    pool: Callable[[Callable[[], Work]], TaskPool],
    manifest: Manifest,
    progress: Callable[[BatchProgress], None],
) -> int:
    """Have the videos tracked; return the number of the signal that ended it, or 0."""
    ended: list[VideoRow] = []
    running: dict[str, Progress] = {}
    try:
        with pool(partial(_ready, tracking)) as workers, closing(workers.heard(videos)) as heard:
            for event in heard:
                source = event.task.source
                match event:
                    case TaskBegun():
                        running[source] = Progress(source, 0, None, 0, 0.0)
                        manifest.note(VideoRow(source, VideoState.RUNNING))
                    case TaskNews(news=news):
                        running[source] = news
                    case TaskDone(result=row):
                        ended.append(row)
                    case TaskFailed(error=error):
                        if isinstance(error, DiskFullError):
                            raise error
                        ended.append(_lost(running[source], source, error, bool(workers.stopped)))
                if isinstance(event, TaskDone | TaskFailed):
                    del running[source]
                    manifest.note(ended[-1])
                progress(BatchProgress(len(videos), ended, running))
            return workers.stopped
    finally:
        for source in running:  # where an error ends the batch
            manifest.rows[source] = VideoRow(source, VideoState.INTERRUPTED)


def _lost(at: Progress, source: str, error: BaseException, stopped: bool) -> VideoRow:
    """The row of a video that came so far, and then its process ended or raised."""
    state = VideoState.INTERRUPTED if stopped else VideoState.FAILED
    return VideoRow(source, state, at.frames, 0, at.seconds, _sentence(error))


class DiskFullError(OutputError):
    """A video for whose results there is no space, as there is none for those of any other."""


def _sentence(error: BaseException) -> str:
    """What is wrong, in one line."""
    text = " ".join(str(error).split())
    return text if isinstance(error, TrackerError) else f"{type(error).__name__}: {text}"


def _ready(tracking: TrackingPlan) -> Work:
    """What tracks videos in a worker process, the networks loaded.

    Raises:
        TrackerError: of settings that suit no video at all, and of weights.
    """
    from tracker.jobs.run import is_live, run
    from tracker.output.blur import of_what_is_looked_for
    from tracker.tracker import Tracker

    tracker = Tracker(tracking.config, device=tracking.device)
    names, detector = tracker.detector.names, tracker.config.detector
    if tracker.config.appearance.enabled:
        tracker.embedder  # noqa: B018 - loaded
    tracking.zones.require(names)
    of_what_is_looked_for(tracking.output.blur, detector.classes, names, detector.model)

    def track(video: Video, tell: Tell) -> VideoRow:
        if is_live(video.given, tracking.vid_stride, 0.0):
            raise SourceError(f"{video.source} is live and never done; watch it with track serve")
        # An interrupted video (`video.begun`) is tracked from its start. Where `track --resume` is to go on with it
        # instead, this is the place.
        output = replace(tracking.output, name=video.folder, exist_ok=True)
        try:
            (result,) = run(
                [video.given],
                tracker,
                output,
                vid_stride=tracking.vid_stride,
                fps=tracking.fps,
                zones=tracking.zones,
                ground=tracking.ground,
                progress=tell,
                command=tracking.command,
            )
        except OutputError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
                raise DiskFullError(str(error)) from error
            raise
        return _row(video.source, result)

    return track


def _row(source: str, result: SourceResult) -> VideoRow:
    state = VideoState.FAILED if result.error else VideoState.INTERRUPTED if result.interrupted else VideoState.DONE
    error = "" if result.error is None else _sentence(result.error)
    return VideoRow(source, state, result.frames, result.tracks, result.seconds, error)
