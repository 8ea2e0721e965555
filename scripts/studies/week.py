"""Does the gallery grow, or slow down? A million people offered to it, and a week of video.

python scripts/studies/week.py
"""

from __future__ import annotations

import time
from typing import Annotated

import numpy as np
import typer

from options import study
from tracker import Detections, Gallery, Tracker

BATCH = 50  # people at once
EVERY_S, SEEN_S, FPS = 60.0, 1.0, 6  # a new person walks by so often, for so long
DAYS, DAY_S = 7, 86_400.0


def offer(people: int, rng: np.random.Generator) -> None:
    """Remember so many different people; compare a newcomer with everybody remembered after each batch."""
    gallery = Gallery()
    features = rng.normal(size=(people // 10 // BATCH, BATCH, 512)).astype(np.float32)
    features /= np.linalg.norm(features, axis=-1, keepdims=True)
    classes, quality, nobody = np.zeros(BATCH, np.int64), np.ones(BATCH), np.zeros(0, np.int64)
    print("people offered  remembered      MiB  ms to remember 50  ms to compare one")
    for part in range(10):
        seconds = np.zeros(2)
        for step, embeddings in enumerate(features):
            start = time.perf_counter()
            gallery.remember(gallery.new_ids(BATCH), classes, embeddings, quality, 1, part + step / len(features))
            middle = time.perf_counter()
            gallery.recall(embeddings[:1], nobody, 1, part + step / len(features))
            seconds += middle - start, time.perf_counter() - middle
        ms = 1000 * seconds / len(features)
        offered = (part + 1) * len(features) * BATCH
        print(f"{offered:14,d}  {len(gallery):10d}  {gallery.nbytes / 2**20:7.1f}  {ms[0]:17.2f}  {ms[1]:17.2f}")


def watch(rng: np.random.Generator) -> None:
    """A week in which every minute a person never seen before walks by."""
    tracker, now = Tracker(), 0.0
    print("day  ids so far  remembered      MiB  ms an update")
    for day in range(1, DAYS + 1):
        start, updates = time.perf_counter(), 0
        while now < day * DAY_S:
            embedding = rng.normal(size=512)
            for step in range(int(SEEN_S * FPS)):
                box = [100 + 20 * step, 100, 140 + 20 * step, 200]
                tracks = tracker.update(None, Detections([box], features=[embedding]), time_s=now + step / FPS)
            tracker.update(None, Detections.empty(), time_s=now + 3.0)
            updates += step + 2
            now += EVERY_S
        ms = 1000 * (time.perf_counter() - start) / updates
        gallery = tracker.gallery
        print(f"{day:3d}  {tracks.ids.max():10d}  {len(gallery):10d}  {gallery.nbytes / 2**20:7.1f}  {ms:12.2f}")


def main(people: Annotated[int, typer.Option(min=10 * BATCH, help="How many are offered.")] = 1_000_000) -> None:
    """Print how large and how slow the memory is as time goes by."""
    offer(people, np.random.default_rng(0))
    watch(np.random.default_rng(0))


if __name__ == "__main__":
    study(main)
