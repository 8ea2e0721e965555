"""The motion network: two layers of LSTM (Hochreiter & Schmidhuber, 1997) behind the 512-d input map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tracker.motion.networks.base import INPUT_SIZE, RecurrentNetwork, State

HIDDEN_SIZE = 128


class MotionNetwork(RecurrentNetwork):
    """`nn.LSTM(512, 128, num_layers=2, batch_first=True)`, for training; in use it is `lstm_core.LstmCore`.

    State: hidden and cell, (2, B, 128) each.
    """

    def __init__(self) -> None:
        super().__init__(nn.LSTM(INPUT_SIZE, HIDDEN_SIZE, num_layers=2, batch_first=True))

    def start_state(self, tracks: int) -> State:
        zero = self.no_feature.new_zeros(2, tracks, HIDDEN_SIZE)
        return zero, zero.clone()

    def run(self, inputs: Tensor, state: State, weights: list[Tensor]) -> tuple[Tensor, State]:
        hidden, h, c = torch.lstm(inputs, state, weights, True, 2, 0.0, self.training, False, True)
        return hidden, (h, c)
