"""Teach the appearance network Market-1501's people beside its teacher, and measure what came of it.

    nice -n 15 python scripts/studies/joint_training.py ../shared runs/joint

One thread, about an hour; after an interruption the same command with --resume goes on. Of the people, in the order of
their numbers, every third is held out. SHARED holds data/reid/market1501/train, what the teacher sees (`SEEN`), the
teacher, and PETS09-S2L1, on which nothing is trained. Leaves in OUT

fit, held   links to the pictures of the people learned from, and of those measured on;
start.safetensors   the weights begun with: the embedded ones of now, unless --start names others;
training    what `track train appearance` leaves: weights, card, curves, checkpoint;
scores      rank-1 and mAP before and after, of people held out across cameras and of PETS across time.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer

from options import study
from tracker.appearance.weights import load_weights
from tracker.cli import main as track
from tracker.datasets.reid_folders import pictures

PEOPLE = "data/reid/market1501/train"
SEEN = (
    "data/detection/coco256",
    "data/video/MOT17-04-first8",
    "data/video/KITTI-SFND",
    "data/clips/traffic.mp4",
    "data/clips/intel-one-by-one-person.mp4",
    "data/clips/intel-car-detection.mp4",
)
TEACHER, DETECTOR = "weights/osnet_x0_25_msmt17.safetensors", "weights/yolo11n.pt"
UNSEEN = "data/video/PETS09-S2L1-first"
EVERY = 3  # of the people one is held out


def split(people: Path, out: Path) -> tuple[Path, Path]:
    """Folders of links to the pictures of the people to learn from, and of those held out."""
    found = pictures(people)
    held = set(sorted({picture.identity for picture in found})[::EVERY])
    folders = out / "fit", out / "held"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    for picture in found:
        link = folders[picture.identity in held] / picture.file.name
        if not link.is_symlink():
            link.symlink_to(picture.file.resolve())
    return folders


def run(words: Sequence[object]) -> None:
    """`track WORDS`; where it fails, the study ends."""
    try:
        track([str(word) for word in words])
    except SystemExit as end:
        if end.code:
            raise


def main(
    shared: Annotated[Path, typer.Argument(help="Folder with data/ and weights/.")],
    out: Annotated[Path, typer.Argument(help="Folder for what is made.")],
    start: Annotated[str, typer.Option(help="Weights to begin with. Default: the embedded ones.")] = "",
    steps: Annotated[int, typer.Option(min=1, help="Batches to learn from.")] = 4000,
    distillation_weight: Annotated[float, typer.Option(help="Weight of the teacher.")] = 4.5,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint.")] = False,
) -> None:
    """Split, train and measure."""
    torch.set_num_threads(1)
    fit, held = split(shared / PEOPLE, out)
    begun, training = out / "start.safetensors", out / "training"
    if not resume:
        load_weights(start).write(begun)
    words = ["train", "appearance", *(shared / name for name in SEEN), "--out", training, "--identities", fit]
    words += ["--teacher", shared / TEACHER, "--detector", shared / DETECTOR, "--start", begun, "--device", "cpu"]
    words += ["--steps", steps, "--batch", 96, "--learning-rate", 1e-3, "--distillation-weight", distillation_weight]
    run([*words, "--resume"] if resume else words)
    words = ["eval-appearance", held, shared / UNSEEN, "--out", out / "scores" / "scores.json", "--device", "cpu"]
    run([*words, "--model", begun, "--model", training / "appearance.safetensors"])


if __name__ == "__main__":
    study(main)
