"""Search for settings that suit your own annotated sequences better than the defaults."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tracker.cli._options import CameraMotionOption, DetectionsFrom, DetectionsOption, Jobs, Preproc, option
from tracker.config import Config


def command(
    data: Annotated[list[Path], typer.Argument(metavar="DATA", help="Folder of sequences with ground truth.")],
    trials: Annotated[int, typer.Option(help="Trials to end with, those of an earlier run included.", min=1)] = 100,
    out: Annotated[
        Path, typer.Option(help="Folder for config.yaml and trials.csv; a search there is gone on with.")
    ] = Path("runs/tune"),
    detections: DetectionsOption = DetectionsFrom.det,
    camera_motion: CameraMotionOption = None,
    config: Annotated[str | None, typer.Option(help="Preset or YAML file to start from.", metavar="C")] = None,
    device: Annotated[str | None, option(Config, "device")] = None,
    preproc: Preproc = True,
    jobs: Jobs = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar and no result.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    r"""Search for settings that suit your own annotated sequences better than the defaults.

    Tries settings of the association and of the tracks' lives, by the HOTA of
    each DATA folder's sequences together, averaged over the folders. The first
    trial is the settings as they are. Leaves OUT/config.yaml, which --config
    takes, and OUT/trials.csv. Interrupted, or with a larger --trials, the same
    command goes on where it was. Needs Optuna: pip install 'lstm-tracker\[tune]'.

    Example: track tune my-sequences --trials 200 --out runs/tune
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from tracker.jobs.tune import Tuned, tune

    console = Console(stderr=True, quiet=quiet or as_json)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("looking at the sequences", total=trials)

        def progress(so_far: Tuned) -> None:
            bar.update(
                task, completed=so_far.trials, description=f"HOTA {so_far.best:.2f} (at first {so_far.start:.2f})"
            )

        found = tune(
            data,
            out,
            trials,
            Config.load(config) if config else None,
            detections=str(detections),
            camera_motion=str(camera_motion) if camera_motion else None,
            preproc=preproc,
            device=device,
            jobs=jobs,
            command=["track", *sys.argv[1:]],
            progress=progress,
        )
    if as_json:
        print(json.dumps(asdict(found) | {"config": str(found.config)}))
    elif not quiet:
        print(
            f"HOTA {found.best:.2f}, at first {found.start:.2f}, after {found.trials} trials: --config {found.config}"
        )
