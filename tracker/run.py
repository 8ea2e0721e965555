"""The main job: sources in, a folder of results for each.

A frame passes four stages that work at the same time, each on another frame: decoding (a thread of the source),
detection (worker threads), tracking (the caller's thread) and writing (one thread). The queues between them are
bounded and keep the order, and detection looks at each frame alone, so the results are those of one stage after the
other. An error in any stage ends the run with that error; what was written until then stays, closed and valid.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from tracker import provenance
from tracker.config import Config
from tracker.crops import CropWriter
from tracker.draw import Annotator
from tracker.errors import SourceError, UsageError
from tracker.hindsight import Hindsight
from tracker.offline import Recorder, second_look
from tracker.readers.url import is_url, redacted
from tracker.structures import Detections, Image, Tracks
from tracker.video import Frame, Source, open_source
from tracker.window import Window, require_windows
from tracker.writers import (
    CsvWriter,
    JsonLinesWriter,
    MotWriter,
    SummaryWriter,
    VideoWriter,
    Writer,
    replace_text,
    writing,
)

if TYPE_CHECKING:
    from tracker.detect import Detector
    from tracker.tracker import Tracker

STAGES = ("decode", "detect", "appearance", "motion+association", "write")
FILES = ("tracks.txt", "tracks.csv", "summary.csv", "tracks.jsonl", "video.mp4", "run.yaml")
CROPS = "crops"
_CPU_WORKERS = 4  # frames looked at at once on a CPU, at most; each is held in memory meanwhile
_CUDA_BATCH = 8  # where the configuration leaves it open
_WRITE_AHEAD = 8  # frames that may wait to be written


@dataclass(frozen=True)
class Output:
    """What a run leaves, and where.

    Attributes:
        project: folder of all runs.
        name: folder of this run in it; empty: the source's name. Where it exists, `-2`, `-3`, ... is appended.
        exist_ok: write into an existing folder instead, over what an earlier run left there.
        video: leave `video.mp4` with the tracks drawn.
        json: leave `tracks.jsonl` too.
        show: show the frames in a window; Q or Escape there ends the run.
        forecast_s: draw where each object will be so many seconds ahead; 0: not.
        crops: leave `crops/ID.jpg`, the best picture of every track.
        offline: at the end of a source, replace its tables by what a second look made of them (`tracker.offline`), and
            draw the video from that.
    """

    project: Path = Path("runs/track")
    name: str = ""
    exist_ok: bool = False
    video: bool = True
    json: bool = False
    show: bool = False
    forecast_s: float = 0.0
    offline: bool = False
    crops: bool = False


@dataclass(frozen=True)
class Progress:
    """Where a run stands: source, frames tracked of how many (None: unknown), tracks in the last, seconds so far."""

    source: str
    frames: int
    frame_count: int | None
    live: int
    seconds: float


@dataclass
class SourceResult:
    """What became of one source.

    Attributes:
        source: its name.
        folder: where the results are; None where nothing could be read.
        frames: how many were tracked.
        tracks: how many different objects were reported.
        seconds: wall time from the first frame wanted to the last file closed.
        first_frame_s: seconds until the first frame was tracked, networks loaded and all.
        stage_seconds: seconds of work of each of `STAGES` (for decode: of waiting for frames). Stages overlap, so they
            may add up to more than `seconds`.
        error: what ended it early, if something did; results until then are in `folder`.
        interrupted: ended by the user.
    """

    source: str
    folder: Path | None = None
    frames: int = 0
    tracks: int = 0
    seconds: float = 0.0
    first_frame_s: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    error: SourceError | None = None
    interrupted: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Counts, frames/s and milliseconds a frame, ready for YAML or JSON."""
        frames = max(1, self.frames)
        return {
            "source": self.source,
            "folder": None if self.folder is None else str(self.folder),
            "frames": self.frames,
            "tracks": self.tracks,
            "seconds": round(self.seconds, 3),
            "first_frame_s": round(self.first_frame_s, 3),
            "frames_per_s": round(self.frames / self.seconds, 2) if self.seconds else 0.0,
            "ms_per_frame": {stage: round(1000 * s / frames, 2) for stage, s in self.stage_seconds.items()},
            "error": None if self.error is None else str(self.error),
            "interrupted": self.interrupted,
        }


