"""The LSTM that runs: two layers, one batched step with the carried state of every track."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracker.structures import FEATURE_SIZE, Floats, Ints, Mask
from tracker.system.engine import Export
from tracker.system.state import Stateful

_BLOCK = 1024  # tracks that are stepped at once: the gates of more leave the processor's cache between operations


class InputMap:
    """The input map folded into the layer behind it: W_ih (W_g g + W_a f + b), one product each of g and f.

    Args:
        tensors: the weights file's; weight: W_ih (R, 512); bias: (R,) added to the result.
    """

    def __init__(self, tensors: dict[str, NDArray[Any]], weight: Floats, bias: Floats) -> None:
        self.geometry = np.ascontiguousarray((weight @ tensors["geometry.weight"]).T)
        self.appearance = np.ascontiguousarray((weight @ tensors["appearance.weight"]).T)
        self.nothing = tensors["no_feature"] @ self.appearance
        self.bias = weight @ tensors["geometry.bias"] + bias + self.nothing

    def appearance_part(self, features: Floats | None) -> tuple[Mask | slice, Floats] | None:
        """Rows with an appearance and what they add, (M, R); None where there are none and the product is saved."""
        if features is None:
            return None
        known = ~np.isnan(features[:, 0])
        if not known.any():
            return None
        rows = slice(None) if known.all() else known  # all of them need not be copied
        added = features[rows] @ self.appearance
        added -= self.nothing
        return rows, added


class SlotState(Stateful):
    """The state of all tracks' two layers in one array (2, 2, capacity, hidden), whoever steps it."""

    saved = ("state",)

    def __init__(self, hidden: int) -> None:
        self.state = np.zeros((2, 2, 0, hidden), np.float32)

    @property
    def capacity(self) -> int:
        return self.state.shape[2]

    def fresh(self) -> Self:
        other = copy(self)
        other.state = self.state[:, :, :0]
        return other

    def reserve(self, capacity: int) -> None:
        more = capacity - self.state.shape[2]
        self.state = np.pad(self.state, ((0, 0), (0, 0), (0, more), (0, 0)))

    def clear(self, slots: Ints) -> None:
        self.state[:, :, slots] = 0


class LstmCore(SlotState):
    """Two layers of LSTM, the state of all tracks in one array.

    A sigmoid is a tanh of half the input, so the gates' weights are halved once and one tanh serves all four gates.
    """

    name = "lstm"
    rebuilt = ("hidden", "map", "first", "second", "second_bias")

    def __init__(self, tensors: dict[str, NDArray[Any]]) -> None:
        self.hidden = tensors["recurrent.weight_hh_l0"].shape[1]
        n = self.hidden
        order = np.r_[0 : 2 * n, 3 * n : 4 * n, 2 * n : 3 * n]  # PyTorch's i f g o -> i f o g
        half = np.where(np.arange(4 * n) < 3 * n, np.float32(0.5), np.float32(1))

        def arranged(name: str) -> Floats:
            value = tensors[f"recurrent.{name}"][order]
            return np.asarray(value * (half if value.ndim == 1 else half[:, None]), np.float32)

        self.map = InputMap(tensors, arranged("weight_ih_l0"), arranged("bias_ih_l0") + arranged("bias_hh_l0"))
        self.first = np.concatenate([self.map.geometry, arranged("weight_hh_l0").T])
        self.second = np.concatenate([arranged("weight_ih_l1"), arranged("weight_hh_l1")], axis=1).T.copy()
        self.second_bias = arranged("bias_ih_l1") + arranged("bias_hh_l1")
        super().__init__(n)  # layer; hidden, cell; slot

    def step(self, slots: Ints, geometry: Floats, features: Floats | None) -> Floats:
        if len(slots) > _BLOCK:
            parts = [slice(begin, begin + _BLOCK) for begin in range(0, len(slots), _BLOCK)]
            looks = [None if features is None else features[part] for part in parts]
            with ThreadPoolExecutor(os.cpu_count()) as side_by_side:  # NumPy works without Python's lock
                found = side_by_side.map(self.step, [slots[p] for p in parts], [geometry[p] for p in parts], looks)
                return np.concatenate(list(found))
        (h1, c1), (h2, c2) = self.state.take(slots, axis=2)
        gates = np.concatenate([geometry, h1], axis=1) @ self.first
        gates += self.map.bias
        appearance = self.map.appearance_part(features)
        if appearance is not None:
            gates[appearance[0]] += appearance[1]
        h1, c1 = self._cell(gates, c1)
        gates = np.concatenate([h1, h2], axis=1) @ self.second
        gates += self.second_bias
        h2, c2 = self._cell(gates, c2)
        self.state[:, :, slots] = ((h1, c1), (h2, c2))
        return h2

    def _cell(self, gates: Floats, cell: Floats) -> tuple[Floats, Floats]:
        n = self.hidden
        np.tanh(gates, out=gates)
        sigmoid = gates[:, : 3 * n]
        sigmoid *= np.float32(0.5)
        sigmoid += np.float32(0.5)
        cell = gates[:, n : 2 * n] * cell + gates[:, :n] * gates[:, 3 * n :]
        return gates[:, 2 * n : 3 * n] * np.tanh(cell), cell


class ExportedCore(SlotState):
    """Two layers of LSTM, as `lstm_core.LstmCore`."""

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
