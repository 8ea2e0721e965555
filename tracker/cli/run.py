"""Track every object in videos, image folders, cameras or streams (the default command)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tracker.cli._options import SENSITIVITY, DetectEvery, Download, Hidden, Prompt, fetched, listed, option, overridden
from tracker.config import AppearanceConfig, BankConfig, Config, DetectorConfig
from tracker.errors import UsageError
from tracker.jobs.interruption import pass_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.progress import TaskID

    from tracker.jobs.outcome import Progress, SourceResult


def command(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE", help="Video, folder of images, glob, camera number, RTSP or HTTP URL."),
    ],
    model: Annotated[str | None, option(DetectorConfig, "model")] = None,
    conf: Annotated[float | None, option(DetectorConfig, "conf")] = None,
    iou: Annotated[float | None, option(DetectorConfig, "iou")] = None,
    classes: Annotated[
        list[str] | None,
        option(DetectorConfig, "classes", about="Only these, by name or number; repeat or separate by commas."),
    ] = None,
    prompt: Prompt = None,
    download: Download = False,
    imgsz: Annotated[str | None, option(DetectorConfig, "imgsz", metavar="SIDE|HEIGHT,WIDTH")] = None,
    device: Annotated[str | None, option(Config, "device")] = None,
    half: Annotated[bool, option(DetectorConfig, "half", "--half")] = False,
    batch: Annotated[int | None, option(DetectorConfig, "batch")] = None,
    reid: Annotated[str | None, option(AppearanceConfig, "model", metavar="WEIGHTS")] = None,
    memory: Annotated[
        float | None,
        option(
            BankConfig,
            "memory_s",
            about="Objects that left are re-identified for so long.",
            shown=f"{BankConfig.memory_s / 60:g}",
            metavar="MINUTES",
        ),
    ] = None,
    no_reid: Annotated[bool, typer.Option("--no-reid", help="Motion alone, without appearance: faster.")] = False,
    sensitivity: Annotated[float | None, option(Config, "sensitivity", about=SENSITIVITY, metavar="0..1")] = None,
    detect_every: DetectEvery = None,
    vid_stride: Annotated[int, typer.Option(help="Use every Nth frame.")] = 1,
    fps: Annotated[
        float | None,
        typer.Option(
            help="Frames/s of images, or of a video whose times are wrong; the video made of it runs as fast.",
            show_default="the source's, 30 of images",
        ),
    ] = None,
    zones: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="zones.yaml: count at its lines and in its zones, and what to ignore.",
        ),
    ] = None,
    camera: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="camera.yaml of `track calibrate`: positions in metres and speeds."),
    ] = None,
    reconnect_for: Annotated[
        float, typer.Option(metavar="MINUTES", help="A live source that drops is waited for so long.", min=0)
    ] = 10.0,
    config: Annotated[str | None, typer.Option(help="Preset or YAML file; the options here override it.")] = None,
    project: Annotated[Path, typer.Option(help="Folder of all runs.")] = Path("runs/track"),
    name: Annotated[str | None, typer.Option(help="Folder of this run; by default the source's name.")] = None,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Replace what an earlier run left there.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a run of this file that was interrupted, in its folder.")
    ] = False,
    no_video: Annotated[bool, typer.Option("--no-video", help="Leave no annotated video: faster.")] = False,
    save_crops: Annotated[
        bool, typer.Option("--save-crops", help="Leave crops/ID.jpg, the best picture of every track.")
    ] = False,
    blur: Hidden = None,
    forecast: Annotated[
        float, typer.Option(metavar="SECONDS", help="Draw where each object will be so far ahead.", min=0)
    ] = 0.0,
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Draw boxes without id, class and score.")] = False,
    no_trails: Annotated[bool, typer.Option("--no-trails", help="Draw no trails.")] = False,
    line_width: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Of boxes and trails.", min=1, max=1000, show_default="by the frame"),
    ] = None,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Offline post-processing when the video has ended: link tracks, fill gaps, smooth."
        ),
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
    settings = overridden(
        Config.load(config) if config else Config(),
        {
            "--sensitivity": ("sensitivity", sensitivity),  # first: --conf, where given, is meant as it stands
            **exported_models(model),
            "--conf": ("detector", "conf", conf),
            "--iou": ("detector", "iou", iou),
            "--classes": ("detector", "classes", listed(classes)),
            "--prompt": ("detector", "prompt", listed(prompt)),
            "--imgsz": ("detector", "imgsz", None if imgsz is None else _size(imgsz)),
            "--batch": ("detector", "batch", batch),
            "--half": ("detector", "half", half or None),
            "--detect-every": ("detector", "every", detect_every),
            "--reid": ("appearance", "model", reid),
            "--memory": ("bank", "memory_s", None if memory is None else 60 * memory),
            "--no-reid": ("appearance", "enabled", False if no_reid else None),
        },
    )
    if download:
        fetched(settings.detector, quiet)
    from tracker.analytics.ground.plane import GroundPlane
    from tracker.analytics.zones import Zones
    from tracker.jobs.run import Output, run
    from tracker.video.source import separate

    output = Output(
        project,
        name or "",
        exist_ok,
        video=not no_video,
        json=as_json,
        show=show,
        forecast_s=forecast,
        labels=not no_labels,
        trails=not no_trails,
        line_width=line_width or 0,
        offline=offline,
        crops=save_crops,
        blur=_blurred(blur),
        resume=resume,
    )
    places = Zones() if zones is None else Zones.load(zones)
    ground = None if camera is None else GroundPlane.load(camera)
    prepare(settings, quiet)
    with _progress_bar(quiet) as progress:
        results = run(
            separate(sources),
            settings,
            output,
            device=device,
            vid_stride=vid_stride,
            reconnect_s=60 * reconnect_for,
            fps=fps,
            zones=places,
            ground=ground,
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
    if any(result.error for result in results):
        raise typer.Exit(1)


def _blurred(blur: list[str] | None) -> tuple[str, ...]:
    """The classes that --blur names: where it is given, never none, which would leave all pictures clear."""
    classes = tuple(listed(blur) or ())
    if blur and not classes:
        raise UsageError("--blur names no class, and nothing would be hidden; name some, or heads")
    return classes


def _size(imgsz: str) -> int | list[int]:
    """What --imgsz says: a side, or a height and a width."""
    try:
        sides = [int(side) for side in imgsz.split(",")]
    except ValueError as error:
        raise UsageError(f"--imgsz is {imgsz!r}; give pixels, as 640, or as HEIGHT,WIDTH: 384,640") from error
    return sides[0] if len(sides) == 1 else sides


def exported_models(model: str | None) -> dict[str, tuple[str, str, Any]]:
    """What --model sets: the detector, and of a folder of `track export` whatever it holds."""
    from tracker.detection.foreign_export import find as find_foreign
    from tracker.system.engine import find

    if model is None or not Path(model).is_dir() or find_foreign(Path(model)):
        return {"--model": ("detector", "model", model)}

    export = find(model)
    assert export is not None
    return {f"--model ({network})": (network, "model", model) for network in export.networks}


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


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"


def _print_summary(result: SourceResult) -> None:
    if result.folder is None:
        return
    if result.finished_before:
        print(f"{result.source}: finished already, nothing was changed\n  results in {result.folder}")
        return
    summary = result.to_dict()
    stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in summary["ms_per_frame"].items())
    ended = " (interrupted)" if result.interrupted else ""
    every = result.frames_looked_at == result.frames - result.frames_repeated
    looked = "" if every else f", {result.frames_looked_at} looked at"
    print(
        f"{result.source}: {_counted(result.tracks, 'track')} in {_counted(result.frames, 'frame')}{ended}{looked}, "
        f"{summary['frames_per_s']:.1f} frames/s, the first after {result.first_frame_s:.1f} s\n"
        f"  ms a frame: {stages} (stages overlap)\n"
        f"  results in {result.folder}"
    )
