"""Train the appearance network: the loop that all ways of teaching it share.

A way of teaching is a `Task`: `distillation.Distillation` reproduces a teacher and needs no identities,
`identities.MetricLearning` tells labelled identities apart, `joint.Joint` does both. The loop is AdamW with a cosine
schedule; what is kept is the running mean of the weights.
"""

from __future__ import annotations

import copy
import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from tracker.appearance.embedder import Embedder
from tracker.appearance.omniscale import MEAN_RGB, STD_RGB, FoldedNet, OmniScaleNet
from tracker.appearance.weights import Weights, load_weights
from tracker.config import AppearanceConfig
from tracker.datasets.mot import MotSequence
from tracker.errors import UsageError
from tracker.evaluation.reid import embeddings
from tracker.structures import Image
from tracker.system.files import replace_file, writing
from tracker.system.output_folder import claim
from tracker.train.appearance.calibration import fit
from tracker.train.appearance.settings import TrainConfig
from tracker.train.checkpoint import damaged, diverged, present, read, same_settings, write
from tracker.train.interruption import undisturbed

COMMAND = "train appearance"
CHECKPOINT = "checkpoint.pt"
LEAVES = ("appearance.safetensors", "appearance.md", "curves.csv", "curves.png", "neighbours.jpg", CHECKPOINT)


class Task(Protocol):
    """What is taught.

    Attributes:
        network: what is trained and kept.
        extra: what is trained beside it and thrown away, such as a classifier.
        start: the weights that `network` began with.
        exam_views: (N, H, W, 3) crops that are never trained on. exam_labels: (N,) whose they are; None: unknown.
    """

    network: OmniScaleNet
    extra: nn.Module
    start: Weights
    exam_views: Tensor
    exam_labels: Tensor | None

    def losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        """One batch: `loss`, which is minimised, and other numbers to show."""

    def exam(self, network: OmniScaleNet) -> dict[str, float]:
        """How good `network` is on what is never trained on."""