def run(
    sources: Sequence[Any],
    config: Config | str | Path | Tracker | None = None,
    output: Output | None = None,
    *,
    device: str | None = None,
    vid_stride: int = 1,
    progress: Callable[[Progress], None] = lambda _: None,
    command: Sequence[str] = (),
) -> list[SourceResult]:
    """Track sources one after another, each from id 1 and into a folder of its own.

    Args:
        sources: what `open_source` takes, each: file, folder, glob, camera number, URL, list of images.
        config: as for `Tracker`; or a tracker, whose networks are loaded already.
        output: what to leave and where; `Output()` by default.
        device: as for `Tracker`.
        vid_stride: look at every so manieth frame.
        progress: called after each frame.
        command: the command line, to be noted in `run.yaml`.

    Returns:
        A result for each source, in order. A source that cannot be opened or read to its end has its `SourceError` in
        `error`, and the next one follows; after an interruption (Ctrl-C) none does.

    Raises:
        TrackerError: settings, device, weights or output that cannot be used; files are closed and valid.
        UsageError: a live source, or forecasts, to be looked at offline; no window where one is to be shown.
    """
    output = output or Output()
    if output.offline and output.forecast_s:
        raise UsageError("forecasts are made while a video runs; leave out --forecast or --offline")
    if output.show:
        require_windows()

    @cache
    def tracker() -> Tracker:
        from tracker.tracker import Tracker

        if config is None or isinstance(config, Config | str | Path):
            return Tracker(config, device=device)
        return config

    job = _Job(tracker, output, vid_stride, progress, command, alone=len(sources) == 1)
    results: list[SourceResult] = []
    for source in sources:
        try:
            opened = open_source(source, vid_stride)
        except SourceError as error:
            results.append(SourceResult(_shown(source), error=error))
            continue
        with opened:
            results.append(job.track(opened, _given(source), partial(open_source, source, vid_stride)))
        if results[-1].interrupted:
            break
    return results


def _given(source: Any) -> str | list[str]:
    """A source as `run.yaml` has it: what `open_source` takes, without the secrets of a URL."""
    if isinstance(source, str | int | Path):
        return redacted(str(source)) if is_url(str(source)) else str(source)
    return [str(image) for image in source]


def _shown(source: Any) -> str:
    given = _given(source)
    return given if isinstance(given, str) else f"{len(given)} images"


