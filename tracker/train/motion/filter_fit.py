"""The Kalman filter's constants, fitted by likelihood: what comes before the network that corrects the filter."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tracker.motion.kalman import KalmanParameters, correct, forecast, process_unit, propagate, start
from tracker.train.motion.settings import MotionTraining
from tracker.train.motion.windows import WindowSampler

START = {  # where the search for the filter's constants begins: a pedestrian at arm's length of the detector's noise
    "damping": (0.6, 0.8, 2.0, 2.0),
    "velocity_noise": (0.5, 0.25, 0.15, 0.1),
    "position_noise": (0.02, 0.01, 0.03, 0.02),
    "measurement_noise": (0.05, 0.03, 0.07, 0.04),
    "start_velocity": (1.0, 0.4, 0.3, 0.2),
}


def laplace_loss(mean: Any, std: Any, unit: Any, target: Any, weight: Tensor) -> Tensor:
    """Sum over everything of the negative log-likelihood of `target` (..., 4), in units of the box; weights (...)."""
    scale = std / math.sqrt(2)
    loss: Tensor = torch.log(2 * scale / unit) + (target - mean).abs() / scale
    return (loss.mean(-1) * weight).sum()


def fit_filter(sampler: WindowSampler, settings: MotionTraining) -> KalmanParameters:
    """The constants of the Kalman filter under which the true future is most likely, by gradient descent."""
    logs = {name: torch.tensor(values, dtype=torch.float64).log().requires_grad_() for name, values in START.items()}
    optimizer = torch.optim.Adam(logs.values(), lr=0.06)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.filter_iterations)
    for number in range(settings.filter_iterations):
        rng = np.random.default_rng([settings.seed, 1, number])
        windows = sampler.draw(rng, 256, 24, settings.real)
        p = KalmanParameters(**{name: value.exp() for name, value in logs.items()})
        observed, time_s = torch.from_numpy(windows.observed), torch.from_numpy(windows.time_s)
        dt = (time_s[:, 1:] - time_s[:, :-1]).clip(0)
        states = [start(observed[:, 0], p)]
        for t in range(1, observed.shape[1]):
            states.append(correct(propagate(states[-1], dt[:, t - 1, None], p), observed[:, t], p))
        state = torch.stack(states, 2)[:, :, :, None]
        horizon = torch.from_numpy(windows.horizon_s).double()[..., None]
        mean, std = forecast(state, horizon, p)
        weight = torch.from_numpy(windows.target_valid).double()
        unit = process_unit(state[0])
        loss = laplace_loss(mean, std, unit, torch.from_numpy(windows.target), weight) / weight.sum()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return KalmanParameters(**{name: value.detach().exp().numpy() for name, value in logs.items()})
