"""Is it luck that looking at fewer frames scores better? Every Kth frame, begun at each of the K first ones.

    python scripts/studies/look_phases.py SETS/mot17 [--steps 1,2,3,4] [--no-preproc]

HOTA as written, all frames scored, the first frame always looked at: a line for each step, with the mean and all
phases. What differs between the phases of one step is luck.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from options import Sequences, study
from tracker import Tracker
from tracker.cli._options import Preproc
from tracker.datasets.mot import MotSequence, find_sequences
from tracker.evaluation.tracking import combined_hota, hota_fields
from tracker.jobs.sequences import given, track_frames


def hota(sequences: list[MotSequence], step: int, phase: int, preproc: bool, out: Path) -> float:
    """In percent, where the frames looked at are the first, then `phase` (from 0), `phase` + `step`, ..."""
    tracker, fields = Tracker(device="cpu"), {}
    for sequence in sequences:
        frames = given(tracker, sequence)
        looked = (replace(f, look=f.number == 1 or (f.number - 1) % step == phase) for f in frames)
        file = out / f"{sequence.name}.txt"
        track_frames(tracker, looked, file)
        fields[sequence.name] = hota_fields(sequence, file, preproc=preproc)
    return combined_hota(fields)


def main(
    roots: Sequences,
    steps: Annotated[str, typer.Option(help="Frames from one look to the next, separated by commas.")] = "1,2,3,4",
    preproc: Preproc = True,
) -> None:
    """Print the table."""
    sequences = find_sequences(roots)
    with tempfile.TemporaryDirectory() as folder:
        for step in map(int, steps.split(",")):
            found = [hota(sequences, step, phase, preproc, Path(folder)) for phase in range(step)]
            print(f"every {step}: {np.mean(found):.2f} of {', '.join(f'{each:.2f}' for each in found)}", flush=True)


if __name__ == "__main__":
    study(main)
