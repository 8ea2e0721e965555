"""What one step of each motion model costs: against the number of tracks, and against the length of their history.

    python scripts/studies/motion_cost.py --out runs/cost

A step is one observation of every track and one forecast, on one CPU thread, in milliseconds, the best of several; no
appearance. What a step costs does not depend on what the weights are, so all but the embedded ones are as they start.
The Transformer of the comparison sees 32 steps; the one named "whole" has its whole history for a window, and as that
is an array of fixed size it costs the same before it is full.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from options import Out, study
from tracker.motion.kalman import KalmanParameters
from tracker.motion.learned import LearnedPredictor
from tracker.motion.load import load_predictor
from tracker.motion.networks.base import ForecastNetwork, TorchCore
from tracker.motion.networks.registry import NETWORKS
from tracker.motion.networks.transformer import TransformerNetwork
from tracker.motion.predictor import Observations, Predictor
from tracker.motion.weights import EMBEDDED, read_weights

TRACKS = (1, 10, 30, 100, 1000, 5000)
HISTORY = (10, 30, 100, 300, 1000, 2000)
FEW = 30  # tracks, where the history is what varies


def in_torch(network: ForecastNetwork) -> Predictor:
    """A network in use, by PyTorch, behind the embedded filter."""
    tensors = {name: value.detach().numpy() for name, value in network.state_dict().items()}
    parameters = KalmanParameters.from_tensors(read_weights(EMBEDDED).tensors)
    return LearnedPredictor(parameters, TorchCore(network, tensors), tensors["head.weight"], tensors["head.bias"])


def cost(predictor: Predictor, tracks: int, history: int = 3, seconds: float = 1.0) -> float:
    """Milliseconds of a step of `tracks` tracks that have been seen `history` times; the best within `seconds`."""
    rng = np.random.default_rng(0)
    slots = np.arange(tracks)
    corner = rng.uniform(0, 900, (tracks, 2)).astype(np.float32)
    xyxy = np.concatenate([corner, corner + [40, 100]], axis=1, dtype=np.float32)

    def seen(frame: int) -> Observations:
        return Observations(xyxy + np.float32(frame % 50), np.full(tracks, 0.8, np.float32), frame / 25, None, None)

    for frame in range(history):
        predictor.update(slots, seen(frame), np.full(tracks, frame == 0))
    best, began, frame = np.inf, time.perf_counter(), history
    while time.perf_counter() < began + seconds or frame < history + 3:
        observations = seen(frame)
        start = time.perf_counter()
        predictor.update(slots, observations, np.zeros(tracks, bool))
        predictor.predict(slots, (frame + 1) / 25)
        best = min(best, time.perf_counter() - start)
        frame += 1
    return 1000 * best


def main(
    out: Out,
    seconds: Annotated[float, typer.Option(help="How long each is measured.")] = 0.5,
) -> None:
    """Measure, print and plot."""
    torch.set_num_threads(1)
    makers: dict[str, Callable[[], Predictor]] = {
        "filter alone": lambda: load_predictor("kalman"),
        "lstm": load_predictor,
        **{f"{name} (PyTorch)": lambda made=made: in_torch(made()) for name, made in NETWORKS.items()},
    }
    result = {"by_tracks": {}, "by_history": {}}
    for name, make in makers.items():
        result["by_tracks"][name] = {n: cost(make(), n, seconds=seconds) for n in TRACKS}
        result["by_history"][name] = {n: cost(make(), FEW, n, seconds) for n in HISTORY}
        print(name, json.dumps({k: v[name] for k, v in result.items()}), flush=True)
    whole = "transformer, whole (PyTorch)"
    result["by_history"][whole] = {n: cost(in_torch(TransformerNetwork(n)), FEW, seconds=seconds) for n in HISTORY}
    print(whole, json.dumps(result["by_history"][whole]), flush=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / "cost.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    plot(result, out / "cost.png")


def plot(result: dict[str, dict[str, dict[int, float]]], path: Path) -> None:
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 1, figsize=(6.6, 8), layout="constrained")
    labels = ("number of tracks", f"observations before, of each of {FEW} tracks")
    for axes, by_model, label in zip(panels, result.values(), labels, strict=True):
        for name, costs in by_model.items():
            axes.plot(list(costs), list(costs.values()), marker="o", ms=4, label=name)
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="time of a step, ms")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    figure.savefig(path, dpi=180)


if __name__ == "__main__":
    study(main)