@dataclass(frozen=True)
class _Job:
    """What the sources of one run share. The tracker is made when the first source has been opened."""

    tracker: Callable[[], Tracker]
    output: Output
    vid_stride: int
    progress: Callable[[Progress], None]
    command: Sequence[str]
    alone: bool

    def track(self, source: Source, given: str | list[str], reopen: Callable[[], Source]) -> SourceResult:
        """Track one source, `given` as this, to its end, its first error, or the user's interruption."""
        begun = time.perf_counter()
        from tracker.device import resolve_device

        if self.output.offline and source.live:
            raise UsageError(f"{source.name} is live and has no end to look back from; leave out --offline")
        tracker = self.tracker()
        detector = tracker.detector  # loaded before anything is written: errors leave nothing behind
        if tracker.config.appearance.enabled:
            tracker.embedder  # noqa: B018 - the same
        device = resolve_device(tracker.config.device)
        tracker.reset()
        tracker.stage_seconds.update(dict.fromkeys(tracker.stage_seconds, 0.0))
        result = SourceResult(source.name)
        start = time.perf_counter()
        result.folder = self._folder(source.name)
        record = self._record(source, given, tracker, device)
        replace_text(result.folder / "run.yaml", provenance.yaml_text(record))
        hindsight: Hindsight[Frame] = Hindsight(tracker.config.bank.report_delay_s, tracker.config.offline)
        decided: deque[tuple[Frame, Tracks]] = deque()
        recorder = Recorder()
        batch = tracker.config.detector.batch
        tables = replace(self.output, video=False, show=False, crops=False)  # of the first look
        with _Files(result.folder, source, tables if self.output.offline else self.output) as files:
            try:
                with closing(detected(source, detector, device, result.stage_seconds, batch)) as frames:
                    for frame, found in frames:
                        tracks = tracker.update(frame.image, found, time_s=frame.time_s)
                        result.frames += 1
                        result.first_frame_s = result.first_frame_s or time.perf_counter() - begun
                        tracks = replace(tracks, names=detector.names)
                        if self.output.offline:
                            recorder.add(tracks, found, tracker.camera_motion, tracker.features)
                        decided.extend(hindsight.push(frame, tracks, tracker.camera_motion))
                        files.take(decided)
                        live = len(tracks.confirmed)
                        seconds = time.perf_counter() - start
                        self.progress(Progress(source.name, result.frames, source.frame_count, live, seconds))
                        if files.window_closed:
                            result.interrupted = True
                            break
            except SourceError as error:
                result.error = error
            except KeyboardInterrupt:
                result.interrupted = True
            decided.extend(hindsight.flush())
            files.take(decided)
        result.tracks = files.tracks
        result.stage_seconds["write"] = files.seconds
        if len(recorder):
            self._look_again(recorder, tracker.config, reopen, result)
        result.seconds = time.perf_counter() - start
        result.stage_seconds.update({stage: s for stage, s in tracker.stage_seconds.items() if stage != "detect"})
        replace_text(result.folder / "run.yaml", provenance.yaml_text({**record, "result": result.to_dict()}))
        return result

    def _look_again(
        self, recorder: Recorder, config: Config, reopen: Callable[[], Source], result: SourceResult
    ) -> None:
        """Decode again the frames that were tracked, and write them with what a second look makes of the tracks.

        What the first look left is replaced only by what is complete: after an interruption it stays.
        """
        assert result.folder is not None
        decided: deque[tuple[Frame, Tracks]] = deque()
        try:
            with TemporaryDirectory(prefix=".second-look-", dir=result.folder) as scratch:
                table = second_look(recorder.table(), config)
                with reopen() as source, _Files(Path(scratch), source, self.output) as files:
                    for position, frame in zip(range(len(recorder)), source):  # noqa: B905 - the rest was not tracked
                        decided.append((frame, table.at(position, recorder.names)))
                        files.take(decided)
                        if files.window_closed:
                            result.interrupted = True
                            return
                result.tracks = files.tracks
                result.stage_seconds["write"] += files.seconds
                _move_files(Path(scratch), result.folder)
        except SourceError as error:
            result.error = result.error or error
        except KeyboardInterrupt:
            result.interrupted = True

    def _folder(self, name: str) -> Path:
        """A new folder for the results, or the existing one, emptied of an earlier run's results."""
        wanted = self.output.name or name
        path = self.output.project / wanted
        if self.output.name and not self.alone:
            path /= name
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if self.output.exist_ok:
                path.mkdir(exist_ok=True)
                for file in (*(path / file for file in FILES), *(path / CROPS).glob("*.jpg")):
                    file.unlink(missing_ok=True)
                return path
            count = 1
            while True:
                numbered = path if count == 1 else path.with_name(f"{path.name}-{count}")
                try:
                    numbered.mkdir()
                    return numbered
                except FileExistsError:
                    count += 1

    def _record(self, source: Source, given: str | list[str], tracker: Tracker, device: str) -> dict[str, Any]:
        """What `run.yaml` says: enough to repeat the run."""
        return {
            "command": provenance.command_line(self.command),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": {
                "given": given,
                "size": list(source.size or ()),
                "frames_per_s": round(source.fps, 4),
                "frame_count": source.frame_count,
                "vid_stride": self.vid_stride,
            },
            "offline": self.output.offline,
        } | provenance.conditions(tracker.config, device)


def _move_files(source: Path, target: Path) -> None:
    """Move all files of a folder, and of those in it, to the same places in another, over what is there."""
    for file in [path for path in source.rglob("*") if path.is_file()]:
        place = target / file.relative_to(source)
        with writing(place):
            place.parent.mkdir(exist_ok=True)
            file.replace(place)


