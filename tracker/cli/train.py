"""Train one of the three networks: appearance, detector or motion."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from tracker.cli._options import option, overridden, renamed
from tracker.config import Config
from tracker.errors import UsageError
from tracker.train.appearance.settings import CROPS_ASIDE, IDENTITIES_ASIDE, TEACHERS_PART, TrainConfig
from tracker.train.detector.settings import FineTuneConfig
from tracker.train.motion.settings import MotionTraining

command = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)

_SHARE = re.compile(r"\d*\.\d+")

# What all three are told alike
Out = Annotated[Path, typer.Option(help="Folder for the weights, their card, curves and checkpoint.")]
Device = Annotated[str, option(Config, "device")]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on from the checkpoint in OUT, which must be there; --steps may grow."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no remarks.")]


def _hold_out(or_what: str = "") -> Any:
    """The option --hold-out of a training."""
    return typer.Option("--hold-out", help=f"Not trained on, but measured on: a share such as 0.1{or_what}.")


def _held_out(words: Sequence[str] | None) -> tuple[float | None, list[str]]:
    """The share, and the names, that --hold-out was given.

    Raises:
        UsageError: more than one share.
    """
    shares = [word for word in words or () if _SHARE.fullmatch(word)]
    if len(shares) > 1:
        raise UsageError(f"--hold-out is given the shares {' and '.join(shares)}; give one")
    return float(shares[0]) if shares else None, [word for word in words or () if word not in shares]


@command.callback()
def group() -> None:
    """Train one of the three networks.

    Example: track train appearance people.mp4 --teacher osnet_x0_25_msmt17.safetensors --out runs/appearance
    """


@command.command()
def motion(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="Folders of sequences in MOTChallenge's layout, with gt/.")
    ],
    out: Out,
    config: Annotated[Path | None, typer.Option(help="YAML such as configs/train/motion.yaml.")] = None,
    model: Annotated[str | None, option(MotionTraining, "model")] = None,
    steps: Annotated[
        int | None,
        option(
            MotionTraining,
            "iterations",
            about="Batches to learn from, four to a round; 4000 take about five minutes.",
            shown=str(4 * MotionTraining.iterations),
        ),
    ] = None,
    learning_rate: Annotated[float | None, option(MotionTraining, "learning_rate")] = None,
    hold_out: Annotated[
        list[str] | None, _hold_out(" of the sequences, to stop by, or names (shell patterns) of some; repeatable")
    ] = None,
    seed: Annotated[int | None, option(MotionTraining, "seed")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    device: Device = Config.device,
    resume: Resume = False,
    quiet: Quiet = False,
    rounds: Annotated[int | None, renamed("--rounds", "--steps, four to a round,")] = None,
) -> None:
    """Fit the motion model: the Kalman filter by likelihood, then the network that corrects it.

    Leaves OUT/motion.safetensors (for the setting motion.model, or `track eval-motion --models FILE`), motion.md,
    config.yaml, curves.csv, checkpoint.pt and, with matplotlib, pictures of curves, errors and example forecasts. It
    goes on bit for bit. Under torchrun every process takes its share of each batch.

    Example: track train motion MOT17/train SportsMOT/train --out runs/motion
    """
    import math
    import shlex
    from dataclasses import replace
    from functools import partial

    import torch
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from tracker.system.device import resolve_device
    from tracker.train.motion.card import plot, write_card
    from tracker.train.motion.trainer import Trainer

    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names may have brackets, colons
    share, names = _held_out(hold_out)
    steps = steps if rounds is None else 4 * rounds
    settings = overridden(
        MotionTraining.load(config),
        {
            "--model": ("model", model),
            "--steps": ("iterations", None if steps is None else math.ceil(steps / 4)),
            "--learning-rate": ("learning_rate", learning_rate),
            "--hold-out": ("validation", share),
            "--seed": ("seed", seed),
        },
    )
    settings = replace(settings, hold_out=(*settings.hold_out, *names))
    words = ["track", "train", "motion", *map(str, data), "--out", str(out)]
    words += ["--config", str(config)] if config else []
    given = {"--model": model, "--steps": steps, "--learning-rate": learning_rate, "--hold-out": share, "--seed": seed}
    words += [word for name, value in given.items() if value is not None for word in (name, str(value))]
    words += [word for name in names for word in ("--hold-out", name)]
    torch.set_num_threads(threads)
    remark = partial(console.print, soft_wrap=True)
    trainer = Trainer(data, out, settings, shlex.join(words), torch.device(resolve_device(device)), remark, resume)
    console.quiet = quiet or trainer.rank > 0
    console.print(f"{len(trainer.training)} tracks from {', '.join(trainer.training.groups)}")
    columns = (TextColumn("iteration {task.completed}/{task.total}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("", total=settings.iterations, completed=trainer.iteration)
        for row in trainer.run(lambda done: bar.update(task, completed=done)):
            bar.update(
                task,
                description=f"loss {row['loss']:.3f}, validation {row['validation_loss']:.3f}, IoU {row['iou']:.3f}",
            )
    if trainer.rank == 0:
        path = trainer.save()
        write_card(trainer)
        plot(trainer)
        console.print(f"wrote {path}", soft_wrap=True)


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
    out: Out,
    teacher: Annotated[
        Path | None, typer.Option(help="OSNet x0.25 weights to reproduce. Without: learn from identities.")
    ] = None,
    identities: Annotated[
        list[Path] | None,
        typer.Option(
            help="With --teacher: folders of identities, as DATA without it, to learn to tell apart at the same time; "
            f"one crop in {TEACHERS_PART} of a batch is then for the teacher; repeatable."
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(help="Weights to begin with. Default: the embedded ones; with a teacher alone, the teacher's."),
    ] = None,
    calibrate: Annotated[
        list[Path] | None,
        typer.Option(help="Sequences with images and gt/ to fit what a similarity means after some time; repeatable."),
    ] = None,
    detector: Annotated[str, typer.Option(help="Detector for what has no labels. Default: the embedded one.")] = "",
    steps: Annotated[int | None, option(TrainConfig, "steps")] = None,
    batch: Annotated[int | None, option(TrainConfig, "batch")] = None,
    learning_rate: Annotated[float | None, option(TrainConfig, "learning_rate")] = None,
    distillation_weight: Annotated[float | None, option(TrainConfig, "distillation_weight")] = None,
    hold_out: Annotated[
        list[str] | None, _hold_out(f" (default: {CROPS_ASIDE}, of identities {IDENTITIES_ASIDE})")
    ] = None,
    height: Annotated[int | None, option(TrainConfig, "height")] = None,
    amp: Annotated[bool, option(TrainConfig, "amp", "--amp")] = False,
    seed: Annotated[int | None, option(TrainConfig, "seed")] = None,
    device: Device = Config.device,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Teach the appearance network, from a teacher, from identities, or from both.

    With --teacher the network learns to reproduce the teacher's features of better pictures, and needs no identities;
    without, it learns to tell the identities in DATA apart; with --identities it learns both at once, so that it tells
    these apart and forgets little of the rest. Leaves OUT/appearance.safetensors (for `track video.mp4 --reid FILE`),
    appearance.md, curves.csv, curves.png, neighbours.jpg (crops and those most alike) and checkpoint.pt.

    Example: track train appearance people.mp4 --teacher osnet_x0_25_msmt17.safetensors --out runs/appearance
    """
    from dataclasses import replace
    from functools import partial

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from tracker.datasets.mot import find_sequences
    from tracker.system.device import resolve_device
    from tracker.system.output_folder import claim
    from tracker.train.appearance import loop as training
    from tracker.train.appearance.lesson import lesson
    from tracker.train.checkpoint import present

    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names may have brackets, colons
    share, names = _held_out(hold_out)
    if names:
        raise UsageError(f"--hold-out {names[0]} is no share; give one, such as 0.1")
    if identities and not teacher:
        raise UsageError("--identities go beside a --teacher; give one, or the identities as DATA")
    if distillation_weight is not None and not identities:
        raise UsageError("--distillation-weight weighs a --teacher against --identities; give both, or leave it out")
    config = overridden(
        TrainConfig(amp=amp),
        {
            "--steps": ("steps", steps),
            "--batch": ("batch", batch),
            "--learning-rate": ("learning_rate", learning_rate),
            "--distillation-weight": ("distillation_weight", distillation_weight),
            "--hold-out": ("hold_out", share),
            "--height": ("height", height),
            "--seed": ("seed", seed),
        },
    )
    config = replace(config, checkpoint_every=min(config.checkpoint_every, config.steps))
    place = resolve_device(device)
    if resume:
        present(out / training.CHECKPOINT)
    inputs = [*data, *(identities or []), *(calibrate or []), *(path for path in (teacher, start) if path)]
    claim(out, training.COMMAND, training.LEAVES, inputs)
    identified = find_sequences(calibrate) if calibrate else []
    with console.status("collecting crops"):
        task, made_from = lesson(data, identities or [], teacher, start or "", detector, config, place)
    console.print(made_from)
    columns = ("step {task.completed}/{task.total}", "{task.description}")
    with Progress(TextColumn(columns[0]), BarColumn(), TimeRemainingColumn(), columns[1], console=console) as bar:
        row = bar.add_task("", total=config.steps)

        def show(step: int, losses: dict[str, float]) -> None:
            bar.update(row, completed=step, description=" ".join(f"{k} {v:.3f}" for k, v in losses.items()))

        training.train(task, out, config, resume=resume, progress=show, remark=partial(console.print, soft_wrap=True))
    if identified:
        with console.status("calibrating"):
            training.calibrate(out / "appearance.safetensors", identified, place)
    words = ["track train appearance", *(path.name for path in data), f"--steps {config.steps} --batch {config.batch}"]
    words += [f"--learning-rate {config.learning_rate:g} --height {config.height} --seed {config.seed}"]
    words += [f"--hold-out {share:g}"] if share else []
    words += [f"--identities {path.name}" for path in identities or []]
    words += [f"--distillation-weight {config.distillation_weight:g}"] if identities else []
    words += [f"--calibrate {sequence.name}" for sequence in identified]
    words += ["--amp"] if amp else []
    words += [f"--detector {Path(detector).name}"] if detector else []
    words += [f"--{name} {path.name}" for name, path in (("teacher", teacher), ("start", start)) if path]
    training.write_card(out, made_from, " ".join(words), config)
    training.plot_curves(out)
    console.print(f"wrote {out / 'appearance.safetensors'}", soft_wrap=True)


