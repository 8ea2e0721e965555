"""Train one of the three networks: appearance, detector or motion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracker.cli._train_motion import motion

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)
command.command()(motion)


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
            help="With --teacher: videos, folders in MOTChallenge's layout with images, folders with images/ and YOLO "
            "labels/. Without: ReID folders (names as in Market-1501 or MSMT17), MOTChallenge folders with gt/.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the weights, their card, curves and checkpoint.")],
    teacher: Annotated[
        Path | None, typer.Option(help="OSNet x0.25 weights to reproduce. Without: learn from identities.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="Weights to begin with. Default: the teacher's, or the embedded ones.")
    ] = None,
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(help="Sequences with images and gt/ to fit what a similarity means after some time; repeatable."),
    ] = None,
    detector: Annotated[str, typer.Option(help="Detector for what has no labels. Default: the embedded one.")] = "",
    steps: Annotated[int, typer.Option(min=1, help="Batches to learn from.")] = 3000,
    batch: Annotated[int, typer.Option(min=2, help="Crops in a batch.")] = 64,
    learning_rate: Annotated[float, typer.Option(min=0, max=1, help="At its highest; falls to 0 by a cosine.")] = 5e-4,
    height: Annotated[int, typer.Option(min=32, help="Height of the crops in pixels; the width is half of it.")] = 128,
    amp: Annotated[bool, typer.Option("--amp", help="16-bit floats where they lose nothing: faster on CUDA.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Where all chance comes from.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from OUT/checkpoint.pt; --steps may grow.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Teach the appearance network, from a teacher or from identities.

    With --teacher the network learns to reproduce the teacher's features of better pictures, and needs no identities;
    without, it learns to tell the identities in DATA apart. Leaves OUT/appearance.safetensors (for `track video.mp4
    --reid FILE`), appearance.md, curves.csv, curves.png, neighbours.jpg (crops and
    those most alike) and checkpoint.pt.

    Example: track train appearance people.mp4 --teacher osnet_x0_25_msmt17.safetensors --out runs/appearance
    """
    from functools import partial

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from tracker.datasets.mot import find_sequences
    from tracker.system.device import resolve_device
    from tracker.system.output_folder import claim
    from tracker.train.appearance import loop as training
    from tracker.train.appearance.loop import Task

    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names may have brackets, colons
    config = training.TrainConfig(
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        height=height,
        amp=amp,
        seed=seed,
        checkpoint_every=min(250, steps),
    )
    place = resolve_device(device)
    inputs = [*data, *(calibrate or []), *(path for path in (teacher, start) if path)]
    claim(out, training.COMMAND, training.LEAVES, inputs)
    identified = find_sequences(calibrate) if calibrate else []
    task: Task
    with console.status("collecting crops"):
        if teacher:
            from tracker.train.appearance.crops import collect
            from tracker.train.appearance.distillation import Distillation

            crops = collect(data, detector)
            made_from = f"{len(crops)} crops ({sum(crop.person for crop in crops)} of people)"
            task = Distillation(crops, teacher, config, start, place)
        else:
            from tracker.train.appearance.identities import MetricLearning, collect_identities, set_aside

            identities = collect_identities(data)
            made_from = f"{sum(len(who.crops) for who in identities)} crops of {len(identities)} identities"
            if not set_aside(len(identities)):
                made_from += " (too few to set any aside: rank1 and map are of those trained on)"
            task = MetricLearning(identities, config, start or "", place)
    names = " ".join(path.name for path in data)
    console.print(f"{made_from} from {names}")
    columns = ("step {task.completed}/{task.total}", "{task.description}")
    with Progress(TextColumn(columns[0]), BarColumn(), TimeRemainingColumn(), columns[1], console=console) as bar:
        row = bar.add_task("", total=steps)

        def show(step: int, losses: dict[str, float]) -> None:
            bar.update(row, completed=step, description=" ".join(f"{k} {v:.3f}" for k, v in losses.items()))

        training.train(task, out, config, resume=resume, progress=show, remark=partial(console.print, soft_wrap=True))
    if identified:
        with console.status("calibrating"):
            training.calibrate(out / "appearance.safetensors", identified, place)
    words = [f"track train appearance {names} --steps {steps} --batch {batch} --learning-rate {learning_rate:g}"]
    words += [f"--height {height} --seed {seed}", *(f"--calibrate {sequence.name}" for sequence in identified)]
    words += ["--amp"] if amp else []
    words += [f"--{option} {path.name}" for option, path in (("teacher", teacher), ("start", start)) if path]
    training.write_card(out, f"{made_from} from {names}", " ".join(words), config)
    training.plot_curves(out)
    console.print(f"wrote {out / 'appearance.safetensors'}", soft_wrap=True)


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
    imgsz: Annotated[int, typer.Option(min=64, max=4096, help="Size of the images in pixels.")] = 640,
    lr: Annotated[float, typer.Option(min=0.0, max=1.0, help="Learning rate; higher learns and forgets more.")] = 5e-5,
    mix: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the trained weights in the result; the rest is the start.")
    ] = 0.5,
    held_out: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of labelled images to measure on.")] = 0.2,
    val: Annotated[
        list[Path] | None, typer.Option(help="Labelled folder to measure on instead of that share; repeatable.")
    ] = None,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between the frames taken from videos.")] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Where all chance comes from.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where OUT was left; --epochs may grow.")] = False,
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

    from tracker.system.device import resolve_device
    from tracker.train.detector.dataset import DataConfig
    from tracker.train.detector.fine_tune import FineTuneConfig, fine_tune, way_on

    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names may have brackets, colons
    chosen = DataConfig(imgsz=imgsz, held_out=held_out, every_s=every, seed=seed)
    config = FineTuneConfig(epochs=epochs, batch=batch, imgsz=imgsz, lr=lr, mix=mix, data=chosen, seed=seed)
    try:
        with console.status("starting") as status:
            scores = fine_tune(
                data,
                out,
                config,
                model=model,
                held_out=val or [],
                device=resolve_device(device),
                resume=resume,
                progress=status.update,
            )
    except KeyboardInterrupt:
        console.print(way_on(out), soft_wrap=True)
        raise
    if as_json:
        print(json.dumps(scores, indent=2))
    elif not quiet:
        for name, values in scores.items():
            print(f"{name:6s} " + "  ".join(f"{metric} {value:.2f}" for metric, value in values.items()))
    console.print(f"wrote {out / 'detector.safetensors'}", soft_wrap=True)
