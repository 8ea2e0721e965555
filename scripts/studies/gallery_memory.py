"""Memory of a process in which the galleries of many cameras fill up and are saved, each in a thread of its own.

    python scripts/studies/gallery_memory.py

What a soak of many hours shows in a minute: 500 people are kept of each camera, and whoever comes then takes the place
of another.
"""

from __future__ import annotations

import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import psutil
import typer

from options import study
from tracker import Gallery
from tracker.structures import FEATURE_SIZE

AT_ONCE, LOOKS, MOST = 4, 3, 520
TOLD = (60, 120, 132, 200, 252, 264, 400, 496, 516)


def main(cameras: Annotated[int, typer.Option(help="How many.")] = 8) -> None:
    galleries = [Gallery() for _ in range(cameras)]
    turn = threading.Barrier(cameras + 1)

    def fill(number: int, folder: Path) -> None:
        gallery, rng = galleries[number], np.random.default_rng(number)
        for first in range(0, MOST, AT_ONCE):
            features = rng.normal(size=(AT_ONCE, FEATURE_SIZE)).astype(np.float32)
            features /= np.linalg.norm(features, axis=1, keepdims=True)
            ids = np.arange(first + 1, first + 1 + AT_ONCE)
            for look in range(LOOKS):
                zeros, ones = np.zeros(AT_ONCE, np.int64), np.ones(AT_ONCE, np.float32)
                gallery.remember(ids, zeros, features, ones, 1, first + 0.1 * look)
            gallery.recall(features[:1], ids, 1, float(first))
            if first % 20 == 0:
                gallery.save(folder / f"{number}.safetensors")
            turn.wait()

    with TemporaryDirectory() as name:
        for number in range(cameras):
            threading.Thread(target=fill, args=(number, Path(name)), daemon=True).start()
        for people in range(0, MOST, AT_ONCE):
            turn.wait()
            if people in TOLD:
                print(f"{people} people: {psutil.Process().memory_info().rss / (1 << 20):.0f} MiB")


if __name__ == "__main__":
    study(main)
