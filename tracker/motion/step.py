"""The LSTM's step, run by the engine it was exported for."""

from __future__ import annotations

import numpy as np

from tracker.motion.learned import SlotState
from tracker.structures import FEATURE_SIZE, Floats, Ints
from tracker.system.engine import Export


class ExportedCore(SlotState):
    """Two layers of LSTM, as `learned.LstmCore`."""

    rebuilt = ("_network",)

    def __init__(self, export: Export) -> None:
        self._network = export.open("motion")
        super().__init__(int(export.networks["motion"]["hidden"]))  # hidden, cell; layer; slot

    def step(self, slots: Ints, geometry: Floats, features: Floats | None) -> Floats:
        if features is None:
            features = np.full((len(slots), FEATURE_SIZE), np.nan, np.float32)
        hidden, cell = np.ascontiguousarray(self.state[:, :, slots])
        after = self._network(geometry, features, hidden, cell)
        self.state[:, :, slots] = after
        return np.asarray(after[0][1])
