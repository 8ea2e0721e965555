"""Train one of the three networks: appearance, detector or motion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@command.callback()
def group() -> None:
    """Train one of the three networks.

    Example: track train appearance people.mp4 --teacher osnet_x0_25_msmt17.safetensors --out runs/appearance
    """


@command.command()
def appearance(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Videos, folders in MOTChallenge's layout with images, folders with images/ and YOLO labels/.",
        ),
    ],
    teacher: Annotated[Path, typer.Option(help="OSNet x0.25 weights whose features are reproduced.")],
    out: Annotated[Path, typer.Option(help="Folder for the weights, their card, curves and checkpoint.")],
    start: Annotated[Path | None, typer.Option(help="Weights to begin with. Default: the teacher's.")] = None,
    detector: Annotated[str, typer.Option(help="Detector for what has no labels. Default: the embedded one.")] = "",
    steps: Annotated[int, typer.Option(min=1, help="Batches to learn from.")] = 3000,
    batch: Annotated[int, typer.Option(min=2, help="Crops in a batch.")] = 64,
    height: Annotated[int, typer.Option(min=32, help="Height of the crops in pixels; the width is half of it.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Where all chance comes from.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT/checkpoint.pt.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Teach the appearance network to reproduce a teacher's features of better pictures.

    No identities are needed. Leaves OUT/appearance.safetensors (for `track video.mp4 --reid FILE`), appearance.md,
    curves.csv and checkpoint.pt.

    Example: track train appearance people.mp4 --teacher osnet_x0_25_msmt17.safetensors --out runs/appearance
    """
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from tracker.device import resolve_device
    from tracker.train.appearance import DistilConfig, distil, write_card
    from tracker.train.crops import collect

    console = Console(stderr=True, quiet=quiet)
    config = DistilConfig(steps=steps, batch=batch, height=height, seed=seed)
    place = resolve_device(device)
    with console.status("collecting crops"):
        crops = collect(data, detector)
    console.print(f"{len(crops)} crops, {sum(crop.person for crop in crops)} of them people")
    columns = (
        TextColumn("step {task.completed}/{task.total}"),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=steps)

        def show(step: int, losses: dict[str, float]) -> None:
            bar.update(task, completed=step, description=" ".join(f"{k} {v:.3f}" for k, v in losses.items()))

        distil(crops, teacher, out, config, start=start, device=place, resume=resume, progress=show)
    write_card(out, data, teacher, config, crops)
    console.print(f"wrote {out / 'appearance.safetensors'}")
