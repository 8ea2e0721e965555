"""Teach the appearance network: a small, quick student reproduces a teacher's features of better pictures.

The teacher sees a crop at its own input size and undamaged, the student the same crop at a quarter of the pixels, with
the box off, somebody in front, fewer pixels, blur or compression (`crops.Variations`). The loss is the cosine distance,
plus half of it after the teacher's mean is taken out (features of people have much in common; what tells them apart is
the rest), plus the squared error of all pairs' similarities in the batch. No identities are needed.
"""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracker.appearance import Weights, load_weights
from tracker.config import setting
from tracker.errors import OutputError, WeightsError
from tracker.omniscale import MEAN_RGB, STD_RGB, FoldedNet, OmniScaleNet
from tracker.train.crops import Crop, Variations

PAIR_WEIGHT, CENTRED_WEIGHT = 20.0, 0.5
UNDAMAGED = 0.25  # share of each batch that the student, too, sees as it is
HELD_OUT = 0.05  # share of the crops that is only looked at


@dataclass(frozen=True)
class DistilConfig:
    """How the student is taught."""

    steps: int = setting(3000, 1, 10_000_000)
    batch: int = setting(64, 2, 4096)
    learning_rate: float = setting(5e-4, 0, 1)  # at its highest; falls to 0 by a cosine
    weight_decay: float = setting(1e-4, 0, 1)
    height: int = setting(128, 32, 1024)  # of the student's crops, pixels; the width is half of it
    ema: float = setting(0.998, 0, 1)  # decay of the running mean of the weights, which is what is kept
    seed: int = setting(0, 0)
    checkpoint_every: int = setting(250, 1)  # steps

    @property
    def crop_size(self) -> tuple[int, int]:
        return self.height, self.height // 2


Progress = Callable[[int, dict[str, float]], None]


class Stateful(Protocol):
    """What a checkpoint keeps: networks, optimizer, schedule."""

    def state_dict(self) -> Any: ...
    def load_state_dict(self, state_dict: Any, /) -> Any: ...


def distil(
    crops: Sequence[Crop],
    teacher: str | Path,
    out: Path,
    config: DistilConfig | None = None,
    *,
    start: str | Path | None = None,
    device: str = "cpu",
    resume: bool = False,
    progress: Progress | None = None,
) -> Weights:
    """Train on `crops`; leaves `appearance.safetensors`, `curves.csv` and `checkpoint.pt` in `out`.

    Args:
        crops: from `crops.collect`.
        teacher: weights whose features are reproduced, at the input size they say.
        out: folder of the results.
        start: weights the student begins with; by default the teacher's.
        resume: go on from `out/checkpoint.pt`; the same steps follow as without the interruption.
        progress: called every step with the step's number and losses.

    Raises:
        WeightsError: teacher, start or checkpoint cannot be used.
        OutputError: `out` cannot be written.
    """
    config = config or DistilConfig()
    torch.manual_seed(config.seed)
    master = load_weights(teacher)
    teach = FoldedNet(master.network()).to(device)
    student = (load_weights(start) if start else master).network().to(device).train()
    student.to(memory_format=torch.channels_last)  # a third quicker on the CPU
    average = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.AdamW(student.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.steps)
    parts: dict[str, Stateful] = {"student": student, "average": average, "optimizer": optimizer, "schedule": schedule}
    checkpoint = out / "checkpoint.pt"
    first = _restore(checkpoint, parts, config) if resume else 0

    order = np.random.default_rng(config.seed).permutation(len(crops))
    held = max(2, round(HELD_OUT * len(crops)))
    seen, unseen = ([crops[i] for i in part] for part in (order[held:], order[:held]))
    exam_targets, exam_looks = _batch(
        Variations(unseen, np.random.default_rng(1)), master, config, device, 4 * config.batch
    )
    exam_targets = embed(teach, exam_targets)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "curves.csv").open("a" if first else "w", newline="") as file:
            writer = csv.writer(file)
            for step in range(first, config.steps):
                rng = np.random.default_rng((config.seed, step))  # a step's data does not depend on the steps before
                pictures, views = _batch(Variations(seen, rng), master, config, device, config.batch)
                losses = _losses(student(normalised(views)), embed(teach, pictures))
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(losses["loss"])
                nn.utils.clip_grad_norm_(student.parameters(), 5.0)
                optimizer.step()
                schedule.step()
                _average(average, student, min(config.ema, (1 + step) / (10 + step)))
                row = {name: float(value.detach()) for name, value in losses.items()}
                if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
                    cosine = (embed(FoldedNet(average).to(device), exam_looks) * exam_targets).sum(1).mean()
                    row["held_out_cosine"] = float(cosine)
                    if step + 1 == config.checkpoint_every or not file.tell():
                        writer.writerow(["step", *row])
                    writer.writerow([step + 1, *(f"{value:.5f}" for value in row.values())])
                    file.flush()
                    _save(checkpoint, parts, config, step + 1)
                if progress:
                    progress(step + 1, row)
    except OSError as error:
        raise OutputError(f"{out} cannot be written ({error.strerror}); give another --out") from error
    result = Weights(
        {key: value.cpu() for key, value in average.state_dict().items()}, config.crop_size, master.calibration
    )
    result.write(out / "appearance.safetensors")
    return result


