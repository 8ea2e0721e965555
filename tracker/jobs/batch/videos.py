"""Many videos tracked by several processes, each into a folder of its own: what is done stays done.

A process loads the networks once and then does what `track` does, a video at a time. Nothing that happens to one video
ends the others; what would happen to all of them alike (settings, weights, a full disk) ends the batch.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tracker import provenance
from tracker.errors import OutputError, UsageError
from tracker.jobs.batch.dataset import part_of, write_part
from tracker.jobs.batch.long_videos import LongVideos
from tracker.jobs.batch.manifest import JOURNAL, TABLE, Manifest, VideoRow, VideoState
from tracker.jobs.batch.pool import TaskBegun, TaskDone, TaskFailed, TaskNews, TaskPool
from tracker.jobs.batch.sources import folders
from tracker.jobs.batch.storage import Results
from tracker.jobs.batch.summary import SUMMARY, write_summary
from tracker.jobs.batch.tracking import PARTS, DiskFullError, TrackingPlan, Video, one_line, parts_folder, ready
from tracker.jobs.batch.worker import Work
from tracker.jobs.outcome import Progress
from tracker.jobs.parts.long_video import remove_parts
from tracker.jobs.result_folder import PARQUET
from tracker.jobs.resume.options import differences
from tracker.system.files import read_yaml, replace_text
from tracker.system.output_folder import alone, claim
from tracker.video.url import is_url

_LEAST_S = 5.0  # of a part, which is tracked for 12 s more
SETTINGS, LOCK, MARK = "batch.yaml", ".batch.lock", ".made-by-track-batch"
_TAKEN = (TABLE, JOURNAL, SUMMARY, SETTINGS, LOCK, PARQUET, PARTS)  # names that no folder of a video may have


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
        UsageError: the folder holds results of other settings; settings that suit no video, or no parts.
        WeightsError, MissingExtraError: of networks that cannot be loaded.
        OutputError: the folder cannot be written, is in use, is full, or holds what no batch made.
        DataError: its manifest is damaged.
    """
    if tracking.part_s and tracking.results:
        raise UsageError("parts of a video need a folder that all processes share; leave out --part or s3://")
    if not tracking.part_s >= 0:
        raise UsageError(f"--part is {tracking.part_s:g}; give seconds, 0 or more")
    if 0 < tracking.part_s < _LEAST_S:
        raise UsageError(f"a part of {tracking.part_s:g} s is mostly what its neighbours track, too; give --part 600")
    if tracking.part_s and tracking.output.forecast_s:
        raise UsageError("forecasts are made while a video runs; leave out --forecast or --part")
    with _folder(tracking) as (project, keep), closing(Manifest(project, partial(keep, TABLE))) as manifest:
        begun = sum(row.state != VideoState.WAITING for row in manifest.rows.values())
        _require_same(project / SETTINGS, tracking, begun)
        keep(SETTINGS)
        manifest.forget(_never_there(manifest, sources))
        places = _places(project, tracking, manifest, sources)
        manifest.add(sources)
        over = {VideoState.DONE} if retry else {VideoState.DONE, VideoState.FAILED}
        rows = [row for source in sources if (row := manifest.rows[source]).state not in over]
        rows = [row for row in rows if row.state != VideoState.FAILED or not _is_gone(row.source)]
        videos = [
            Video(row.source, sources[row.source], places[row.source], anew=row.state == VideoState.FAILED)
            for row in rows
        ]
        interrupted = _track(videos, tracking, pool, manifest, progress)
        for row in manifest.rows.values():  # also what a driver that was killed has left
            if row.state == VideoState.DONE and (project / PARTS).exists():
                remove_parts(parts_folder(project, places[row.source]))
        done = {row.source: places[row.source] for row in manifest.rows.values() if row.state == VideoState.DONE}
        if tracking.results:
            Results(tracking.results).fetch([f"{folder}/{SUMMARY}" for folder in done.values()], project)
        elif tracking.output.parquet:
            _complete_dataset(project, done)
        write_summary(project, done)
        keep(SUMMARY)
        return BatchResult([manifest.rows[source] for source in sources], interrupted)


@contextmanager
def _folder(tracking: TrackingPlan) -> Iterator[tuple[Path, Callable[[str], None]]]:
    """The folder of the batch's own files, claimed, and what is to be called when one of them has changed.

    Where results are in an object storage, it is a copy of what is there, made for as long as the context lasts.
    """
    leaves = (TABLE, JOURNAL, SUMMARY, SETTINGS)
    if tracking.results:
        stored = Results(tracking.results)
        with TemporaryDirectory(prefix="tracker-batch-") as scratch:
            folder = Path(scratch)
            stored.fetch((TABLE, SETTINGS, MARK), folder)
            claim(folder, "batch", leaves, option="--project")
            stored.put(folder / MARK, MARK)
            yield folder, lambda name: stored.put(folder / name, name)
        return
    project = tracking.output.project
    lock = alone(project / LOCK, "batch", project)
    with nullcontext() if lock is None else lock:
        claim(project, "batch", leaves, option="--project")
        yield project, lambda _: None


