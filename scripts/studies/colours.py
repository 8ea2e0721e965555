"""How similar the colours of one person are, and of two: what `CALIBRATION` of appearance/colours.py was made from.

    python scripts/studies/colours.py joint/fit      # as scripts/studies/joint_training.py leaves it

Of people of a re-identification benchmark, up to ten pictures by the camera that has most of each: the mean histogram
of the first half of them is compared with that of the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from options import study
from tracker.appearance.colours import LENGTH, histograms
from tracker.datasets.reid_folders import ReidImage, pictures
from tracker.structures import Floats
from tracker.system.images import read_image

PEOPLE, PICTURES = 130, 10


def mean(shown: list[ReidImage]) -> Floats:
    """The mean histogram (D,), a unit row."""
    total = np.zeros(LENGTH, np.float32)
    for picture in shown:
        image = read_image(picture.file)
        total += histograms(image, np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32))[0]
    return np.asarray(total / np.linalg.norm(total))


def main(folder: Annotated[Path, typer.Argument(help="Pictures of people of a benchmark.")]) -> None:
    cameras: dict[str, dict[int, list[ReidImage]]] = {}
    for picture in pictures(folder):
        cameras.setdefault(picture.identity, {}).setdefault(picture.camera, []).append(picture)
    order = np.random.default_rng(0).permutation(sorted(cameras))[:PEOPLE]
    most = [max(cameras[who].values(), key=len)[:PICTURES] for who in order.tolist()]
    most = [shown for shown in most if len(shown) >= 4]
    before = np.stack([mean(shown[: len(shown) // 2]) for shown in most])
    after = np.stack([mean(shown[len(shown) // 2 :]) for shown in most])
    similarity = before @ after.T
    one = np.eye(len(most), dtype=bool)
    print(f"{len(most)} people: of one {similarity[one].mean():.3f} +- {similarity[one].std():.3f}, "
          f"of two {similarity[~one].mean():.3f} +- {similarity[~one].std():.3f}")  # fmt: skip


if __name__ == "__main__":
    study(main)
