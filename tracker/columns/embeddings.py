"""The embeddings of a frame's detections, of which most frames take a few: only those are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class TakenEmbeddings:
    """TakenEmbeddings of some of M detections.

    Attributes:
        rows: (E,) int64 the detections that have one, in order. values: (E, D) float32 of these.
    """

    rows: NDArray[np.int64]
    values: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32] | None) -> TakenEmbeddings | None:
        """Of (M, D) with rows of NaN where none was taken; None of None."""
        if features is None:
            return None
        rows = np.flatnonzero(~np.isnan(features[:, :1]).any(axis=1))
        return cls(rows, features if len(rows) == len(features) else features.take(rows, axis=0))

    def take(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """(N, D) of the detections (N,), NaN where there is none or the index is -1."""
        taken = np.full((len(index), self.values.shape[1]), np.nan, np.float32)
        if len(self.rows):
            place = np.minimum(np.searchsorted(self.rows, index), len(self.rows) - 1)
            known = self.rows[place] == index
            taken[known] = self.values[place[known]]
        return taken
