"""The main job: sources in, a folder of results for each.

A frame passes four stages that work at the same time, each on another frame: decoding (a thread of the source),
detection (worker threads), tracking (a thread of the job) and writing (one thread). The queues between them are bounded
and keep the order, and detection looks at each frame alone, so the results are those of one stage after the other. An
error in any stage ends the run with that error; what was written until then stays, closed and valid.

Files are worked through one after another. Live sources wait for no other: each has a thread, a tracker and a folder of
its own, and all share the networks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.config import Config
from tracker.errors import OutputError, SourceError, UsageError
from tracker.jobs.identities.archive import IdentityArchive
from tracker.jobs.identities.collector import EmbeddingCollector, require_embeddings
from tracker.jobs.interruption import attend
from tracker.jobs.outcome import STAGES, Progress, SourceResult, shown_source
from tracker.jobs.passes.online import Drawn, OnlinePass, restore
from tracker.jobs.passes.second import second_pass
from tracker.jobs.result_files import ResultFiles, move_files
from tracker.jobs.result_folder import Output, ResultFolders, names_apart
from tracker.jobs.resume.beginning import Beginning, begin
from tracker.jobs.resume.conditions import Conditions
from tracker.jobs.resume.saving import Saving
from tracker.output.window import require_windows
from tracker.smoothing.first_pass import FirstPass
from tracker.system.extras import extra
from tracker.video.source import Source, open_source
from tracker.video.url import is_url, scheme

if TYPE_CHECKING:
    from tracker.tracker import Tracker

__all__ = ["STAGES", "Output", "Progress", "SourceResult", "run"]


def run(
    sources: Sequence[Any],
    config: Config | str | Path | Tracker | None = None,
    output: Output | None = None,
    *,
    device: str | None = None,
    vid_stride: int = 1,
    reconnect_s: float = 600.0,
    fps: float | None = None,
    zones: Zones | None = None,
    ground: GroundPlane | None = None,
    gallery: IdentityArchive | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    command: Sequence[str] = (),
) -> list[SourceResult]:
    """Track sources, each from id 1 and into a folder of its own: files one after another, live ones at the same time.

    Args:
        sources: what `open_source` takes, each: file, folder, glob, camera number, URL, list of images.
        config: as for `Tracker`; or a tracker, whose networks are loaded already.
        output: what to leave and where; `Output()` by default.
        device: as for `Tracker`.
        vid_stride: use every Nth frame.
        reconnect_s: a live source that has worked once is waited for so long when it drops.
        fps: as for `open_source`, of every source.
        zones: in each source's picture; detections in their regions to ignore are dropped before tracking, and what
            happens at their lines and in their zones is written and drawn.
        ground: in each source's picture: its tables have metres, too, and one whose camera moves ends with an error.
        gallery: gets what the tracks of each source look like that is read to its end.
        progress: called after each frame, in the thread of its source.
        command: the command line, to be noted in `run.yaml`.

    Returns:
        A result for each source, in order. A source that cannot be opened or read to its end has its `SourceError` in
        `error`, and the next one follows. After an interruption (Ctrl-C, and in the `track` command SIGTERM and SIGHUP)
        none does; all that is running ends at its next frame. Where several run at the same time, one that cannot
        write has its `OutputError` in `error`, too.

    Raises:
        TrackerError: settings, device, weights or output that cannot be used; files are closed and valid.
        MissingExtraError: what `parquet` needs is not installed.
        UsageError: a live source, or forecasts, to be post-processed offline; a live source, or no embeddings, for a
            gallery; no window where one is to be shown; classes to blur that are not looked for.
    """
    output, zones = output or Output(), zones or Zones()
    output = replace(output, events=bool(zones.places))
    if output.offline and output.forecast_s:
        raise UsageError("forecasts are made while a video runs; leave out --forecast or --offline")
    if output.show:
        require_windows()
    if output.parquet:
        extra("pyarrow", "formats")  # before the work
    names = names_apart(sources)
    folders = ResultFolders(output, sources)
    live = [n for n, source in enumerate(sources) if len(sources) > 1 and is_live(source, vid_stride, reconnect_s)]
    networks = _SharedNetworks(config, device)
    job = _Job(networks, folders, vid_stride, reconnect_s, fps, zones, ground, gallery, progress, command, bool(live))
    results: dict[int, SourceResult] = {}

    def track(number: int) -> None:
        if not job.stopped:
            results[number] = job.track(sources[number], names[number])

    def one_after_another(numbers: Sequence[int]) -> None:
        for number in numbers:
            track(number)

    files = [number for number in range(len(sources)) if number not in live]
    attend([*([partial(one_after_another, files)] if files else []), *(partial(track, n) for n in live)], job.stop)
    return [results[number] for number in sorted(results)]


def is_live(source: Any, vid_stride: int, reconnect_s: float) -> bool:
    """Whether a source's frames come whether or not they are read; only of HTTP it has to be opened to be known."""
    if isinstance(source, int) or not isinstance(source, str | Path):
        return isinstance(source, int)
    text = str(source)
    if not is_url(text):
        return text.removeprefix("/dev/video").isdecimal() and not Path(text).is_file()
    if scheme(text) not in ("http", "https"):
        return True
    try:
        with open_source(source, vid_stride, reconnect_s) as opened:
            return opened.live
    except SourceError:
        return False  # it fails in its turn


