"""Track every object in videos, image folders, cameras or streams (the default command)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli._options import TrackingOptions, with_options
from tracker.cli.finished.identities import found_in
from tracker.config import Config
from tracker.jobs.interruption import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import TaskID

    from tracker.analytics.events import Count
    from tracker.jobs.outcome import Progress, SourceResult

_CLASSES = 8  # that one line can hold


@with_options
def command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Video, folder of images, glob, camera number, RTSP or HTTP URL."),
    ],
    options: TrackingOptions,
    reconnect_for: Annotated[
        float, typer.Option(metavar="MINUTES", help="A live source that drops is waited for so long.", min=0)
    ] = 10.0,
    project: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("runs/track"),
    name: Annotated[str | None, typer.Option(help="Folder of this run; by default the source's name.")] = None,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Replace what an earlier run left there.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run of this file that was interrupted, in its folder.")
    ] = False,
    show: Annotated[bool, typer.Option("--show", help="Show the frames in a window; Q ends the run.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar and no summary.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Leave tracks.jsonl too, and print the summary as JSON.")
    ] = False,
) -> None:
    """Track every object in videos, image folders, cameras or streams.

    Leaves in runs/track/NAME: video.mp4 (boxes, ids, trails), tracks.txt
    (MOTChallenge), tracks.csv, summary.csv (a row per object) and run.yaml (all
    that is needed to replay it); with --zones events.jsonl and counts.csv, too;
    with --camera the tables have metres and metres a second. Files are tracked
    one after another, live sources at the same time. SIGINT, SIGTERM and SIGHUP
    end it with all files complete.

    Options of Ultralytics and BoxMOT that mean the same are understood, such as
    --source, --output DIR, --save-txt or --conf-thres.

    Example: track video.mp4 --classes person,car
    """
    from tracker.jobs.batch.storage import gallery_at
    from tracker.jobs.run import run
    from tracker.video.source import separate

    settings = options.settings(quiet)
    output = replace(options.output(project, as_json), name=name or "", exist_ok=exist_ok, show=show, resume=resume)
    zones, ground = options.places()
    archive = gallery_at(options.gallery) if options.gallery else None
    prepare(settings, quiet)
    with _progress_bar(quiet) as progress:
        if resume and not quiet:
            progress = _saying_where_it_begins(progress)
        results = run(
            separate(sources),
            settings,
            output,
            device=options.device,
            vid_stride=options.vid_stride,
            reconnect_s=60 * reconnect_for,
            fps=options.fps,
            zones=zones,
            ground=ground,
            gallery=archive,
            progress=progress,
            command=["track", *sys.argv[1:]],
        )
    if as_json:
        print(json.dumps([result.to_dict() for result in results]))
    elif not quiet:
        for result in results:
            _print_summary(result)
    for result in results:
        if result.error is not None:
            kept = f" (the tracks of {result.frames} frames are in {result.folder})" if result.frames else ""
            print(f"error: {result.error}{kept}", file=sys.stderr)
    for result in results:
        if result.interrupted:
            pass_on(result.signal)
    if archive is not None and not archive.empty:
        found_in(archive, quiet or as_json)
    if any(result.error for result in results):
        raise typer.Exit(1)


def prepare(settings: Config, quiet: bool) -> None:
    """Make the networks of the configuration's engine that are not made yet, and say so."""
    if settings.engine == "torch":
        return
    from rich.console import Console

    from tracker.export.int8 import prepared

    console = Console(stderr=True, quiet=quiet)
    if console.is_terminal:
        with console.status("") as status:
            prepared(settings, status.update)
        return
    said: list[str] = []

    def tell(what: str) -> None:
        if not said:  # in a log, one line that says why nothing else happens
            console.print("making the INT8 networks, once: a minute or two", soft_wrap=True)
            said.append(what)

    prepared(settings, tell)


@contextmanager
def _progress_bar(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A bar for each source on stderr where that is a terminal: frames, frames/s, live tracks, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}", style="bold", markup=False),  # names may have brackets, colons
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[fps]:.1f} frames/s  {task.fields[live]} tracks"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        loading = bar.add_task("loading", total=None, fps=0.0, live=0)
        tasks: dict[str, TaskID] = {}  # a line for all files, one after another, and one for each live source
        lock = Lock()

        def update(at: Progress) -> None:
            line = at.source if at.frame_count is None else ""
            with lock:  # sources that run at the same time call from threads of their own
                if line not in tasks:
                    tasks[line] = bar.add_task("", total=None, fps=0.0, live=0) if tasks else loading
            bar.update(
                tasks[line],
                description=at.source,
                completed=at.frames,
                total=at.frame_count,
                fps=at.frames / at.seconds,
                live=at.live,
            )

        yield update


def _saying_where_it_begins(progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """The same, and with the first frame of each source a line on stderr: whether its run was gone on with."""
    begun: set[str] = set()

    def update(at: Progress) -> None:
        if at.source not in begun:
            begun.add(at.source)
            where = f"went on from frame {at.frames}"
            said = "nothing to go on from: tracked from the start" if at.frames == 1 else where
            print(f"{at.source}: {said}", file=sys.stderr)
        progress(at)

    return update


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _print_summary(result: SourceResult) -> None:
    from tracker.jobs.result_folder import UNFINISHED

    if result.folder is None:
        return
    if result.finished_before:
        print(f"{result.source}: finished already, nothing was changed\n  results in {result.folder}")
        return
    summary = result.to_dict()
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in summary["ms_per_frame"].items())
    again = "; --resume goes on" if (result.folder / UNFINISHED).exists() else ""
    ended = f" (interrupted{again})" if result.interrupted else ""
    every = result.frames_looked_at == result.frames - result.frames_repeated
    looked = "" if every else f", {result.frames_looked_at} looked at"
    counts = "".join(f"  {_place(count)}\n" for count in result.counts)
    tracks = _counted(result.tracks, "track") + (f" ({_classes(result)})" if result.tracks else "")
    print(
        f"{result.source}: {tracks} in {_counted(result.frames, 'frame')}{ended}{looked}, "
        f"{summary['frames_per_s']:.1f} frames/s, the first after {result.first_frame_s:.1f} s\n"
        f"  ms a frame: {stages} (stages overlap)\n"
        f"{counts}  results in {result.folder}"
    )


def _classes(result: SourceResult) -> str:
    """How many tracks there are of which class: 12 person, 3 car."""
    each = [f"{count} {name}" for name, count in result.tracks_by_class.items()]
    return ", ".join(each[:_CLASSES]) + (f", and {len(each) - _CLASSES} more classes" * (len(each) > _CLASSES))


def _place(count: Count) -> str:
    """What was counted at a line or in a zone, of one class."""
    if not count.name:
        return f"{count.zone}: nothing"
    inside = "" if count.inside is None else f", {count.inside} inside"
    stayed = "" if count.mean_dwell_s is None else f", {count.mean_dwell_s:.1f} s on average"
    return f"{count.zone}: {count.name} {count.ins} in, {count.outs} out{inside}{stayed}"
