"""Fit the noise of the classic Kalman filters, as fairly as our own is: same windows, same targets, same likelihood.

    python scripts/studies/fit_frame_kalman.py mot17 mot15 sportsmot/train kitti uadetrac pedestrians_gt \
      --config configs/train/motion.yaml

prints `FITTED` of `tracker/motion/baselines/frame_kalman.py`: constants for one second, by gradient descent from
DeepSORT's, as those are at 30 frames/s. A window's frame is the shortest time between two of its observations.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from options import study
from tracker.motion.baselines.frame_kalman import CLASSIC, FrameNoise, correct, from_aspect, propagate, start, to_aspect
from tracker.motion.kalman import to_cxcywh
from tracker.train.motion.filter_fit import laplace_loss
from tracker.train.motion.settings import MotionTraining
from tracker.train.motion.tracks import read_tracks, split_by_sequence
from tracker.train.motion.windows import Windows, WindowSampler


def loss(windows: Windows, per_second: FrameNoise, aspect: bool) -> Tensor:
    """Mean negative log-likelihood of where the objects of the windows will be, in units of the box."""
    observed, target = (torch.from_numpy(to_cxcywh(x, np.ones_like(x))[0]) for x in (windows.observed, windows.target))
    if aspect:
        observed = to_aspect(observed)
    time_s, horizon_s = torch.from_numpy(windows.time_s), torch.from_numpy(windows.horizon_s).double()
    dt = time_s.diff(dim=1).clip(0)
    interval = torch.where(dt > 0, dt, torch.inf).amin(1)[:, None]
    interval = torch.where(interval.isfinite(), interval, 1)  # a window of one observation
    noise = per_second.per_frame(interval)
    states = [start(observed[:, 0], noise, aspect)]
    for t in range(1, observed.shape[1]):
        predicted = propagate(states[-1], dt[:, t - 1, None] / interval, noise, aspect)
        states.append(correct(predicted, observed[:, t], noise, aspect))
    state = torch.stack(states, 2)[:, :, :, None].expand(-1, -1, -1, horizon_s.shape[-1], -1)
    noise = per_second.per_frame(interval[:, None, None])
    mean, _, variance, _, _ = propagate(state, (horizon_s / interval[..., None])[..., None], noise, aspect)
    std = variance.sqrt()
    if aspect:
        mean, std = from_aspect(mean, std)
    weight = torch.from_numpy(windows.target_valid).double()
    width, height = target[..., 2:3], target[..., 3:]
    return laplace_loss(mean, std, torch.cat([height, height, width, height], -1), target, weight) / weight.sum()


def tensors(noise: FrameNoise) -> FrameNoise:
    return FrameNoise(**{name: torch.as_tensor(value) for name, value in vars(noise).items()})


def fit(sampler: WindowSampler, settings: MotionTraining, aspect: bool, steps: int) -> FrameNoise:
    """The constants under which the true future is most likely, as `filter_fit.fit_filter` finds ours."""
    classic = CLASSIC["xyah" if aspect else "xywh"]
    begin = tensors(classic.per_frame(30.0))
    logs = {name: value.log().requires_grad_() for name, value in vars(begin).items()}
    optimizer = torch.optim.Adam(logs.values(), lr=0.06)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for number in range(steps):
        windows = sampler.draw(np.random.default_rng([settings.seed, 1, number]), 256, 24, settings.real)
        value = loss(windows, FrameNoise(**{name: log.exp() for name, log in logs.items()}), aspect)
        optimizer.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if number % 50 == 0:
            print(f"step {number}: {float(value.detach()):.3f}")
    return FrameNoise(**{name: log.detach().exp().numpy() for name, log in logs.items()})


def main(
    roots: Annotated[list[Path], typer.Argument(metavar="DATA...", help="Folders in MOTChallenge layout.")],
    config: Annotated[Path, typer.Option(help="Of the training of the motion model: what is held out.")],
    steps: Annotated[int, typer.Option(min=1, help="Of gradient descent, 256 windows each.")] = 400,
) -> None:
    """Print the constants."""
    settings = MotionTraining.load(config)
    tracks = read_tracks(roots, settings.hold_out, settings.first_half, settings.familiar, lambda _: None)
    training, _ = split_by_sequence(tracks, settings.validation, settings.seed)
    sampler = WindowSampler(training, settings.augmentation)
    for name in CLASSIC:
        noise = fit(sampler, settings, name == "xyah", steps)
        print(f'    "{name}": _shares(')
        for field in fields(noise):
            print(f"        [{', '.join(f'{x:.3g}' for x in getattr(noise, field.name))}],")
        print("    ),")


if __name__ == "__main__":
    study(main)
