"""Track many videos with several processes, and go on where an earlier call was."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli._options import TrackingOptions, with_options
from tracker.cli.finished.identities import found_in
from tracker.cli.run import prepare
from tracker.jobs.interruption import pass_on

if TYPE_CHECKING:
    from tracker.jobs.batch.videos import BatchProgress, BatchResult

_SPEED_S = 600.0  # over which the time left is estimated: videos differ


@with_options
def command(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Video, folder of any depth, quoted glob ('archive/**/*.mp4'), URL, or text file with one a line.",
        ),
    ],
    project: Annotated[
        str,
        typer.Option(metavar="DIR", help="Folder of the results, or s3://...; what is done there is not done again."),
    ],
    options: TrackingOptions,
    jobs: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processes.", min=1, show_default="by cores and free memory"),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(metavar="auto|ADDRESS", help="Use the machines of this Ray cluster, which share all paths."),
    ] = None,
    gpu: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Of a GPU for each video on a cluster that has some.", min=0.01, max=1),
    ] = 0.25,
    part: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Cut longer videos into parts, tracked side by side; 0: none.", min=0),
    ] = 0.0,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what failed before.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Leave tracks.jsonl too, and print the summary as JSON.")
    ] = False,
) -> None:
    """Track many videos with several processes, and go on where an earlier call was.

    Leaves in PROJECT a folder for each video, as `track` does, batch.csv (source,
    state, frames, tracks, seconds, error), which is valid at any time, and, once
    it ends, summary.csv (a row per object of all videos); with --parquet also
    tracks.parquet, the rows of all videos, partitioned by video. Called again, it
    tracks what is new or waits, goes on where it was interrupted, and with --retry
    tries again what failed. A file that is damaged, or ends its process, fails
    alone. Each process computes in one thread, so results do not depend on how
    many there are. With --part a longer video is tracked in parts at the same
    time, which are joined to what one run of it leaves.

    Example: track batch 'archive/**/*.mp4' --project runs/archive --no-video
    """
    from tracker.jobs.batch.pool import WorkerPool
    from tracker.jobs.batch.ray_cluster import RayPool
    from tracker.jobs.batch.sources import listed
    from tracker.jobs.batch.storage import gallery_at, is_stored
    from tracker.jobs.batch.tracking import TrackingPlan
    from tracker.jobs.batch.videos import batch

    found = listed(sources)
    settings = options.settings(quiet)
    stored = is_stored(project)
    output = options.output(Path() if stored else Path(project).absolute(), as_json)
    zones, ground = options.places()
    prepare(settings, quiet)
    words = ["track", *sys.argv[1:]]
    results = project if stored else ""
    gallery = options.gallery or ""
    if gallery and not is_stored(gallery):
        gallery = str(Path(gallery).absolute())
    plan = TrackingPlan(
        settings, output, options.device, options.vid_stride, options.fps, zones, ground, words, results, gallery, part
    )
    pool = partial(WorkerPool, jobs or _processes(quiet)) if ray is None else partial(RayPool, ray, jobs=jobs, gpu=gpu)
    with _progress_shown(quiet) as progress:
        result = batch(found, plan, pool, retry, progress)
    if as_json:
        print(json.dumps(_counts(result)))
    elif not quiet:
        _print_summary(result, project)
    if result.interrupted:
        if not quiet:
            print("interrupted: the same command goes on where it was", file=sys.stderr)
        pass_on(result.interrupted)
    if gallery and not (archive := gallery_at(gallery)).empty:
        found_in(archive, quiet or as_json)
    counts = _counts(result)
    if counts["done"] < len(result.rows):
        missing = f"{counts['failed']} of {len(result.rows)} videos failed"
        if counts["interrupted"]:
            missing += f", {counts['interrupted']} were interrupted"
        print(
            f"error: {missing}; {project.rstrip('/')}/batch.csv says why, --retry tries failed ones again",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _processes(quiet: bool) -> int:
    """How many there is room for, said."""
    from tracker.jobs.batch.resources import cores, free_bytes, processes

    count = processes()
    if not quiet:
        print(
            f"{count} {'process' if count == 1 else 'processes'}: {cores()} cores, "
            f"{free_bytes() / 1e9:.0f} GB of free memory; --jobs N changes that",
            file=sys.stderr,
        )
    return count


def _counts(result: BatchResult) -> dict[str, int]:
    """How many videos are in each state, and what there is of those that are done."""
    from tracker.jobs.batch.manifest import VideoState

    done = [row for row in result.rows if row.state == VideoState.DONE]
    counts = {str(state): sum(row.state == state for row in result.rows) for state in VideoState}
    return counts | {"frames": sum(row.frames for row in done), "tracks": sum(row.tracks for row in done)}


def _print_summary(result: BatchResult, project: str) -> None:
    counts = _counts(result)
    print(
        f"{counts['done']} of {len(result.rows)} videos done: {counts['tracks']} tracks in {counts['frames']} frames\n"
        f"  results in {project}"
    )


@contextmanager
def _progress_shown(quiet: bool) -> Iterator[Callable[[BatchProgress], None]]:
    """One bar for the whole on stderr where that is a terminal, else a line for each video that has ended."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield (lambda _: None) if quiet else _LineAVideo()
        return
    columns = (
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} frames/s{task.fields[failed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, speed_estimate_period=_SPEED_S) as bar:
        task = bar.add_task("loading", total=None, fps=0.0, failed="")
        failed = heard = 0

        def update(at: BatchProgress) -> None:
            nonlocal failed, heard
            failed += sum(bool(row.error) for row in at.rows[heard:])
            heard = len(at.rows)
            shares = sum(v.frames / v.frame_count for v in at.running.values() if v.frame_count)
            bar.update(
                task,
                description=f"{len(at.running)} at once",
                completed=heard + shares,
                total=at.wanted,
                fps=sum(v.frames / v.seconds for v in at.running.values() if v.seconds),
                failed=f"  {failed} failed" if failed else "",
            )

        yield update


class _LineAVideo:
    """A line for each video that has ended."""

    def __init__(self) -> None:
        self._told = 0

    def __call__(self, at: BatchProgress) -> None:
        for row in at.rows[self._told :]:
            self._told += 1
            became = row.error or f"{row.tracks} tracks in {row.frames} frames, {row.seconds:.1f} s"
            if row.source not in became:
                became = f"{row.source}: {became}"
            print(f"{self._told}/{at.wanted} {row.state}: {became}", file=sys.stderr)
