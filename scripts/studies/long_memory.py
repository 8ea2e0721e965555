"""How far back do the motion networks remember? Two studies, a JSON file and a plot each.

    python scripts/studies/long_memory.py recall --out runs/memory
    python scripts/studies/long_memory.py occluded SEQUENCES... --out runs/memory [--models lstm,kalman,FILE...]

`recall`: a network is shown one of eight marked symbols, then 10 to 2,000 unmarked ones, and is asked for the marked
one. All have the cells, sizes and input map of the motion networks and the same training: steps, batches, distances
(log-uniform), learning rate. Gated cells (LSTM, GRU) start with chrono biases (Tallec & Ollivier, 2018), and the LSTM
as PyTorch starts it as well; the Transformer's window is that of its two layers of 32 steps.

`occluded`: an object is seen for a while and then occluded for 10 to 2,000 frames: how far off is the forecast, how
often is the truth inside its 90 % region? An occluded object's state stays as it was, so something harder is asked of
that: does it still tell the object from 19 others after as many observations without an embedding? (Embeddings are
simulated.)
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from scipy.signal import lfilter
from torch import Tensor, nn

from options import Sequences, study
from tracker.datasets.mot import find_sequences
from tracker.evaluation.forecasts import Forecasts, Model, ObservedSequence, forecasts, metrics, read_observed, together
from tracker.motion.geometry import AT, GEOMETRY_SIZE
from tracker.motion.kalman import KalmanParameters
from tracker.motion.networks.base import ForecastNetwork
from tracker.motion.networks.registry import NETWORKS
from tracker.motion.weights import EMBEDDED, read_weights
from tracker.structures import FEATURE_SIZE
from tracker.train.motion.augmentation import Augmentation
from tracker.train.motion.windows import Windows, filtered

DISTANCES = (10, 30, 100, 300, 1000, 2000)
SYMBOLS = 8
ASKED = SYMBOLS  # the column after those of the symbols
NOISE = 0.1  # on every input
AMONG = 20  # objects that one is told from
SEEN = 100  # frames in which an object may be seen before it is occluded
GATED = ("lstm", "gru")
CHUNK = 250  # observations at a time: a Transformer's scores of 2,000 at once would fill the memory


def recall_batch(rng: np.random.Generator, size: int, distance: int) -> tuple[Tensor, Tensor]:
    """(B, distance + 1, 47) inputs and (B,) the symbol that was marked `distance` steps before the last."""
    symbol = rng.integers(SYMBOLS, size=size)
    inputs = rng.normal(0, NOISE, (size, distance + 1, GEOMETRY_SIZE)).astype(np.float32)
    inputs[np.arange(size), 0, symbol] += 1
    inputs[:, -1, ASKED] += 1
    return torch.from_numpy(inputs), torch.from_numpy(symbol)


def chrono(network: ForecastNetwork, longest: int) -> None:
    """Biases with which the gates keep what they hold for 1 to `longest` steps, drawn evenly."""
    for name, bias in network.named_parameters():
        if "recurrent.bias_ih" not in name:
            continue
        kept = torch.log(torch.empty(network.recurrent.hidden_size).uniform_(1, longest - 1))
        input_gate, forget_gate, *_ = bias.data.chunk(4 if isinstance(network.recurrent, nn.LSTM) else 3)
        if isinstance(network.recurrent, nn.LSTM):
            input_gate.copy_(-kept)
        forget_gate.copy_(kept)  # of a GRU: the update gate, which PyTorch lets keep the state


class Recall(nn.Module):
    """One of the motion networks with a choice of symbols in place of its head."""

    def __init__(self, name: str, gates: str) -> None:
        super().__init__()
        self.network = NETWORKS[name]()
        if gates == "chrono":
            chrono(self.network, DISTANCES[-1])
        self.choice = nn.Linear(self.network.head.in_features, SYMBOLS)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, T, 47) -> (B, 8) log odds after the last step; the gradient runs back to the first."""
        state = self.network.start_state(len(inputs))
        for part in inputs.split(CHUNK, 1):
            hidden, state = self.network.hidden(part, None, state)
        odds: Tensor = self.choice(hidden[:, -1])
        return odds


def train_recall(name: str, gates: str, steps: int, batch: int, seed: int) -> tuple[Recall, float]:
    """The trained network and its seconds of training; all networks see the same batches."""
    torch.manual_seed(seed)
    model = Recall(name, gates)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    began = time.perf_counter()
    for number in range(steps):
        rng = np.random.default_rng([seed, number])
        reach = min(1, 2 * number / steps)
        distance = round(DISTANCES[0] * (DISTANCES[-1] / DISTANCES[0]) ** (reach * rng.random()))
        inputs, symbol = recall_batch(rng, batch, distance)
        loss = nn.functional.cross_entropy(model(inputs), symbol)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return model, time.perf_counter() - began


