"""The networks behind the filter: input map, a recurrent (or attention) core, head.

    x = W_a f + W_g g + b    in R^512, f the appearance vector (or a learned "none"), g of `motion/geometry.py`
    y = core(x)              in R^hidden
    output = W_o y + c       the correction of `head.py`; W_o and c start at zero, so training starts from the filter

Letters in shapes: B tracks, T observations in order. A state is a tuple of tensors whose second axis is the track.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from copy import copy
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tracker.motion.geometry import GEOMETRY_SIZE
from tracker.motion.head import OUTPUTS
from tracker.motion.weights import INPUTS
from tracker.structures import FEATURE_SIZE, Floats, Ints
from tracker.system.state import State as Saved
from tracker.system.state import Stateful, fits

INPUT_SIZE = INPUTS
State = tuple[Tensor, ...]


class ForecastNetwork(nn.Module):
    """Base of all motion networks: everything but the core."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.geometry = nn.Linear(GEOMETRY_SIZE, INPUT_SIZE)
        self.appearance = nn.Linear(FEATURE_SIZE, INPUT_SIZE, bias=False)
        self.no_feature = nn.Parameter(torch.zeros(FEATURE_SIZE))
        self.head = nn.Linear(hidden, OUTPUTS)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(
        self, geometry: Tensor, features: Tensor | None = None, state: State | None = None
    ) -> tuple[Tensor, State]:
        """(B, T, 47) geometry, (B, T, 512) features with NaN rows for none -> (B, T, 20) corrections and the state."""
        hidden, state = self.hidden(geometry, features, state or self.start_state(len(geometry)))
        output: Tensor = self.head(hidden)
        return output, state

    def hidden(self, geometry: Tensor, features: Tensor | None, state: State) -> tuple[Tensor, State]:
        """(B, T, hidden) and the state to go on with."""
        return self.core(self.input_map(geometry, features), state)

    def input_map(self, geometry: Tensor, features: Tensor | None = None) -> Tensor:
        """(B, T, 47), (B, T, 512) -> (B, T, 512)."""
        mapped: Tensor = self.geometry(geometry) + self.appearance(self.filled(features))
        return mapped

    def filled(self, features: Tensor | None) -> Tensor:
        """(..., 512) features with the learned vector where there is none."""
        return self.no_feature if features is None else torch.where(torch.isnan(features), self.no_feature, features)

    def core(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, T, 512) -> (B, T, hidden) and the state to go on with."""
        raise NotImplementedError

    def start_state(self, tracks: int) -> State:
        """The state before a first observation, all zero."""
        raise NotImplementedError


class RecurrentNetwork(ForecastNetwork):
    """Base of the networks whose core is one of PyTorch's recurrent layers, two of them on top of each other."""

    def __init__(self, recurrent: nn.RNNBase) -> None:
        super().__init__(recurrent.hidden_size)
        self.recurrent = recurrent

    def core(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        layer = self.recurrent
        return self.run(x, state, [w for weights in layer.all_weights for w in weights])

    def start_state(self, tracks: int) -> State:
        return (self.no_feature.new_zeros(2, tracks, self.recurrent.hidden_size),)

    def hidden(self, geometry: Tensor, features: Tensor | None, state: State) -> tuple[Tensor, State]:
        """As the base's, with the input map folded into the first layer: the same numbers in half the time.

        Both are linear with nothing in between, so W_ih (W_g g + W_a f + b) = (W_ih W_g) g + W_ih (W_a f + b).
        """
        (weight, recurrent, own_bias, recurrent_bias), second = self.recurrent.all_weights
        bias = torch.addmv(own_bias, weight, self.geometry.bias)
        folded = weight @ self.geometry.weight
        if features is None:
            bias = bias + weight @ self.appearance(self.no_feature)
            inputs = geometry
        else:
            folded = torch.cat([folded, weight @ self.appearance.weight], 1)
            inputs = torch.cat([geometry, self.filled(features)], -1)
        return self.run(inputs, state, [folded, recurrent, bias, recurrent_bias, *second])

    def run(self, inputs: Tensor, state: State, weights: list[Tensor]) -> tuple[Tensor, State]:
        """The recurrent layers with given weights: (B, T, any) -> (B, T, hidden) and the state."""
        raise NotImplementedError


class TorchCore(Stateful):
    """Any of the networks in use, by PyTorch: what the LSTM is compared with needs no code of its own for this."""

    saved = ("state",)
    rebuilt = ("network",)

    def __init__(self, network: ForecastNetwork, tensors: dict[str, NDArray[Any]]) -> None:
        weights = {name: torch.from_numpy(value) for name, value in tensors.items() if not name.startswith("kalman.")}
        network.load_state_dict(weights)
        self.network = network.eval()
        self.state = network.start_state(0)

    def fresh(self) -> Self:
        other = copy(self)
        other.state = self.network.start_state(0)
        return other

    @property
    def capacity(self) -> int:
        return self.state[0].shape[1]

    def state_dict(self, without: Collection[str] = ()) -> Saved:  # noqa: ARG002
        return {str(i): part.numpy() for i, part in enumerate(self.state)}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]], without: Collection[str] = ()) -> None:  # noqa: ARG002
        """As the base's, of a state that is a tuple of tensors."""
        kept = tuple(torch.from_numpy(state[str(i)]) for i in range(len(state)))
        model = self.network.start_state(kept[0].shape[1]) if kept and kept[0].ndim > 1 else ()
        fits([(k.shape, k.dtype) for k in kept] == [(m.shape, m.dtype) for m in model], "the network's state")
        self.state = kept

    def reserve(self, capacity: int) -> None:
        more = self.network.start_state(capacity - self.state[0].shape[1])
        self.state = tuple(torch.cat(pair, 1) for pair in zip(self.state, more, strict=True))

    def clear(self, slots: Ints) -> None:
        for part in self.state:
            part[:, slots] = 0

    @torch.inference_mode()
    def step(self, slots: Ints, geometry: Floats, features: Floats | None) -> Floats:
        state = tuple(part[:, slots] for part in self.state)
        embedding = None if features is None or np.isnan(features).all() else torch.from_numpy(features)[:, None]
        hidden, state = self.network.hidden(torch.from_numpy(geometry)[:, None], embedding, state)
        for part, new in zip(self.state, state, strict=True):
            part[:, slots] = new
        return np.asarray(hidden[:, 0].numpy())