class _SharedNetworks:
    """The networks of all sources of a run, loaded once, when the first source has been opened.

    Attributes:
        turn: held by the one that uses the detector, where several sources do at the same time.
    """

    def __init__(self, config: Config | str | Path | Tracker | None, device: str | None) -> None:
        self._config = config
        self._device = device
        self._lock = threading.Lock()
        self.turn = threading.Lock()

    def tracker(self, of_its_own: bool) -> Tracker:
        """A tracker without tracks: a new one, or where sources follow one another, the same for all."""
        with self._lock:
            tracker = copy(self._loaded) if of_its_own else self._loaded
            tracker.stage_seconds = dict.fromkeys(tracker.stage_seconds, 0.0)
            tracker.reset()
            return tracker

    @cached_property
    def _loaded(self) -> Tracker:
        from tracker.tracker import Tracker

        config = self._config
        if config is None or isinstance(config, Config | str | Path):
            config = Tracker(config, device=self._device)
        config.detector  # noqa: B018 - before anything is written: errors leave nothing behind
        if config.config.appearance.enabled:
            config.embedder  # noqa: B018 - the same
        return config


@dataclass
class _Job:
    """What the sources of one run share."""

    networks: _SharedNetworks
    folders: ResultFolders
    vid_stride: int
    reconnect_s: float
    fps: float | None
    zones: Zones
    ground: GroundPlane | None
    gallery: IdentityArchive | None
    progress: Callable[[Progress], None]
    command: Sequence[str]
    beside_others: bool
    stopped: int = 0  # the signal that ends the run
    _reading: set[Source] = field(default_factory=set)

    def stop(self, number: int) -> None:
        """End every source at its next frame; what waits for a frame waits no longer."""
        self.stopped = self.stopped or number
        for source in tuple(self._reading):
            source.close()

    def track(self, source: Any, name: str) -> SourceResult:
        """Track one source, its folder called `name` if not empty, to its end, its first error, or an interruption."""
        try:
            with self._opened(source) as opened:
                return self._track(opened, source, name or opened.name)
        except SourceError as error:
            return SourceResult(shown_source(source), error=error)

    @contextmanager
    def _opened(self, source: Any) -> Iterator[Source]:
        with open_source(source, self.vid_stride, self.reconnect_s, self.fps) as opened:
            self._reading.add(opened)
            try:
                yield opened
            finally:
                self._reading.discard(opened)

    def _track(self, source: Source, given: Any, name: str) -> SourceResult:
        wanted = time.perf_counter()
        from tracker.system.device import resolve_device

        output = self.folders.output
        if output.offline and source.live:
            raise UsageError(f"{source.name} is live and has no end to look back from; leave out --offline")
        if self.gallery is not None and source.live:
            raise UsageError(f"{source.name} is live, and a gallery is of recordings; leave out --gallery")
        assert source.size is not None  # of the first frame, which an open source has
        tracker = self.networks.tracker(of_its_own=self.beside_others)
        collector = None
        if self.gallery is not None:
            require_embeddings(tracker.config)
            self.gallery.require_usable()
            collector = EmbeddingCollector()
        device = resolve_device(tracker.config.device)
        result = SourceResult(name)
        if self.stopped:
            return replace(result, interrupted=True, signal=self.stopped)
        drawn = Drawn.of(self.zones, output.blur, self.ground, source.size, tracker)
        start = time.perf_counter()
        recorded = not source.live and not (isinstance(given, str) and is_url(given))
        conditions = Conditions(
            self.folders.output, self.vid_stride, self.fps, self.zones, self.ground, self.command, self.gallery
        ).of(source, given, tracker.config, device, recorded)
        begun = begin(self.folders, name, given, conditions, recorded)
        if begun.finished is not None:
            return begun.finished
        result.folder, record = begun.folder, begun.record
        try:
            with ExitStack() as opened:
                if begun.unfinished is not None:
                    opened.callback(begun.unfinished.release)
                record.save()
                kept = begun.folder if begun.unfinished is None else begun.unfinished.folder
                first = None
                if output.offline:
                    first = FirstPass(kept, begun.unfinished is not None, embeddings=collector is not None)
                    opened.enter_context(first)
                seen_at_once = collector if first is None else None
                self._online(source, tracker, device, drawn, begun, first, seen_at_once, result, wanted)
                if first is not None and len(first.recorder) and not self.stopped:
                    self._second(first, tracker.config, given, begun, drawn, collector, result)
                if self.gallery is not None and collector is not None and not (self.stopped or result.error):
                    self.gallery.add(collector.collected(given, begun.folder.name, tracker))
        except OutputError as error:
            result.error = error
        if self.stopped:
            result.interrupted, result.signal = True, self.stopped
        result.seconds += time.perf_counter() - start
        result.stage_seconds.update({stage: s for stage, s in tracker.stage_seconds.items() if stage != "detect"})
        ended = not self.stopped and not isinstance(result.error, OutputError)
        begun.end(result, ended)
        if isinstance(result.error, OutputError) and not self.beside_others:
            raise result.error
        return result

    def _online(
        self,
        source: Source,
        tracker: Tracker,
        device: str,
        drawn: Drawn,
        begun: Beginning,
        first: FirstPass | None,
        collector: EmbeddingCollector | None,
        result: SourceResult,
        wanted: float,
    ) -> None:
        """Every frame through detector and tracker, from the first, or from where an interrupted run was."""
        output, unfinished, before = self.folders.output, begun.unfinished, begun.saved
        if before is not None and "files" not in before:  # it was interrupted later
            assert first is not None
            first.go_on(before["run"]["first"], tracker.detector.names)
            restore(result, before["run"])
            return
        left = replace(output, video=False, show=False, crops=False) if output.offline else output
        told = begun.record.add, *drawn, None if unfinished is None else unfinished.folder, before is not None
        files = ResultFiles(begun.folder, source, left, *told, collector=collector)
        way = OnlinePass(
            source,
            tracker,
            device,
            drawn,
            files,
            first,
            bool(output.forecast_s),
            result,
            self.networks.turn if self.beside_others else nullcontext(),
            wanted,
            self.progress,
            self,
            None if unfinished is None else Saving(unfinished, files),
        )
        try:
            with files:
                if before is not None:
                    files.take_over(before["files"])
                    way.take_over(before["run"])
                way.run()
        except SourceError:
            if not self.stopped:  # else it was closed before it was read up to where the run goes on
                raise
        finally:  # once all is written, also what waited
            files.tell(result)
        result.stage_seconds["write"] = files.seconds
        if not self.stopped:
            way.end()

    def _second(
        self,
        first: FirstPass,
        config: Config,
        given: Any,
        begun: Beginning,
        drawn: Drawn,
        collector: EmbeddingCollector | None,
        result: SourceResult,
    ) -> None:
        """The frames once more, with what post-processing makes of their tracks."""

        def written(source: Source, scratch: Path) -> ResultFiles:
            assert source.size is not None
            places = self.zones.fitted(source.size)  # where nothing has happened yet
            told = begun.record.add, places, drawn.blur, drawn.ground
            return ResultFiles(scratch, source, self.folders.output, *told, collector=collector)

        with ExitStack() as opened:
            if begun.unfinished is not None:
                scratch = begun.unfinished.scratch()
            else:
                scratch = Path(opened.enter_context(TemporaryDirectory(prefix=".offline-", dir=begun.folder)))
            try:
                files = second_pass(first, config, drawn.blur, self._opened(given), written, scratch, self)
            except SourceError as error:
                result.error = result.error or error
                return
            if files is not None:
                files.tell(result)
                result.stage_seconds["write"] += files.seconds
                move_files(scratch, begun.folder)