def _require_same(path: Path, tracking: TrackingPlan, begun: int) -> None:
    """Note how videos are tracked, or require, where some have begun, that it is as noted, as far as both versions know
    a setting."""
    now = yaml.safe_load(provenance.yaml_text(tracking.to_dict()))
    if not begun or not path.is_file():
        record = {"command": provenance.command_line(tracking.command), "settings": now}
        replace_text(path, provenance.yaml_text(record))
        return
    before = read_yaml(path)
    record = before if isinstance(before, dict) else {}
    other = differences(record.get("settings"), now, known_to_both=True)
    if tracking.output.parquet and not tracking.results and other.pop("output.parquet", ""):
        replace_text(path, provenance.yaml_text({**record, "settings": now}))  # made of what is there
    if other:
        videos = "1 video" if begun == 1 else f"{begun} videos"
        raise UsageError(
            f"{path.parent} holds {videos} tracked otherwise: {', '.join([*other.values()][:3])}; "
            "give it as it was, or another --project, where all are tracked again"
        )


def _complete_dataset(project: Path, done: Mapping[str, str]) -> None:
    """Write the rows of videos that were done before these were wanted."""
    for source, folder in done.items():
        part = project / part_of(folder)
        if not part.exists():
            write_part(project / folder, part, source)


def _never_there(manifest: Manifest, sources: Mapping[str, Any]) -> list[str]:
    """Rows of files that failed, are not there and not asked for any more, as a path that was mistyped; none where
    others' folders would be called otherwise without them.
    """
    rows = manifest.rows
    gone = [
        source
        for source, row in rows.items()
        if row.state == VideoState.FAILED and not row.frames and source not in sources and _is_gone(source)
    ]
    before, after = folders([*rows], _TAKEN), folders([source for source in rows if source not in {*gone}], _TAKEN)
    return gone if after.items() <= before.items() else []


def _is_gone(source: str) -> bool:
    return not is_url(source) and not os.path.lexists(source)


def _places(project: Path, tracking: TrackingPlan, manifest: Manifest, sources: Mapping[str, Any]) -> dict[str, str]:
    """The folder of every row, new ones among them, where nothing is yet.

    Raises:
        OutputError: something is.
    """
    new = [source for source in sources if source not in manifest.rows]
    places = folders([*manifest.rows, *new], _TAKEN)
    used = Results(tracking.results).names() if tracking.results else {path.name for path in project.iterdir()}
    there = next((places[source] for source in new if places[source] in used), None)
    if there is not None:
        place = f"{tracking.results}/{there}" if tracking.results else project / there
        raise OutputError(f"{place} is there and no batch made it; move it away, or give another --project")
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
    queue = deque[Any](videos)
    long = LongVideos(queue)
    try:
        with pool(partial(ready, tracking)) as workers, closing(workers.heard(queue)) as heard:
            for event in heard:
                task, row = event.task, None
                source = task.source
                match event:
                    case TaskBegun() if source not in running:
                        running[source] = Progress(source, 0, None, 0, 0.0)
                        manifest.note(VideoRow(source, VideoState.RUNNING))
                    case TaskNews(news=news) if source in running:
                        running[source] = long.told(task, news)
                    case TaskDone(result=result):
                        row = long.done(task, result)
                    case TaskFailed(error=error):
                        if isinstance(error, DiskFullError):
                            raise error
                        if long.failed(task, error):
                            row = _lost(running[source], source, error, bool(workers.stopped))
                if row is not None:
                    del running[source]
                    ended.append(row)
                    manifest.note(row)
                    if row.state == VideoState.DONE and tracking.part_s:
                        remove_parts(parts_folder(tracking.output.project, task.video.folder))
                progress(BatchProgress(len(videos), ended, running))
            return workers.stopped
    finally:
        for source, at in running.items():  # where an error ends the batch, or it ends between two parts
            manifest.rows[source] = VideoRow(source, VideoState.INTERRUPTED, at.frames, 0, at.seconds)


def _lost(at: Progress, source: str, error: BaseException, stopped: bool) -> VideoRow:
    """The row of a video that came so far, and then its process ended or raised."""
    state = VideoState.INTERRUPTED if stopped else VideoState.FAILED
    why = "" if isinstance(error, KeyboardInterrupt) else one_line(error)
    return VideoRow(source, state, at.frames, 0, at.seconds, why)
