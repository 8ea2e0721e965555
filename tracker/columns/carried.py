"""The columns that travel with detections: whatever a detector gives beside boxes, scores and classes.

The tracking does not know them. They stay as they came; a track's row is that of its `detection_index`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.columns.checked import as_array, column, mapping
from tracker.columns.masks import Masks
from tracker.errors import InputError


@dataclass(frozen=True, eq=False)
class Columns:
    """Further columns of N rows; None: there is no such column.

    Attributes:
        masks: N masks of the frame's pixels.
        keypoints: (N, K, 3) float32 x and y in pixels and confidence in [0, 1]; NaN where a point is not known.
        corners: (N, 4, 2) float32 corners of an oriented box in pixels, in order around it.
        data: name -> array (N, ...) of anything.
    """

    masks: Masks | None = None
    keypoints: NDArray[np.float32] | None = None
    corners: NDArray[np.float32] | None = None
    data: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @classmethod
    def checked(cls, rows: int, masks: Any, keypoints: Any, corners: Any, data: Mapping[str, Any] | None) -> Columns:
        """Of what a caller gives for so many rows, copied: it is kept for as long as smoothing waits.

        Raises:
            InputError: a column of another shape, dtype or length.
        """
        if masks is not None and not isinstance(masks, Masks):
            masks = Masks.of(masks) if rows or np.ndim(masks) == 3 else None
        if keypoints is not None:
            keypoints = column("keypoints", keypoints, np.float32, ("K", 3), rows, finite=True, copy=True)
        if corners is not None:
            corners = column("corners", corners, np.float32, (4, 2), rows, finite=True, copy=True)
        given = mapping("data", data, "name -> a row for each box")
        named = {str(name): as_array(f"data[{name!r}]", value).copy() for name, value in given.items()}
        single = next((name for name, value in named.items() if not value.ndim), None)
        if single is not None:
            raise InputError(f"data[{single!r}] is one value; expected {rows} rows, one for each box")
        lengths = {f"data[{name!r}]": len(value) for name, value in named.items()}
        if masks is not None:
            lengths["masks"] = len(masks)
        for name, length in lengths.items():
            if length != rows:
                raise InputError(f"{name} has {length} rows; expected {rows}, one for each box")
        return cls(masks, keypoints, corners, named)

    def __bool__(self) -> bool:
        return bool(self.data) or any(part is not None for part in (self.masks, self.keypoints, self.corners))

    def __getitem__(self, rows: NDArray[Any] | slice) -> Columns:
        """The same columns for the rows of a mask, index array or slice."""
        if not self:
            return self
        return self._each(lambda values: values[rows])

    def take(self, index: NDArray[np.int64]) -> Columns:
        """The rows (M,) of an index, -1: an empty row: no mask, NaN, or None.

        A column of `data` that cannot hold NaN comes as an array of objects, also where no row of it is empty.
        """
        if not self:
            return self
        return self._each(lambda values: values.take(index) if isinstance(values, Masks) else _taken(values, index))

    def _each(self, of: Callable[[Any], Any]) -> Columns:
        """What a function makes of each column that is there."""
        masks, keypoints, corners = (
            None if part is None else of(part) for part in (self.masks, self.keypoints, self.corners)
        )
        return Columns(masks, keypoints, corners, {name: of(value) for name, value in self.data.items()})


def _taken(values: NDArray[Any], index: NDArray[np.int64]) -> NDArray[Any]:
    """Rows (M, ...), empty ones where the index is -1."""
    kind = values.dtype.kind
    empty, dtype = (np.nan, values.dtype) if kind in "fc" else ("NaT", values.dtype) if kind in "mM" else (None, object)
    taken = np.full((len(index), *values.shape[1:]), empty, dtype)
    known = index >= 0
    taken[known] = values[index[known]]
    return taken


class Carrying:
    """Whoever has further columns shows them as its own."""

    @property
    def _columns(self) -> Columns:
        raise NotImplementedError

    @property
    def masks(self) -> Masks | None:
        """N masks; None where the detections came without."""
        return self._columns.masks

    @property
    def keypoints(self) -> NDArray[np.float32] | None:
        """(N, K, 3) x, y in pixels and confidence; None where the detections came without."""
        return self._columns.keypoints

    @property
    def corners(self) -> NDArray[np.float32] | None:
        """(N, 4, 2) corners of oriented boxes in pixels; None where the detections came without."""
        return self._columns.corners

    @property
    def data(self) -> Mapping[str, NDArray[Any]]:
        """Name -> (N, ...) of what else the detections came with."""
        return self._columns.data
