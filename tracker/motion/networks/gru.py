"""A gated recurrent unit (Cho et al., 2014) in the LSTM's place, with as many parameters: for comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tracker.motion.networks.base import INPUT_SIZE, RecurrentNetwork, State


class GruNetwork(RecurrentNetwork):
    """State: (2, B, 156)."""

    def __init__(self) -> None:
        super().__init__(nn.GRU(INPUT_SIZE, 156, num_layers=2, batch_first=True))

    def run(self, inputs: Tensor, state: State, weights: list[Tensor]) -> tuple[Tensor, State]:
        hidden, h = torch.gru(inputs, state[0], weights, True, 2, 0.0, self.training, False, True)
        return hidden, (h,)
