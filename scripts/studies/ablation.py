"""What each part that learns from the stream is worth: the same tracker without it, on every association set.

    python scripts/studies/ablation.py SETS --out OUT [--only mot17,hockey] [--parts "boxes as detected"]

Strictly online HOTA. "Without" is either a setting or the part held at what every stream starts with, named in `PARTS`.
Leaves OUT/ablation.csv; what OUT/ablation.json holds is not run again, so it may be interrupted.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import typer

from accuracy import SETS
from options import Only, Out, Sets, study
from tracker import Config, Tracker
from tracker.datasets.mot import find_sequences
from tracker.evaluation.tracking import combined_hota, hota_fields
from tracker.jobs.sequences import track_sequence
from tracker.motion.adaptation.births import Births
from tracker.motion.adaptation.habits import Habits
from tracker.motion.adaptation.patience import Patience
from tracker.slots import Slots

WHOLE = "whole"


def _nothing(*_: Any) -> None:
    return None


def _once(_: Patience, __: Any, followed_s: Any, ___: float) -> Any:
    return np.ones(len(followed_s))


def _none_of(_: Slots, slots: Any, __: float) -> Any:
    return np.zeros(len(slots), bool)


# Name -> settings, or the method of a class and what stands in its place.
PARTS: dict[str, dict[str, Any] | tuple[type, str, Callable[..., Any]]] = {
    WHOLE: {},
    "the LSTM's correction": {"motion": {"model": "kalman"}},
    "habits of the classes": (Habits, "learn", _nothing),
    "trust in new tracks": (Births, "learn", _nothing),
    "patience with lost ones": (Patience, "times", _once),
    "well-known ones that are missed": (Slots, "steady", _none_of),
    "boxes between detection and estimate": {"bank": {"smoothing": 0.0}},
    "calibrated scores": {"association": {"stretch_scores": False}},
    "boxes grown by their uncertainty": {"association": {"spread": 0.0}},
}


@contextmanager
def without(part: str) -> Iterator[Tracker]:
    """A tracker without a part."""
    how = PARTS[part]
    if isinstance(how, dict):
        yield Tracker(Config().override(how), device="cpu")
        return
    owner, method, instead = how
    with patch.object(owner, method, instead):
        yield Tracker(Config(), device="cpu")


def hota(tracker: Tracker, root: Path, out: Path, preproc: bool) -> float:
    """Of the sequences in a folder together, in percent."""
    out.mkdir(parents=True, exist_ok=True)
    fields = {}
    for sequence in find_sequences([root]):
        file = out / f"{sequence.name}.txt"
        track_sequence(tracker, sequence, file, strict_online=True)
        fields[sequence.name] = hota_fields(sequence, file, preproc=preproc)
    return combined_hota(fields)


def main(
    sets: Sets,
    out: Out,
    only: Only = "",
    parts: Annotated[str, typer.Option(help="Some of them, separated by commas. Default: all.")] = "",
) -> None:
    """Track, score and write the table."""
    out.mkdir(parents=True, exist_ok=True)
    record = out / "ablation.json"
    found: dict[str, dict[str, float]] = json.loads(record.read_text()) if record.is_file() else {}
    names = only.split(",") if only else [name for name in SETS if (sets / name).is_dir()]
    for part in parts.split(",") if parts else PARTS:
        of_part = found.setdefault(part, {})
        for name in names:
            if name not in of_part:
                with without(part) as tracker:
                    of_part[name] = round(hota(tracker, sets / name, out / "tracks" / name, SETS[name]), 2)
                record.write_text(json.dumps(found, indent=1))
                print(part, name, of_part[name], flush=True)
    with (out / "ablation.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["without", *names, "mean"])
        for part, of_part in found.items():
            values = [of_part.get(name, float("nan")) for name in names]
            rows.writerow([part, *values, round(float(np.mean(values)), 2)])


if __name__ == "__main__":
    study(main)
