"""The motion network: two layers of LSTM (Hochreiter & Schmidhuber, 1997) behind the 512-d input map."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tracker.motion.network import HIDDEN_SIZE, INPUT_SIZE, RecurrentNetwork, State


class MotionNetwork(RecurrentNetwork):
    """The network that `LearnedPredictor` runs, for training. State: (hidden, cell), (2, B, 128) each."""

    name = "lstm"

    def __init__(self) -> None:
        super().__init__()
        self.recurrent = nn.LSTM(INPUT_SIZE, HIDDEN_SIZE, num_layers=2, batch_first=True)

    def start_state(self, tracks: int, like: Tensor) -> State:
        zero = like.new_zeros(2, tracks, HIDDEN_SIZE)
        return zero, zero

    def run(self, inputs: Tensor, state: State, weights: list[Tensor]) -> tuple[Tensor, State]:
        hidden, h, c = torch.lstm(inputs, state, weights, True, 2, 0.0, self.training, False, True)
        return hidden, (h, c)
