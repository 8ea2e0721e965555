"""Make a clip whose truth is known, track it, and print the score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli._options import option
from tracker.config import Config


def command(
    out: Annotated[Path, typer.Option(help="Folder for the clip, its truth and the results.")] = Path("runs/demo"),
    device: Annotated[str, option(Config, "device")] = Config.device,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Make a clip whose truth is known, track it with the embedded weights, and print the score.

    Needs no input and no network. The clip, ten seconds of a street, is made from two photographs: people cross, are
    occluded, leave and come back. Leaves OUT/demo.mp4, its truth in MOTChallenge's layout (OUT/gt/gt.txt) and
    OUT/tracked/ with the annotated video.mp4, tracks.txt, tracks.csv and summary.csv.

    Example: track demo --out runs/demo
    """
    import json

    from rich.console import Console

    from tracker.jobs.demo import FPS, SECONDS, make_clip, track_clip

    console = Console(stderr=True, quiet=quiet)
    frames = round(FPS * SECONDS)
    with console.status(f"making a clip of {frames} frames"):
        make_clip(out)
    with console.status("tracking it") as status:
        result, scores = track_clip(
            out, device, lambda seen: status.update(f"tracking it: frame {seen.frames} of {frames}, {seen.live} tracks")
        )
    if as_json:
        print(json.dumps({**scores, **result.to_dict()}, indent=2))
    elif not quiet:
        print(
            f"HOTA {scores['HOTA']:.1f}  IDF1 {scores['IDF1']:.1f}  identity switches {scores['IDSW']:.0f}  "
            f"({result.tracks} tracks for 6 people, {result.frames / result.seconds:.1f} frames/s)"
        )
        print(f"annotated video: {result.folder / 'video.mp4' if result.folder else out}")
