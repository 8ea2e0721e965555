"""Windows as tensors, and the loss that filter and network lower."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tracker.motion.head import corrected
from tracker.motion.kalman import KalmanParameters, forecast
from tracker.train.motion.filter_fit import laplace_loss
from tracker.train.motion.windows import Windows, filtered


@dataclass(frozen=True, eq=False)
class Batch:
    """B windows of T observations as tensors: the network's input, the filter's forecasts and the truth."""

    geometry: Tensor  # (B, T, 47)
    features: Tensor | None  # (B, T, 512)
    mean: Tensor  # (B, T, K, 4) the filter's forecast minus the target, in units
    std: Tensor  # (B, T, K, 4) in units
    dt: Tensor  # (B, T, K, 1) seconds
    weight: Tensor  # (B, T, K) 1 where there is a target, else 0

    @classmethod
    def of(cls, windows: Windows, p: KalmanParameters, device: torch.device) -> Batch:
        lesson = filtered(windows, p)
        dt = windows.horizon_s[..., None].astype(np.float64)
        mean, std = forecast(lesson.states[:, :, :, None], dt, p)
        unit = lesson.unit[:, :, None]

        def tensor(value: NDArray[Any]) -> Tensor:
            return torch.from_numpy(np.asarray(value, np.float32)).to(device)

        return cls(
            geometry=tensor(lesson.geometry),
            features=None if windows.features is None else tensor(windows.features),
            mean=tensor((mean - windows.target) / unit),
            std=tensor(std / unit),
            dt=tensor(dt),
            weight=tensor(windows.target_valid),
        )

    def part(self, tracks: slice, steps: slice) -> Batch:
        features = None if self.features is None else self.features[tracks, steps]
        others = (self.geometry, self.mean, self.std, self.dt, self.weight)
        geometry, *rest = (value[tracks, steps] for value in others)
        return Batch(geometry, features, *rest)

    def loss(self, network: nn.Module, state: Any = None) -> tuple[Tensor, Any]:
        """Summed loss and the state to go on with. In units of the box the target is 0 and the unit is 1."""
        output, state = network(self.geometry, self.features, state)
        one = torch.ones_like(self.std)
        mean, std = corrected(self.mean, self.std, one, output[:, :, None].float(), self.dt)
        return laplace_loss(mean, std, one, torch.zeros_like(mean), self.weight), state