def measured(model: Recall, distance: int, batch: int, seed: int) -> dict[str, float]:
    """Share of symbols named right, and how much the loss depends on the marked input (mean length of its gradient)."""
    inputs, symbol = recall_batch(np.random.default_rng([seed, distance, 1]), batch, distance)
    inputs.requires_grad_()
    odds = model(inputs)
    nn.functional.cross_entropy(odds, symbol, reduction="sum").backward()  # type: ignore[no-untyped-call]
    assert inputs.grad is not None
    right = (odds.argmax(1) == symbol).float().mean()
    return {"accuracy": float(right), "gradient": float(inputs.grad[:, 0].norm(dim=1).mean())}


def recall(
    out: Annotated[Path, typer.Option(help="Folder for recall.json and recall.png; results already there are kept.")],
    networks: Annotated[str, typer.Option(help="Separated by commas.")] = "lstm,lstm-default,gru,rnn,transformer",
    steps: Annotated[int, typer.Option(min=2, help="Optimiser steps each.")] = 1000,
    batch: Annotated[int, typer.Option(min=1, help="Sequences a step.")] = 16,
    seed: int = 0,
) -> None:
    """Train every network to recall a symbol; accuracy and gradient against distance."""
    torch.set_num_threads(1)
    path = out / "recall.json"
    found = json.loads(path.read_text()) if path.is_file() else {}
    for name in networks.split(","):
        network, _, rest = name.partition("-")
        gates = "chrono" if network in GATED and not rest else "default"
        model, seconds = train_recall(network, gates, steps, batch, seed)
        found[name] = {"gates": gates, "steps": steps, "seconds": seconds, "seed": seed}
        found[name]["by_distance"] = {d: measured(model, d, 128, seed) for d in DISTANCES}
        _write(path, found)
        print(name, json.dumps(found[name]), flush=True)
    _plot_recall(json.loads(path.read_text()), out / "recall.png")


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _plot_recall(found: dict[str, Any], path: Path) -> None:
    from matplotlib import pyplot

    figure, (left, right) = pyplot.subplots(2, 1, figsize=(6.6, 8), layout="constrained")
    for name, result in found.items():
        by_distance = result["by_distance"]
        distances = [int(d) for d in by_distance]
        for axes, key in ((left, "accuracy"), (right, "gradient")):
            values = [max(by_distance[str(d)][key], 1e-12) for d in distances]
            axes.plot(distances, values, marker="o", label=name)
    left.axhline(1 / SYMBOLS, color="grey", lw=1)
    left.set(xscale="log", xlabel="steps since the symbol", ylabel="share recalled", ylim=(0, 1.02))
    right.set(xscale="log", yscale="log", xlabel="steps since the symbol", ylabel="gradient at the symbol")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    figure.savefig(path, dpi=180)


def played_on(sequence: ObservedSequence, frames: int) -> ObservedSequence:
    """The sequence, played backwards and forwards in turn until it has at least so many frames."""
    length = len(sequence.truth)
    if length >= frames:
        return sequence
    there_and_back = np.r_[0:length, length - 2 : 0 : -1]
    order = np.resize(there_and_back, frames)
    return replace(
        sequence, truth=sequence.truth[order], observed=sequence.observed[order], scores=sequence.scores[order]
    )


def wanderers(rng: np.random.Generator, tracks: int, steps: int) -> Windows:
    """Objects of one size that walk about at 25 frames/s, seen with 5 % of noise."""
    change = rng.normal(0, 1, (tracks, steps, 2))
    speed = lfilter([0.3], [1, -0.96], change, axis=1)  # pixels a frame, of an object of 100 pixels
    truth = np.concatenate([speed.cumsum(1), np.full((tracks, steps, 2), np.log([40, 100]))], axis=2)
    observed = truth + rng.normal(0, 0.05, truth.shape) * [40, 100, 1, 1]
    return Windows(
        observed=observed,
        time_s=np.broadcast_to(np.arange(steps) / 25, (tracks, steps)),
        scores=np.full((tracks, steps), 0.8, np.float32),
        frame_size=np.full((tracks, 2), np.nan, np.float32),
        valid=np.ones((tracks, steps), bool),
        truth=truth,
        target=truth[:, :, None],
        horizon_s=np.zeros((tracks, steps, 1), np.float32),
        target_valid=np.ones((tracks, steps, 1), bool),
        features=None,
    )


def embeddings(rng: np.random.Generator, identities: NDArray[Any], steps: int) -> NDArray[np.float32]:
    """(B, steps, 512) simulated appearance vectors of objects that look like `identities` (B, 512)."""
    tracks = len(identities)
    parts = (rng.normal(size=FEATURE_SIZE), identities[:, None], rng.normal(size=(tracks, steps, FEATURE_SIZE)))
    same, other = Augmentation.same_similarity, Augmentation.other_similarity
    shares = (other, same - other, 1 - same)
    seen = sum(math.sqrt(share) * part for share, part in zip(shares, parts, strict=True))
    return np.asarray(seen / np.linalg.norm(seen, axis=-1, keepdims=True), np.float32)


