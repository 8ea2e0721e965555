"""Labels in YOLO's format: a text file beside each image, a line an object, `class x y width height` as shares.

Centre, width and height are shares of the image's size; what a line holds beyond them (keypoints, a score) is passed
over. `.../images/PATH.jpg` has its labels in `.../labels/PATH.txt`.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracker.errors import DataError
from tracker.structures import Floats, Ints

Rows = NDArray[np.float64]  # (N, 5) class, centre x, centre y, width, height

_SLACK = 0.01  # what a share may lie outside 0 to 1, as for Ultralytics


def labels_of(image: Path, images: Path, classes: Collection[int] | None = None) -> Rows | None:
    """(N, 5) rows of an image that is somewhere in the folder `images`; None where it has no label file.

    Errors as for `read_labels`.
    """
    file = images.parent / "labels" / image.relative_to(images).with_suffix(".txt")
    return read_labels(file, classes) if file.is_file() else None


def read_labels(file: Path, classes: Collection[int] | None = None) -> Rows:
    """(N, 5) rows of a label file; blank lines are passed over.

    Args:
        file: the label file.
        classes: numbers that there may be; None: any.

    Raises:
        DataError: it cannot be read, or a line is not a class and four shares; the file, the line and what is wrong.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise DataError(f"{file} cannot be read ({reason}); expected lines of class, x, y, width, height") from error
    rows = [_row(line, f"{file} line {number}", classes) for number, line in enumerate(lines, 1) if line.strip()]
    return np.array(rows, np.float64).reshape(-1, 5)


def _row(line: str, where: str, classes: Collection[int] | None) -> list[float]:
    try:
        row = [float(item) for item in line.split()[:5]]
    except ValueError:
        row = []
    if len(row) < 5:
        raise DataError(f"{where} is not class, x, y, width, height but {line.strip()[:40]!r}; mend or remove it")
    kind, *shares = row
    if not kind.is_integer() or kind < 0:
        raise DataError(f"{where} has class {kind:g}; give a whole number from 0")
    if classes is not None and int(kind) not in classes:
        raise DataError(
            f"{where} has class {kind:g}, which has no name; name it in the dataset's YAML, or mend the line"
        )
    if not all(-_SLACK <= share <= 1 + _SLACK for share in shares) or min(shares[2:]) < 0:
        raise DataError(f"{where} has {' '.join(line.split()[1:5])}; give x, y, width, height as shares of the image")
    return row


def write_labels(file: Path, rows: Rows) -> None:
    """Write (N, 5) rows to a file that is not there yet."""
    with file.open("x", encoding="utf-8") as text:
        np.savetxt(text, rows, fmt=("%d", *["%.6f"] * 4))


def boxes_of(rows: Rows, shape: tuple[int, ...]) -> Floats:
    """(N, 5) rows and an image's (H, W, ...) -> (N, 4) float32 xyxy in pixels."""
    size = np.array([shape[1], shape[0]] * 2, np.float32)
    return np.asarray(cxcywh_to_xyxy(rows[:, 1:].astype(np.float32)) * size, np.float32)


def rows_of(xyxy: Floats, classes: Ints, shape: tuple[int, ...]) -> Rows:
    """Boxes (N, 4) in pixels, clipped to an image of (H, W, ...) -> (M, 5) rows of those that have an area in it."""
    size = np.array([shape[1], shape[0]] * 2, np.float64)
    boxes = xyxy_to_cxcywh(np.clip(xyxy, 0, size)) / size
    return np.column_stack([classes, boxes])[(boxes[:, 2:] > 0).all(axis=1)]
