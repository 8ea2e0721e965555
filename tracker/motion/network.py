"""The networks behind the filter, for training: input map, a recurrent (or attention) core, head.

    x = W_a f + W_g g + b    in R^512, f the appearance vector (or a learned "none"), g the geometry of `features.py`
    y = core(x)              in R^128
    output = W_o y           the correction of `head.py`; W_o starts at zero, so training starts from the filter

Letters in shapes: B tracks, T observations in order.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from tracker.motion.features import GEOMETRY_SIZE
from tracker.motion.head import OUTPUTS
from tracker.structures import FEATURE_SIZE

INPUT_SIZE = 512
HIDDEN_SIZE = 128
State = Any  # what a core carries from one call to the next; None: nothing yet


class ForecastNetwork(nn.Module):
    """Base of all motion networks: everything but the core."""

    name: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.geometry = nn.Linear(GEOMETRY_SIZE, INPUT_SIZE)
        self.appearance = nn.Linear(FEATURE_SIZE, INPUT_SIZE, bias=False)
        self.no_feature = nn.Parameter(torch.zeros(FEATURE_SIZE))
        self.head = nn.Linear(HIDDEN_SIZE, OUTPUTS)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, geometry: Tensor, features: Tensor | None = None, state: State = None) -> tuple[Tensor, State]:
        """(B, T, 47) geometry, (B, T, 512) features with NaN rows for none -> (B, T, 20) corrections and the state."""
        hidden, state = self.core(self.input_map(geometry, features), state)
        return self.head(hidden), state

    def input_map(self, geometry: Tensor, features: Tensor | None = None) -> Tensor:
        """(B, T, 47), (B, T, 512) -> (B, T, 512)."""
        mapped: Tensor = self.geometry(geometry)
        return mapped + self.appearance(self.filled(features))

    def filled(self, features: Tensor | None) -> Tensor:
        """(..., 512) features with the learned vector where there is none."""
        if features is None:
            return self.no_feature
        return torch.where(torch.isnan(features), self.no_feature, features)

    def core(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        """(B, T, 512) -> (B, T, 128) and the state to go on with."""
        raise NotImplementedError


class RecurrentNetwork(ForecastNetwork):
    """Base of the networks whose core is one of PyTorch's recurrent layers."""

    recurrent: nn.RNNBase

    def core(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        return self.recurrent(x, state)  # type: ignore[no-any-return]

    def forward(self, geometry: Tensor, features: Tensor | None = None, state: State = None) -> tuple[Tensor, State]:
        """As the base's, with the input map folded into the first layer: the same numbers in half the time.

        Both are linear with nothing in between, so W_ih (W_g g + W_a f + b) = (W_ih W_g) g + W_ih (W_a f + b).
        """
        layer = self.recurrent
        first = torch.addmv(layer.bias_ih_l0, layer.weight_ih_l0, self.geometry.bias)
        weight = layer.weight_ih_l0 @ self.geometry.weight
        inputs = geometry
        if features is None:
            first = first + layer.weight_ih_l0 @ self.appearance(self.no_feature)
        else:
            inputs = torch.cat([geometry, self.filled(features)], -1)
            weight = torch.cat([weight, layer.weight_ih_l0 @ self.appearance.weight], 1)
        weights = [weight, layer.weight_hh_l0, first, layer.bias_hh_l0]
        for number in range(1, layer.num_layers):
            weights += [
                getattr(layer, f"{part}_l{number}") for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
        if state is None:
            state = self.start_state(len(geometry), geometry)
        hidden, state = self.run(inputs, state, weights)
        return self.head(hidden), state

    def start_state(self, tracks: int, like: Tensor) -> State:
        """The state before a first observation, all zero."""
        return like.new_zeros(self.recurrent.num_layers, tracks, HIDDEN_SIZE)

    def run(self, inputs: Tensor, state: State, weights: list[Tensor]) -> tuple[Tensor, State]:
        """The recurrent layers with given weights: (B, T, any) -> (B, T, 128) and the state."""
        raise NotImplementedError