class SupportsStateDict(Protocol):
    """What a checkpoint keeps: networks, optimizer, schedule."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state_dict: Any, /) -> Any: ...


def train(
    task: Task,
    out: Path,
    config: TrainConfig,
    *,
    resume: bool = False,
    progress: Callable[[int, dict[str, float]], None] | None = None,
    remark: Callable[[str], None] = lambda _: None,
) -> Weights:
    """Leaves `appearance.safetensors`, `curves.csv`, `neighbours.jpg` and `checkpoint.pt` in `out`.

    An interruption takes effect at the end of a step and leaves a checkpoint of it.

    Args:
        task: what is taught.
        out: folder of the results.
        config: how.
        resume: go on from `out/checkpoint.pt`; the same steps follow as without the interruption. More steps than
            before are taken up as if they had been asked for at first: the rate is that of the longer training.
        progress: called every step with the step's number and losses. remark: told, where it is interrupted, how to go
            on.

    Raises:
        WeightsError: the checkpoint is missing or damaged.
        UsageError: the checkpoint was made with other settings, or the training diverges; what was saved stays.
        OutputError: `out` cannot be written, or holds what was not made by this command.
    """
    if resume:
        present(out / CHECKPOINT)
    claim(out, COMMAND, LEAVES, ())
    network = task.network.train().to(memory_format=torch.channels_last)  # a third quicker on the CPU
    average = copy.deepcopy(network).requires_grad_(False)
    parameters = [*network.parameters(), *task.extra.parameters()]
    optimizer = torch.optim.AdamW(parameters, config.learning_rate, weight_decay=config.weight_decay)
    parts: dict[str, SupportsStateDict] = {"network": network, "average": average, "extra": task.extra}
    parts |= {"optimizer": optimizer}
    first = saved = _restore(out / CHECKPOINT, parts, config) if resume else 0
    with writing(out):
        with (out / "curves.csv").open("a" if first else "w", newline="") as file:
            curves = csv.writer(file)
            step = first
            try:
                while step < config.steps:
                    with undisturbed():
                        row = _step(task, average, optimizer, config, step + 1)
                        step += 1
                        if step % config.checkpoint_every == 0 or step == config.steps:
                            row |= task.exam(average)
                            if not file.tell():
                                curves.writerow(["step", *row])
                            curves.writerow([step, *(f"{value:.5f}" for value in row.values())])
                            file.flush()
                            _save(out / CHECKPOINT, parts, config, step)
                            saved = step
                    if progress:
                        progress(step, row)
            except KeyboardInterrupt:
                if step > saved:
                    _save(out / CHECKPOINT, parts, config, step)
                way_on = "go on with --resume" if step else "nothing is lost, start again without --resume"
                remark(f"stopped after step {step}; {way_on}")
                raise
        _check_finite(average)
        state = {name: value.cpu() for name, value in average.state_dict().items()}
        result = Weights(state, config.crop_size, task.start.calibration)
        result.write(out / "appearance.safetensors")
        features = embed(FoldedNet(average).to(task.exam_views.device), task.exam_views)
        replace_file(out / "neighbours.jpg", neighbours(task.exam_views, features, task.exam_labels))
    return result


def _step(
    task: Task, average: OmniScaleNet, optimizer: torch.optim.Optimizer, config: TrainConfig, step: int
) -> dict[str, float]:
    """Step number `step`, from 1: its losses.

    What it draws does not depend on the steps before, so that a resumed training is the same.
    """
    network, place = task.network, next(task.network.parameters()).device.type
    for group in optimizer.param_groups:
        group["lr"] = config.learning_rate * 0.5 * (1 + math.cos(math.pi * (step - 1) / config.steps))
    with torch.autocast(place, torch.bfloat16, enabled=config.amp):
        losses = task.losses(np.random.default_rng((config.seed, step)))
    row = {name: float(value.detach()) for name, value in losses.items()}
    if not math.isfinite(row["loss"]):
        raise diverged(f"the loss in step {step} is {row['loss']}")
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(losses["loss"])
    nn.utils.clip_grad_norm_([*network.parameters(), *task.extra.parameters()], 5.0)
    optimizer.step()
    _average(average, network, min(config.ema, step / (9 + step)))
    return row


def _check_finite(network: nn.Module) -> None:
    """
    Raises:
        UsageError: weights that are not finite.
    """
    if not all(bool(torch.isfinite(value).all()) for value in network.state_dict().values()):
        raise diverged("weights are not finite")


def neighbours(crops: Tensor, features: Tensor, labels: Tensor | None, rows: int = 12, columns: int = 7) -> bytes:
    """A JPEG sheet: in each row a crop, and the others that are most alike, the most alike first.

    Where labels are known, a green frame says that it is the same identity, a red one that it is another.
    """
    similarity = (features @ features.T).fill_diagonal_(-2)
    picked = torch.linspace(0, len(crops) - 1, min(rows, len(crops))).long().to(crops.device)
    nearest = similarity[picked].topk(min(columns, len(crops) - 1)).indices
    sheet = []
    for query, others in zip(picked.tolist(), nearest.tolist(), strict=True):
        tiles = [_framed(crops[query], (255, 255, 255))]
        for other in others:
            same = None if labels is None else bool(labels[query] == labels[other])
            tiles.append(
                _framed(crops[other], {None: (255, 255, 255), True: (60, 180, 60), False: (60, 60, 220)}[same])
            )
        sheet.append(np.hstack(tiles))
    return bytes(cv2.imencode(".jpg", np.vstack(sheet))[1])


def _framed(crop: Tensor, bgr: tuple[int, int, int]) -> Image:
    picture = cv2.resize(crop.cpu().numpy().astype(np.uint8), (64, 128))
    return np.asarray(cv2.copyMakeBorder(picture, 4, 4, 4, 4, cv2.BORDER_CONSTANT, value=bgr), np.uint8)


def calibrate(weights: Path, sequences: Sequence[MotSequence], device: str = "cpu", stride: int = 1) -> Weights:
    """Fit what a similarity of the network in the file `weights` means, and store it there.

    Raises:
        DataError: sequences without images or identities, or with too few of them.
    """
    embedder = Embedder(AppearanceConfig(model=str(weights)), device)
    calibration = fit([embeddings(sequence, embedder, stride) for sequence in sequences])
    calibrated = replace(load_weights(weights), calibration=calibration)
    calibrated.write(weights)
    return calibrated


def normalised(crops: Tensor) -> Tensor:
    """(N, H, W, 3) BGR 0 to 255 -> what `OmniScaleNet` takes, (N, 3, H, W)."""
    mean, std = (torch.tensor(values, device=crops.device) for values in (MEAN_RGB, STD_RGB))
    return ((crops.flip(-1) / 255 - mean) / std).permute(0, 3, 1, 2)


@torch.inference_mode()
def embed(network: FoldedNet, crops: Tensor, chunk: int = 32) -> Tensor:
    """(N, H, W, 3) -> (N, 512) unit rows."""
    return torch.cat([network(part) for part in torch.split(crops, chunk)])


@torch.no_grad()
def _average(average: OmniScaleNet, network: OmniScaleNet, decay: float) -> None:
    for mean, value in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)


def _save(path: Path, parts: Mapping[str, SupportsStateDict], config: TrainConfig, step: int) -> None:
    content = {name: part.state_dict() for name, part in parts.items()} | {"config": asdict(config), "step": step}
    _check_finite(cast(nn.Module, parts["average"]))
    write(path, content)


def _restore(path: Path, parts: Mapping[str, SupportsStateDict], config: TrainConfig) -> int:
    """Load a checkpoint into `parts`; the number of steps it has done."""
    content = read(path)
    try:
        then, done = dict(content["config"]), int(content["step"])
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path) from error
    same_settings(path, then, asdict(config), free=["steps", "checkpoint_every"])
    if done > config.steps:
        raise UsageError(f"{path} has {done} steps behind it; give that many or more, or start without --resume")
    try:
        for name, part in parts.items():
            part.load_state_dict(content[name])
    except Exception as error:  # whatever parts of another training make PyTorch raise, the remedy is one
        raise damaged(path) from error
    return done


def write_card(out: Path, made_from: str, command: str, config: TrainConfig) -> None:
    """`out/appearance.md`: what the weights are, what they were made from and how to make them again."""
    names, *_, values = (out / "curves.csv").read_text().splitlines()
    scores = ", ".join(f"{n} {v}" for n, v in zip(names.split(","), values.split(","), strict=True))
    (out / "appearance.md").write_text(
        f"""# Appearance weights

Omni-scale network x0.25 (Zhou et al., ICCV 2019): crops of {config.height}x{config.height // 2} pixels to 512-d
features.

- Made from: {made_from}
- Command: `{command}`
- Settings: {", ".join(f"{name} {value}" for name, value in asdict(config).items())}
- Last line of curves.csv: {scores}

The licences of the data, and of a teacher, hold for these weights, too.
""",
        encoding="utf-8",
    )


def plot_curves(out: Path) -> None:
    """`out/curves.png` from `out/curves.csv`, where matplotlib is installed (the extra `train`)."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    with (out / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != "step"]
    figure = Figure(figsize=(6.6, 2.4 * len(names)), layout="constrained")
    for axis, name in zip(figure.subplots(len(names), 1, squeeze=False)[:, 0], names, strict=True):
        axis.plot([int(row["step"]) for row in rows], [float(row[name]) for row in rows], marker=".")
        axis.set(ylabel=name.replace("_", " "), xlabel="step")
        axis.grid(alpha=0.3)
    figure.savefig(out / "curves.png", dpi=180)
