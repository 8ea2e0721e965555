"""`points.csv`: points of a picture whose places on the ground are known, `x_px,y_px,x_m,y_m`, one a row."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from tracker.analytics.ground.homography import Array
from tracker.errors import DataError

COLUMNS = ("x_px", "y_px", "x_m", "y_m")


def read_points(path: Path) -> tuple[Array, Array]:
    """(P, 2) pixels and (P, 2) metres.

    Raises:
        DataError: it cannot be read, has other columns, or a row that is not four numbers.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file) if line]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(
            f"{path} cannot be read ({reason}); give a table with the columns {','.join(COLUMNS)}"
        ) from None
    if not lines or tuple(name.strip() for name in lines[0]) != COLUMNS:
        raise DataError(f"{path} does not begin with {','.join(COLUMNS)}; write that line, then a row for each point")
    try:
        numbers = np.array(lines[1:], np.float64).reshape(-1, len(COLUMNS))
    except ValueError:
        raise DataError(f"{path} has a row that is not four numbers; give {','.join(COLUMNS)} in each") from None
    return numbers[:, :2], numbers[:, 2:]
