"""Write a run's results as they were corrected in `track view`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of results of `track`, with an edits.json.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where the corrected results go.", show_default="RUN/corrected"),
    ] = None,
    no_video: Annotated[bool, typer.Option("--no-video", help="Draw no video: faster.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar and no summary.")] = False,
) -> None:
    """Write a run's results as they were corrected in `track view`.

    Applies RUN/edits.json and leaves in RUN/corrected what the run left:
    tracks.txt, tracks.csv, summary.csv, run.yaml, tracks.parquet, tracks.jsonl,
    events.jsonl and counts.csv where the run had them, and the video, drawn
    anew, where its source is still there. What an earlier `track apply` left there is
    replaced; the run's own files stay as they are. Objects that were not
    corrected keep the lines that the run wrote of them.

    Example: track apply runs/track/video
    """
    from rich.console import Console
    from rich.progress import Progress

    from tracker.jobs.corrections.apply import apply

    console = Console(stderr=True, quiet=quiet)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("drawing", total=None)
        done = apply(run, out, not no_video, lambda now, count: bar.update(task, completed=now, total=count))
    if not done.edits:
        print(f"warning: {run} has no edits, nothing was corrected; make some with: track view {run}", file=sys.stderr)
    if done.without_video:
        print(f"warning: no video was made: {done.without_video}", file=sys.stderr)
    if not quiet:
        print(
            f"{done.edits} edit{'s' * (done.edits != 1)} applied, {done.objects} object{'s' * (done.objects != 1)} "
            f"changed: {done.tracks} tracks in {done.frames} frames\n  results in {done.folder}"
        )
