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


@command.command()
def detector(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Folders with images/ and YOLO labels/, folders in MOTChallenge's layout with images, videos without "
            "labels. At least one with labels.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the weights, their card, the dataset and checkpoints.")],
    model: Annotated[str, typer.Option(help="YOLO weights to begin with. Default: the embedded ones.")] = "",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the images.")] = 3,
    batch: Annotated[int, typer.Option(min=1, help="Images a step.")] = 16,
    imgsz: Annotated[int, typer.Option(min=32, help="Size of the images in pixels.")] = 640,
    lr: Annotated[float, typer.Option(min=0.0, help="Learning rate; higher learns and forgets more.")] = 5e-5,
    mix: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the trained weights in the result; the rest is the start.")
    ] = 0.5,
    held_out: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of labelled images to measure on.")] = 0.2,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between the frames taken from videos.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Where all chance comes from.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT's last checkpoint.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no scores.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """Fine-tune the YOLO detector on labelled images and unlabelled videos.

    Leaves OUT/detector.safetensors (for `track video.mp4 --model FILE`) and detector.md with the scores before and
    after on images held out.

    Example: track train detector my-images my-video.mp4 --out runs/detector
    """
    import json

    from rich.console import Console

    from tracker.device import resolve_device
    from tracker.train.detection_data import DataConfig
    from tracker.train.detector import FineTuneConfig, fine_tune

    console = Console(stderr=True, quiet=quiet)
    chosen = DataConfig(imgsz=imgsz, held_out=held_out, every_s=every, seed=seed)
    config = FineTuneConfig(epochs=epochs, batch=batch, imgsz=imgsz, lr=lr, mix=mix, data=chosen, seed=seed)
    with console.status("starting") as status:
        scores = fine_tune(
            data, out, config, model=model, device=resolve_device(device), resume=resume, progress=status.update
        )
    if as_json:
        print(json.dumps(scores, indent=2))
    elif not quiet:
        for name, values in scores.items():
            print(f"{name:6s} " + "  ".join(f"{metric} {value:.2f}" for metric, value in values.items()))
    console.print(f"wrote {out / 'detector.safetensors'}")
