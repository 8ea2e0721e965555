"""The LSTM's step, run by the engine it was exported for."""

from __future__ import annotations

import numpy as np

from tracker.exported import Export
from tracker.structures import FEATURE_SIZE, Floats, Ints


class ExportedCore:
    """Two layers of LSTM; the state of all tracks in one array, as in `learned.LstmCore`."""

    def __init__(self, export: Export) -> None:
        self._network = export.open("motion")
        self.state = np.zeros((2, 2, 0, int(export.networks["motion"]["hidden"])), np.float32)  # h, c; layer; slot

    def reserve(self, capacity: int) -> None:
        more = capacity - self.state.shape[2]
        self.state = np.pad(self.state, ((0, 0), (0, 0), (0, more), (0, 0)))

    def clear(self, slots: Ints) -> None:
        self.state[:, :, slots] = 0

    def step(self, slots: Ints, geometry: Floats, features: Floats | None) -> Floats:
        if features is None:
            features = np.full((len(slots), FEATURE_SIZE), np.nan, np.float32)
        hidden, cell = np.ascontiguousarray(self.state[:, :, slots])
        after = self._network(geometry, features, hidden, cell)
        self.state[:, :, slots] = after
        return np.asarray(after[0][1])
