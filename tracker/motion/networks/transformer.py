"""A causal Transformer (Vaswani et al., 2017) in the LSTM's place, with as many parameters: for comparison.

Two pre-norm layers; every observation attends to itself and the 31 before it, nearer ones preferred by a fixed slope
for each head (ALiBi, Press et al., 2022), so no position is ever out of range. What a step needs of the past are the
layers' inputs of the last 31 steps: that is its state, and the same code runs sequences and single steps.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tracker.motion.networks.base import INPUT_SIZE, ForecastNetwork, State

WIDTH, HEADS, LAYERS, INNER, WINDOW = 128, 4, 2, 512, 32


class TransformerLayer(nn.Module):
    """Attention and a two-layer perceptron, each on normalised input and added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention, self.before_inner = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query, self.key_value = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, 2 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.inner = nn.Sequential(nn.Linear(WIDTH, INNER), nn.GELU(), nn.Linear(INNER, WIDTH))

    def forward(self, x: Tensor, past: Tensor, bias: Tensor) -> Tensor:
        """(B, T, 128), inputs of the steps before (B, 31, 128), (B, 4, T, 31 + T) added to scores -> (B, T, 128)."""
        normal = self.before_attention(torch.cat([past, x], 1))
        query = self.query(normal[:, past.shape[1] :])
        key, value = self.key_value(normal).chunk(2, -1)
        query, key, value = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in (query, key, value))
        mixed = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        grown: Tensor = x + self.inner(self.before_inner(x))
        return grown


class TransformerNetwork(ForecastNetwork):
    """State: the layers' inputs of the last window - 1 steps (2, B, 31, 128) and how many there were (1, B)."""

    def __init__(self, window: int = WINDOW) -> None:
        super().__init__(WIDTH)
        self.window = window
        self.narrow = nn.Linear(INPUT_SIZE, WIDTH)
        self.layers = nn.ModuleList(TransformerLayer() for _ in range(LAYERS))

    def start_state(self, tracks: int) -> State:
        zeros = self.no_feature.new_zeros
        return zeros(LAYERS, tracks, self.window - 1, WIDTH), zeros(1, tracks)

    def core(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        pasts, count = state
        x = self.narrow(x)
        bias = self._bias(x.shape[1], count[0])
        kept = []
        for layer, past in zip(self.layers, pasts, strict=True):
            kept.append(torch.cat([past, x], 1)[:, -(self.window - 1) :])
            x = layer(x, past, bias)
        return x, (torch.stack(kept), (count + x.shape[1]).clamp(max=self.window - 1))

    def _bias(self, steps: int, count: Tensor) -> Tensor:
        """(B, 4, T, 31 + T): minus infinity for what is later, too long ago or missing, else minus slope x distance."""
        place = torch.arange(self.window - 1 + steps, device=count.device)
        distance = place[self.window - 1 :, None] - place
        slope = 2.0 ** -torch.arange(1, HEADS + 1, device=count.device)
        there = place >= self.window - 1 - count[:, None]
        allowed = (distance >= 0) & (distance < self.window) & there[:, None]
        scores = -slope[:, None, None] * distance
        return torch.where(allowed[:, None], scores, -torch.inf)
