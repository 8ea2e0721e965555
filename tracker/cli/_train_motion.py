"""`track train motion`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def motion(
    data: Annotated[
        list[Path], typer.Argument(metavar="DATA...", help="Folders of sequences in MOTChallenge's layout, with gt/.")
    ],
    out: Annotated[Path, typer.Option(help="Folder for weights, card, curves, pictures and checkpoint.")],
    config: Annotated[Path | None, typer.Option(help="YAML such as configs/train/motion.yaml.")] = None,
    model: Annotated[str | None, typer.Option(help="lstm, or rnn, gru, transformer to compare it with.")] = None,
    rounds: Annotated[int | None, typer.Option(help="Rounds of four steps; 1000 take about five minutes.")] = None,
    seed: Annotated[int | None, typer.Option(help="Where all chance comes from.")] = None,
    hold_out: Annotated[
        list[str] | None, typer.Option(help="Name (or shell pattern) of sequences not to train on; repeatable.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 1,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from OUT/checkpoint.pt, bit for bit; --rounds may grow.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no remarks on the data.")] = False,
) -> None:
    """Fit the motion model: the Kalman filter by likelihood, then the network that corrects it.

    Leaves OUT/motion.safetensors (for the setting motion.model, or `track eval-motion --models FILE`), motion.md,
    config.yaml, curves.csv, checkpoint.pt and, with matplotlib, pictures of curves, errors and example forecasts.
    Under torchrun every process takes its share of each batch.

    Example: track train motion MOT17/train SportsMOT/train --out runs/motion
    """
    import shlex
    from dataclasses import replace
    from functools import partial

    import torch
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from tracker.config import merged
    from tracker.system.device import resolve_device
    from tracker.train.motion.card import plot, write_card
    from tracker.train.motion.settings import MotionTraining
    from tracker.train.motion.trainer import Trainer

    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names may have brackets, colons
    settings = MotionTraining.load(config)
    flags = {"model": model, "rounds": rounds, "seed": seed}
    settings = merged(settings, {name: value for name, value in flags.items() if value is not None}, "command line")
    settings = replace(settings, hold_out=(*settings.hold_out, *(hold_out or ())))
    words = ["track", "train", "motion", *map(str, data), "--out", str(out)]
    words += ["--config", str(config)] if config else []
    words += [word for name, value in flags.items() if value is not None for word in (f"--{name}", str(value))]
    words += [word for name in hold_out or () for word in ("--hold-out", name)]
    torch.set_num_threads(threads)
    remark = partial(console.print, soft_wrap=True)
    trainer = Trainer(data, out, settings, shlex.join(words), torch.device(resolve_device(device)), remark, resume)
    console.quiet = quiet or trainer.rank > 0
    console.print(f"{len(trainer.training)} tracks from {', '.join(trainer.training.groups)}")
    columns = (TextColumn("round {task.completed}/{task.total}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("", total=settings.rounds, completed=trainer.round)
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