@command.command()
def detector(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Folders with images/ and YOLO labels/ (or labels beside the images) and the classes' names in a YAML "
            "file or classes.txt, folders in MOTChallenge's layout with images, videos without labels. At least one "
            "with labels.",
        ),
    ],
    out: Out,
    model: Annotated[str, typer.Option(help="YOLO weights to begin with. Default: the embedded ones.")] = "",
    steps: Annotated[
        int | None,
        option(
            FineTuneConfig,
            "steps",
            about="Batches to learn from, rounded up to whole passes over the images.",
            shown="3 passes; 200 for new classes",
        ),
    ] = None,
    batch: Annotated[int | None, option(FineTuneConfig, "batch")] = None,
    learning_rate: Annotated[float | None, option(FineTuneConfig, "learning_rate")] = None,
    hold_out: Annotated[
        list[str] | None,
        _hold_out(f" (default: {FineTuneConfig.hold_out}) of the labelled images, or labelled folders; repeatable"),
    ] = None,
    imgsz: Annotated[int | None, option(FineTuneConfig, "imgsz")] = None,
    mix: Annotated[float | None, option(FineTuneConfig, "mix")] = None,
    every: Annotated[float | None, option(FineTuneConfig, "every_s")] = None,
    seed: Annotated[int | None, option(FineTuneConfig, "seed")] = None,
    device: Device = Config.device,
    resume: Resume = False,
    quiet: Quiet = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
    epochs: Annotated[int | None, renamed("--epochs", "--steps, which counts batches,")] = None,
    lr: Annotated[float | None, renamed("--lr", "--learning-rate")] = None,
    held_out: Annotated[float | None, renamed("--held-out", "--hold-out")] = None,
    val: Annotated[list[Path] | None, renamed("--val", "--hold-out")] = None,
) -> None:
    """Fine-tune the YOLO detector on labelled images and unlabelled videos.

    Where the labels have names that it does not know, it learns those alone, and forgets the others. Leaves
    OUT/detector.safetensors (for `track video.mp4 --model FILE`) and detector.md with the scores before and after on
    images held out. It goes on after the last whole pass over the images.

    Example: track train detector my-images my-video.mp4 --out runs/detector
    """
    import json
    import shlex

    from rich.console import Console

    from tracker.system.device import resolve_device
    from tracker.train.detector.fine_tune import fine_tune, way_on

    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names may have brackets, colons
    share, folders = _held_out(hold_out)
    config = overridden(
        FineTuneConfig(),
        {
            "--steps": ("steps", steps),
            "--epochs": ("epochs", epochs),
            "--batch": ("batch", batch),
            "--learning-rate": ("learning_rate", learning_rate if lr is None else lr),
            "--hold-out": ("hold_out", share if held_out is None else held_out),
            "--imgsz": ("imgsz", imgsz),
            "--mix": ("mix", mix),
            "--every": ("every_s", every),
            "--seed": ("seed", seed),
        },
    )
    try:
        with console.status("starting") as status:
            scores = fine_tune(
                data,
                out,
                config,
                model=model,
                held_out=[*map(Path, folders), *(val or [])],
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
    weights = out / "detector.safetensors"
    console.print(f"wrote {weights}; use it: track video.mp4 --model {shlex.quote(str(weights))}", soft_wrap=True)
