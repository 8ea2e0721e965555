"""Write a run, or an annotation tool's file, as another tool takes it, both ways."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class FormatName(StrEnum):
    cvat = "cvat"
    coco_video = "coco-video"
    labelstudio = "labelstudio"
    yolo = "yolo"
    mot = "mot"
    mots = "mots"
    parquet = "parquet"


def command(
    given: Annotated[
        Path, typer.Argument(metavar="RUN|FILE", help="Folder that `track` left; with --from a tool's file or folder.")
    ],
    out: Annotated[Path, typer.Option(help="File, of yolo and mot folder, to write.")],
    to: Annotated[
        FormatName | None, typer.Option("--to", help="What to write.", show_default="mot with --from")
    ] = None,
    source: Annotated[FormatName | None, typer.Option("--from", help="What FILE is.", show_default="a run")] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="The video, for what a file does not tell: size and frame rate.", show_default="the run's"),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help="Frames/s, where FILE tells none or wrong ones.", min=0.001, max=10_000, show_default="25"),
    ] = None,
    frames: Annotated[
        bool, typer.Option("--frames", help="Leave the frames as JPEGs, too: of mot, yolo and coco-video.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not say what was written and what got lost.")] = False,
) -> None:
    """Write a run, or an annotation tool's file, as another tool takes it.

    cvat is "CVAT for video 1.1", yolo has a track id in each line, mot is a
    sequence's folder with gt/ as `track eval`, `train` and `tune` read it, and
    parquet has the units in its schema. What a format cannot hold is said in
    one line. With --from it goes the other way: to mot, or to any other.

    Example: track convert runs/track/video --to cvat --out video.xml
    """
    from tracker.errors import UsageError
    from tracker.jobs.conversion.convert import convert

    if to is None and source is None:
        raise UsageError(f"convert needs to know what to write; give --to, one of {', '.join(FormatName)}")
    to = to or FormatName.mot
    done = convert(given, to, out, source=source, video=video, fps=fps, pictures=frames)
    if quiet:
        return
    for one in done:
        print(f"{one.name}: {one.rows} boxes of {one.objects} objects in {one.frames} frames -> {one.out}")
        if one.lost:
            print(f"note: {to} cannot hold, so left out: {', '.join(one.lost)}", file=sys.stderr)
        if one.rate_assumed and "a frame rate" not in one.lost:
            print(f"note: {given} tells no frame rate, 25 frames/s are taken; give --video or --fps", file=sys.stderr)