class _Files:
    """The files of one source, written in order by a thread of their own.

    The first error ends the writing, of all files, and is raised by the next `take` or at the end.

    Attributes:
        seconds: time spent drawing and writing.
    """

    def __init__(self, folder: Path, source: Source, output: Output) -> None:
        self.seconds = 0.0
        self._writers: list[Writer] = []
        self._jobs: deque[Future[None]] = deque()
        self._failed = False
        self._written = 0  # number of the last frame
        self._window: Window | None = None
        with ExitStack() as opened:

            def add(writer: Writer) -> None:
                opened.enter_context(closing(writer))
                self._writers.append(writer)

            add(MotWriter(folder / "tracks.txt"))
            add(CsvWriter(folder / "tracks.csv"))
            self._summary = SummaryWriter(folder / "summary.csv")
            add(self._summary)
            if output.json:
                add(JsonLinesWriter(folder / "tracks.jsonl"))
            if output.crops:
                add(CropWriter(folder / CROPS))
            if output.video or output.show:
                add(Annotator(forecast_s=output.forecast_s))
            if output.video:
                add(VideoWriter(folder / "video.mp4", source.fps))
            if output.show:
                self._window = Window(source.name)
                add(self._window)
            # An interruption of the start of a thread leaves one behind that its pool does not know of, and the pool
            # would start another. So it runs before there is anything to write.
            self._pool = ThreadPoolExecutor(1, "write")
            self._pool.submit(int).result()
            self._open = opened.pop_all()

    @property
    def tracks(self) -> int:
        """How many different tracks were written."""
        return len(self._summary)

    @property
    def window_closed(self) -> bool:
        """The user has closed the window: the run is to end."""
        return self._window is not None and self._window.closed

    def take(self, decided: deque[tuple[Frame, Tracks]]) -> None:
        """Take frames from the left until none is left; waits where too many wait already.

        What an interruption finds not yet taken is still in `decided`; a frame that it finds on the way is there, too,
        and is written once.

        Raises:
            OutputError: an earlier frame could not be written.
        """
        while decided:
            while len(self._jobs) >= _WRITE_AHEAD or (self._jobs and self._jobs[0].done()):
                self._jobs[0].result()
                self._jobs.popleft()
            self._jobs.append(self._pool.submit(self._write, *decided[0]))
            decided.popleft()

    def _write(self, frame: Frame, tracks: Tracks) -> None:
        if self._failed or frame.number <= self._written:
            return
        self._written = frame.number
        start = time.perf_counter()
        try:
            for writer in self._writers:
                writer.write(frame, tracks)
        except Exception:
            self._failed = True
            raise
        finally:
            self.seconds += time.perf_counter() - start

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits, then close every file, whatever happens."""
        with self._open:
            self._finish()
            while self._jobs:
                self._jobs.popleft().result()

    def _finish(self) -> None:
        """Wait until all is written, also where that is interrupted: no file may be closed that is written to.

        The thread itself cannot be waited for: to Python 3.11 it has ended once that wait was interrupted.
        """
        last = self._pool.submit(int)  # there is one thread, so all others are done before it
        interruption = None
        while not last.done():
            try:
                wait([last])
            except KeyboardInterrupt as error:
                interruption = error
        self._pool.shutdown()
        if interruption:
            raise interruption


def detected(
    source: Source, detector: Detector, device: str, stage_seconds: dict[str, float], batch: int = 0
) -> Generator[tuple[Frame, Detections], None, None]:
    """The frames of a source with what the detector finds in each, some looked at ahead.

    On a CPU several frames are looked at side by side, each by its share of the cores: that wastes less than all cores
    on one frame. A GPU looks at batches (of `batch` frames where that is not 0). A live source is never looked at
    ahead: that would only add delay.

    Raises:
        SourceError: the source's own, after the last frame that could be read.
    """
    import torch

    cores = torch.get_num_threads()
    workers = 1 if source.live or device != "cpu" else min(_CPU_WORKERS, cores)
    size = 1 if source.live else batch or (1 if device == "cpu" else _CUDA_BATCH)
    ahead = 0 if source.live else workers
    pending: deque[tuple[list[Frame], Future[tuple[list[Detections], float]]]] = deque()
    failure: SourceError | None = None

    def detect(images: list[Image]) -> tuple[list[Detections], float]:
        start = time.perf_counter()
        return detector(images), time.perf_counter() - start

    def finish() -> Iterator[tuple[Frame, Detections]]:
        frames, job = pending.popleft()
        found, seconds = job.result()
        stage_seconds["detect"] += seconds
        yield from zip(frames, found, strict=True)

    with (
        _torch_threads(max(1, cores // workers)),
        ThreadPoolExecutor(workers, "detect", torch.set_num_threads, (max(1, cores // workers),)) as pool,
    ):
        try:
            for frames in _batches(source, size, stage_seconds):
                pending.append((frames, pool.submit(detect, [frame.image for frame in frames])))
                if len(pending) > ahead:
                    yield from finish()
        except SourceError as error:
            failure = error
        while pending:
            yield from finish()
    if failure is not None:
        raise failure


def _batches(source: Source, size: int, stage_seconds: dict[str, float]) -> Iterator[list[Frame]]:
    """The frames in lists of `size`; a shorter one at the end or before the source's error."""
    frames: list[Frame] = []
    failure: SourceError | None = None
    coming = iter(source)
    while True:
        start = time.perf_counter()
        try:
            frame = next(coming, None)
        except SourceError as error:
            frame, failure = None, error
        stage_seconds["decode"] += time.perf_counter() - start
        if frame is not None:
            frames.append(frame)
        if frames and (frame is None or len(frames) == size):
            yield frames
            frames = []
        if frame is None:
            break
    if failure is not None:
        raise failure


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch use `count` threads in this thread, and give it back its own number afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