def normalised(crops: Tensor) -> Tensor:
    """(N, H, W, 3) BGR 0 to 255 -> what `OmniScaleNet` takes, (N, 3, H, W)."""
    mean, std = (torch.tensor(values, device=crops.device) for values in (MEAN_RGB, STD_RGB))
    return ((crops.flip(-1) / 255 - mean) / std).permute(0, 3, 1, 2)


@torch.inference_mode()
def embed(network: FoldedNet, crops: Tensor, chunk: int = 32) -> Tensor:
    """(N, H, W, 3) -> (N, 512) unit rows."""
    return torch.cat([network(part) for part in torch.split(crops, chunk)])


def _batch(
    variations: Variations, teacher: Weights, config: DistilConfig, device: str, size: int
) -> tuple[Tensor, Tensor]:
    """Undamaged pictures at the teacher's input size and damaged looks at the student's, of `size` identities."""
    identities = [variations.identity() for _ in range(size)]
    pictures = np.stack([variations.look(identity, teacher.crop_size, damaged=False) for identity in identities])
    views = np.stack(
        [variations.look(identity, config.crop_size, i >= UNDAMAGED * size) for i, identity in enumerate(identities)]
    )
    return torch.from_numpy(pictures).to(device), torch.from_numpy(views).to(device)


def _losses(student: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Raw (N, 512) features of the student and unit rows of the teacher."""
    target = target.clone()
    ours = F.normalize(student)
    mean = target.mean(0)
    cosine = 1 - (ours * target).sum(1).mean()
    centred = 1 - F.cosine_similarity(ours - mean, target - mean).mean()
    pairs = (ours @ ours.T - target @ target.T).square().mean()
    return {
        "loss": cosine + CENTRED_WEIGHT * centred + PAIR_WEIGHT * pairs,
        "cosine": cosine.detach(),
        "centred": centred.detach(),
        "pairs": pairs.detach(),
    }


@torch.no_grad()
def _average(average: OmniScaleNet, student: OmniScaleNet, decay: float) -> None:
    for mean, value in zip(average.state_dict().values(), student.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - decay)


def _save(path: Path, parts: Mapping[str, Stateful], config: DistilConfig, step: int) -> None:
    content = {name: part.state_dict() for name, part in parts.items()} | {"config": asdict(config), "step": step}
    torch.save(content, path.with_suffix(".part"))
    path.with_suffix(".part").replace(path)  # an interruption leaves the old one whole


def _restore(path: Path, parts: Mapping[str, Stateful], config: DistilConfig) -> int:
    """Load a checkpoint into `parts`; the number of steps it has done."""
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path}; start without --resume")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        same = content["config"] == asdict(config)
        for name, part in parts.items():
            part.load_state_dict(content[name])
    except Exception as error:
        raise WeightsError(f"{path} is not a checkpoint of this training; start without --resume") from error
    if not same:
        raise WeightsError(f"{path} was made with other settings; repeat them or start without --resume")
    return int(content["step"])


def write_card(out: Path, data: Sequence[Path], teacher: Path, config: DistilConfig, crops: Sequence[Crop]) -> None:
    """`out/appearance.md`: what the weights are, what they were made from and how to make them again."""
    names = " ".join(path.name for path in data)
    (out / "appearance.md").write_text(
        f"""# Appearance weights

Omni-scale network x0.25 (Zhou et al., ICCV 2019), {config.height}x{config.height // 2} crops to 512-d features.

- Data: {len(crops)} crops ({sum(crop.person for crop in crops)} of people) from {names}
- Teacher, whose features of undamaged crops are reproduced: {teacher.name}
- Command: `track train appearance {names} --teacher {teacher.name} --steps {config.steps} --batch {config.batch}
  --height {config.height} --seed {config.seed} --out DIR`
- Settings: {asdict(config)}
- Curves: curves.csv, last line: {(out / "curves.csv").read_text().strip().splitlines()[-1]}

The teacher's licence and that of the data hold for these weights, too.
""",
        encoding="utf-8",
    )
