"""Frames/s of `update` where every detection comes with an embedding, as `scripts/studies/accuracy.py` says it for
boxes alone.

    python scripts/studies/embedding_cost.py SETS/mot17

The embeddings are random: their cost does not depend on what they show, except that nothing is ever re-identified.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from options import Sequences, study
from tracker import Tracker
from tracker.datasets.mot import MotSequence, find_sequences
from tracker.jobs.sequences import Given, given, track_frames
from tracker.structures import FEATURE_SIZE


def with_embeddings(tracker: Tracker, sequence: MotSequence) -> Iterator[Given]:
    chance = np.random.default_rng(0)
    for frame in given(tracker, sequence):
        embeddings = chance.standard_normal((len(frame.detections), FEATURE_SIZE)).astype(np.float32)
        yield replace(frame, detections=frame.detections.with_features(embeddings))


def main(roots: Sequences) -> None:
    """Print frames/s."""
    tracker, sequences = Tracker(), find_sequences(roots)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "tracks.txt"
        seconds = sum(
            track_frames(tracker, with_embeddings(tracker, sequence), out, strict_online=True) for sequence in sequences
        )
    print(f"{sum(sequence.length for sequence in sequences) / seconds:.0f} frames/s")


if __name__ == "__main__":
    study(main)