def told_apart(states: NDArray[Any], objects: NDArray[np.int64]) -> float:
    """Share of the second half's `objects` (B,) that a linear map, fitted to the first half, reads out of `states`.

    Ridge regression from the states (B, any), each standardised, to one of `AMONG` objects.
    """
    half = len(states) // 2
    x = (states - states[:half].mean(0)) / (states[:half].std(0) + 1e-6)
    inner = x @ x[:half].T / x.shape[1]
    chosen = np.linalg.solve(inner[:half] + 0.1 * np.eye(half), np.eye(AMONG)[objects[:half]])
    return float(((inner[half:] @ chosen).argmax(1) == objects[half:]).mean())


@torch.inference_mode()
def identity_in_state(weights: Path, seed: int, tracks: int = 800, shown: int = 20) -> dict[int, float]:
    """`told_apart` after an object was seen `shown` times with its embedding and then so many times without."""
    file = read_weights(weights)
    network = NETWORKS[file.notes["model"]]()
    network.load_state_dict({k: torch.from_numpy(v) for k, v in file.tensors.items() if not k.startswith("kalman.")})
    rng = np.random.default_rng(seed)
    objects = np.arange(tracks) % AMONG
    identities = rng.normal(size=(AMONG, FEATURE_SIZE))[objects]
    windows = wanderers(rng, tracks, shown + DISTANCES[-1])
    geometry = torch.from_numpy(filtered(windows, KalmanParameters.from_tensors(file.tensors)).geometry)
    geometry[:, :shown, AT["has_feature"]] = 1.0
    embedding = torch.from_numpy(embeddings(rng, identities, shown))
    _, state = network.hidden(geometry[:, :shown], embedding, network.start_state(tracks))
    found, now = {}, 0
    for distance in (0, *DISTANCES):
        if distance > now:
            for part in geometry[:, shown + now : shown + distance].split(CHUNK, 1):
                _, state = network.hidden(part, None, state)
        now = distance
        flat = np.concatenate([part.swapaxes(0, 1).reshape(tracks, -1) for part in map(np.asarray, state)], axis=1)
        found[distance] = told_apart(flat, objects)
    return found


def occluded(
    roots: Sequences,
    out: Annotated[
        Path, typer.Option(help="Folder for occluded.json and occluded.png; results already there are kept.")
    ],
    models: Annotated[str, typer.Option(help="As of `track eval-motion`.")] = "lstm,kalman,last",
    seed: int = 0,
) -> None:
    """Forecasts of objects occluded for 10 to 2,000 frames, and what states still hold of an object's appearance."""
    torch.set_num_threads(1)
    path = out / "occluded.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    sequences = [played_on(read_observed(s, 1, False, seed), DISTANCES[-1] + SEEN) for s in find_sequences(roots)]
    for model in map(Model.of, models.split(",")):
        said: dict[int, list[Forecasts]] = {d: [] for d in DISTANCES}
        for sequence in sequences:
            for distance, forecast in forecasts(sequence, model.make(sequence.interval_s), DISTANCES).items():
                said[distance].append(forecast)
        found[model.name] = {"by_distance": {d: metrics(together(f), model.normal) for d, f in said.items()}}
        weights = EMBEDDED if model.name == "lstm" else Path(model.name)
        if weights.is_file():
            found[model.name]["told_apart"] = identity_in_state(weights, seed)
        _write(path, found)
        print(model.name, json.dumps(found[model.name]), flush=True)
    _plot_occluded(json.loads(path.read_text()), out / "occluded.png")


def _plot_occluded(found: dict[str, Any], path: Path) -> None:
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(3, 1, figsize=(6.6, 11), layout="constrained")
    for number, (name, result) in enumerate(found.items()):
        style = {"marker": "o", "color": f"C{number}", "label": Path(name).parent.name if "/" in name else name}
        distances = [int(d) for d, values in result["by_distance"].items() if values["forecasts"]]
        for axes, key in zip(panels, ("centre_error_heights", "coverage90"), strict=False):
            values = [result["by_distance"][str(d)][key] for d in distances]
            if None not in values:
                axes.plot(distances, values, **style)
        if "told_apart" in result:
            apart = {max(int(d), 1): share for d, share in result["told_apart"].items()}
            panels[2].plot(list(apart), list(apart.values()), **style)
    panels[0].set(xscale="log", yscale="log", xlabel="frames occluded", ylabel="centre error, box heights")
    panels[1].axhline(0.9, color="grey", lw=1)
    panels[1].set(xscale="log", xlabel="frames occluded", ylabel="share inside the 90 % interval", ylim=(0, 1.02))
    panels[2].axhline(1 / AMONG, color="grey", lw=1)
    panels[2].set(
        xscale="log", xlabel="observations without an embedding", ylabel="share of objects told apart", ylim=(0, 1.02)
    )
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.legend(fontsize=9)
    figure.savefig(path, dpi=180)


if __name__ == "__main__":
    study(recall, occluded)
