"""What the class numbers of a MOTChallenge ground truth mean: those of MOT16, or of a `labels.txt` beside it."""

from __future__ import annotations

from pathlib import Path

from tracker.datasets.mot import CLASS, Table, ground_truth
from tracker.errors import DataError

MOT16 = (
    "pedestrian",
    "person on vehicle",
    "car",
    "bicycle",
    "motorbike",
    "non motorized vehicle",
    "static person",
    "distractor",
    "occluder",
    "occluder on the ground",
    "occluder full",
    "reflection",
    "crowd",
)  # names of its classes, from 1 on


def labels_of(ground_truth_file: Path) -> list[str] | None:
    """The names of classes, from 1 on, in the lines of `labels.txt`, as CVAT and Datumaro write it; None: none there.

    Raises:
        DataError: it cannot be read.
    """
    labels = ground_truth_file.with_name("labels.txt")
    if not labels.is_file():
        return None
    try:
        return [line.strip() for line in labels.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{labels} cannot be read ({error}); write a class's name into each line") from error


def scored_truth(path: Path) -> Table:
    """`ground_truth` as it is scored: of classes that are not MOT16's, all are 1.

    MOT16's rules (`--preproc`) are about its own numbers: of others, the first class alone would count, and who follows
    the second would be taken for what follows a distractor.

    Raises:
        DataError: as of `ground_truth` and `labels_of`.
    """
    table, labels = ground_truth(path), labels_of(path)
    if labels is not None and MOT16[0] not in labels:
        table[:, CLASS] = 1
    return table
