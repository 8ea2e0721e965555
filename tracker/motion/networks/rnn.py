"""A plain recurrent network (Elman, 1990) in the LSTM's place, with as many parameters: for comparison."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tracker.motion.networks.base import INPUT_SIZE, RecurrentNetwork, State


class RnnNetwork(RecurrentNetwork):
    """State: (2, B, 315)."""

    def __init__(self) -> None:
        super().__init__(nn.RNN(INPUT_SIZE, 315, num_layers=2, batch_first=True))

    def run(self, inputs: Tensor, state: State, weights: list[Tensor]) -> tuple[Tensor, State]:
        hidden, h = torch.rnn_tanh(inputs, state[0], weights, True, 2, 0.0, self.training, False, True)
        return hidden, (h,)
