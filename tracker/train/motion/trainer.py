"""Training of the motion model: the filter by likelihood first, then the network that corrects it.

Both see the same degraded windows (`windows.py`) and lower the same loss: the negative log-likelihood, under a Laplace
distribution, of where the object truly is from one frame to two seconds later. Iterations of short windows take turns
with iterations of long ones, in which the state is carried from chunk to chunk (truncated backpropagation through time,
Williams & Peng, 1990). Every iteration has its own random generator, so a run that was stopped goes on bit for bit.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tracker.appearance.embedder import Embedder
from tracker.boxes import cxcywh_to_xyxy, paired_iou
from tracker.errors import UsageError, WeightsError
from tracker.motion.head import corrected
from tracker.motion.kalman import KalmanParameters
from tracker.motion.networks.base import ForecastNetwork
from tracker.motion.networks.registry import NETWORKS
from tracker.motion.weights import WEIGHTS, write_weights
from tracker.system.files import writing
from tracker.system.output_folder import claim
from tracker.system.renamed import FORMER
from tracker.train.checkpoint import damaged, diverged, present, read, same_settings, write
from tracker.train.interruption import undisturbed
from tracker.train.motion.batch import Batch
from tracker.train.motion.filter_fit import fit_filter, laplace_loss
from tracker.train.motion.settings import MotionTraining
from tracker.train.motion.tracks import read_tracks, split_by_sequence
from tracker.train.motion.windows import Windows, WindowSampler, filtered

LATEST = "checkpoint.pt"
CURVES = "curves.csv"
PICTURES = ("curves", "error_by_horizon", "reliability", "forecasts")
LEAVES = (WEIGHTS, "motion.md", "config.yaml", CURVES, LATEST, *(f"{name}.png" for name in PICTURES))
NONE_ASIDE = "what is measured is what was trained on, and says nothing of other sequences"


class Trainer:
    """One training run in a folder: set up, stopped, resumed, finished."""

    def __init__(
        self,
        roots: Sequence[str | Path],
        folder: Path,
        settings: MotionTraining,
        command: str,
        device: torch.device,
        remark: Callable[[str], None] = print,
        resume: bool = False,
    ) -> None:
        self.folder, self.settings, self.command, self.device = folder, settings, command, device
        self.rank, self.world = _process_group()
        say = remark if self.rank == 0 else lambda _: None
        if resume:  # before the work, not after it
            present(folder / LATEST)
        if self.rank == 0:
            claim(folder, "train motion", LEAVES, map(Path, roots))
        describe = Embedder(device=str(device)) if settings.images else None
        tracks = read_tracks(roots, settings.hold_out, settings.first_half, settings.familiar, say, describe)
        self.training, self.validation = split_by_sequence(tracks, settings.validation, settings.seed)
        if not self.set_aside:
            say(f"no sequence is set aside; {NONE_ASIDE}")
        self.sampler = WindowSampler(self.training, settings.augmentation)
        torch.manual_seed(settings.seed)
        self.network: ForecastNetwork = NETWORKS[settings.model]().to(device)
        self.average = {name: value.clone() for name, value in self.network.state_dict().items()}
        self.best = self._copied()
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        self.iteration, self.best_loss, self.waited = 0, math.inf, 0
        self.rows: list[dict[str, float]] = []
        self._losses: list[float] = []  # of the iterations since the last row
        self._saved = 0  # iterations, in the checkpoint
        self._say = say
        self._board: Any = None
        if resume:
            self._restore(folder / LATEST)
        else:
            self.filter = fit_filter(self.sampler, settings)
        aside = WindowSampler(self.validation, settings.augmentation, shortest=4)
        check = aside.draw(np.random.default_rng(settings.seed), 512, 24, 0.25)
        self.check = Batch.of(check, self.filter, device)
        self.check_windows = check

    @property
    def set_aside(self) -> list[str]:
        """Names of the sequences that the training is stopped by and that it never sees; empty where there are none."""
        seen = np.unique(self.training.sequence)
        return sorted(self.validation.sequences[i] for i in np.unique(self.validation.sequence) if i not in seen)

    @property
    def finished(self) -> bool:
        return self.iteration >= self.settings.iterations or self.waited >= self.settings.patience

    def run(self, progress: Callable[[int], None] = lambda _: None) -> Iterator[dict[str, float]]:
        """Trains to the end; yields a row of the curves at every validation, after writing the checkpoint.

        `progress` is called with the number of iterations done after each. An interruption takes effect at the end of
        an iteration and leaves a checkpoint of it.

        Raises:
            UsageError: the training diverges; the last checkpoint and older weights stay.
        """
        seconds = sum(row["seconds"] for row in self.rows[-1:])
        began = time.perf_counter() - seconds
        with ThreadPoolExecutor(1, "windows") as drawer:  # of the next iteration while this one is learned from
            coming = drawer.submit(self._draw, self.iteration)
            try:
                while not self.finished:
                    batch, coming = coming.result(), drawer.submit(self._draw, self.iteration + 1)
                    with undisturbed():
                        self._losses.append(self._iterate(batch))
                        self.iteration += 1
                        row = {}
                        if self.iteration % self.settings.validate_every == 0 or self.finished:
                            row = self._row(began)
                            self._keep(row)
                    progress(self.iteration)
                    if row:
                        yield row
            except (KeyboardInterrupt, GeneratorExit):
                if self.rank == 0 and self.iteration > self._saved:
                    self._save()
                    self._say(f"stopped after iteration {self.iteration}; go on with --resume")
                raise

    def _row(self, began: float) -> dict[str, float]:
        """A row of the curves."""
        row = {"round": float(self.iteration), "loss": float(np.mean(self._losses)), **self.validate()}
        if not math.isfinite(row["validation_loss"]):
            raise diverged(f"the validation loss after iteration {self.iteration} is {row['validation_loss']}")
        row |= {"learning_rate": self._rate(4 * self.iteration), "seconds": time.perf_counter() - began}
        self._losses.clear()
        return row

    def _iterate(self, batch: Batch) -> float:
        """Four optimiser steps on the windows drawn for this iteration."""
        s, number = self.settings, self.iteration
        losses = []
        state = None
        if number % 2 == 0:
            parts = [(slice(i * s.short_windows, (i + 1) * s.short_windows), slice(None)) for i in range(4)]
        else:
            parts = [(slice(None), slice(i * s.long_steps, (i + 1) * s.long_steps)) for i in range(4)]
        for i, (tracks, steps) in enumerate(parts):
            part = batch.part(tracks, steps)
            count = part.weight.sum().clamp(min=1)  # the end of a long iteration may find every track over
            mine = part.part(slice(self.rank, None, self.world), slice(None))
            for group in self.optimizer.param_groups:
                group["lr"] = self._rate(4 * number + i)
            with _precision(self.device, half=s.precision == "bfloat16"):
                total, state = mine.loss(self.network, state if number % 2 else None)
            state = tuple(part.detach() for part in state)  # what follows learns nothing for what was before
            loss = total / count
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            losses.append(float(self._shared(loss.detach())))
            if not math.isfinite(losses[-1]):
                raise diverged(f"the loss in iteration {number + 1} is {losses[-1]}")
            nn.utils.clip_grad_norm_(self.network.parameters(), s.clip)
            self.optimizer.step()
            with torch.no_grad():
                for name, value in self.network.state_dict().items():
                    self.average[name].lerp_(value, 1 - min(s.average, (4 * number + i + 1) / (4 * number + i + 10)))
        return float(np.mean(losses))

    def _draw(self, number: int) -> Batch:
        """The windows of an iteration, the same whenever they are drawn: many short ones, or fewer long ones."""
        s = self.settings
        rng = np.random.default_rng([s.seed, 2, number])
        embedded = number % (2 * s.embeddings_every) in (s.embeddings_every - 1, s.embeddings_every)  # short, long
        size = (s.long_windows, 4 * s.long_steps) if number % 2 else (4 * s.short_windows, s.short_steps)
        return Batch.of(self.sampler.draw(rng, *size, s.real, embedded), self.filter, self.device)

    def _shared(self, loss: Tensor) -> Tensor:
        """Sums gradients and loss over the processes, of which each has a share of the windows."""
        if self.world > 1:
            for tensor in [p.grad for p in self.network.parameters() if p.grad is not None] + [loss]:
                torch.distributed.all_reduce(tensor)
        return loss

    def _rate(self, step: int) -> float:
        """Learning rate: a linear start, half a cosine, and a linear end where that is not over (Hu et al., 2024)."""
        s, total = self.settings, 4 * self.settings.iterations
        cosine = 0.5 * (1 + math.cos(math.pi * min(step / (s.decay * total), 1)))
        end = min(1, (total - step) / (s.cooldown * total)) if s.cooldown else 1
        return s.learning_rate * min(1, (step + 1) / (s.warmup_steps + 1)) * cosine * end

    def averaged(self, best: bool = False) -> ForecastNetwork:
        """A network with the averaged weights, those of now or of the best validation."""
        network = NETWORKS[self.settings.model]().to(self.device)
        network.load_state_dict(self.best if best else self.average)
        return network.eval()

    def validate(self) -> dict[str, float]:
        """Loss and mean IoU of the averaged weights on the windows set aside; the same for the filter alone."""
        check, windows = self.check, self.check_windows
        weight = check.weight.sum()
        network = self.averaged()
        with torch.no_grad():
            output, _ = network(check.geometry, check.features)
            one = torch.ones_like(check.std)
            row = {}
            for name, given in (("", output), ("filter_", torch.zeros_like(output))):
                mean, std = corrected(check.mean, check.std, one, given[:, :, None], check.dt)
                loss = laplace_loss(mean, std, one, torch.zeros_like(mean), check.weight) / weight
                row[f"{name}validation_loss"] = float(loss)
                row[f"{name}iou"] = _mean_iou(mean.cpu().numpy(), windows, self.filter)
        return row

    def _keep(self, row: dict[str, float]) -> None:
        """Counts towards early stop, writes curves (for TensorBoard too, where it is installed) and the checkpoint.

        The checkpoint comes last, and whole or not at all.
        """
        self.rows.append(row)
        self.waited += 1
        if row["validation_loss"] < self.best_loss:
            self.best_loss, self.waited = row["validation_loss"], 0
            self.best = self._copied()
        if self.rank:
            return
        with (self.folder / CURVES).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.rows[0]))
            writer.writeheader()
            writer.writerows(self.rows)
        if self._board is None and importlib.util.find_spec("tensorboard"):
            self._board = _board(self.folder, int(row["round"]))
        if self._board is not None:
            for name, value in row.items():
                self._board.add_scalar(name, value, int(row["round"]))
            self._board.flush()
        self._save()

    def _copied(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.average.items()}

    def _save(self) -> None:
        state = {
            "network": self.network.state_dict(),
            "average": self.average,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "filter": {name: torch.as_tensor(value) for name, value in self.filter.to_tensors().items()},
            "round": self.iteration,
            "best_loss": self.best_loss,
            "waited": self.waited,
            "rows": self.rows,
            "losses": self._losses,
            "settings": json.dumps(self._made_with()),
        }
        write(self.folder / LATEST, state)
        self._saved = self.iteration

    def _made_with(self) -> dict[str, Any]:
        """What a training that goes on has to have in common with its checkpoint."""
        aside = self.set_aside
        return _flat(self.settings) | {"sequences": sorted({*self.training.sequences}), "set_aside": aside}

    def _restore(self, checkpoint: Path) -> None:
        """Go on from a checkpoint, whose training may have been shorter: the rate is that of the longer one then."""
        state = read(checkpoint, self.device)
        try:
            then, done = dict(json.loads(state["settings"])), int(state["round"])
            then = {FORMER.get(name, name): value for name, value in then.items()}
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(checkpoint) from error
        then = _flat(MotionTraining()) | then  # what could not be chosen yet was what is the default now
        same_settings(checkpoint, then, self._made_with(), free=["iterations", "patience", "licences"])
        try:
            self.network.load_state_dict(state["network"])
            self.average, self.best = state["average"], state["best"]
            self.optimizer.load_state_dict(state["optimizer"])
            constants = {name: value.cpu().numpy() for name, value in state["filter"].items()}
            self.filter = KalmanParameters.from_tensors(constants)
            self.iteration = self._saved = done
            self.best_loss, self.waited = state["best_loss"], state["waited"]
            self.rows, self._losses = state["rows"], state["losses"]
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, WeightsError) as error:
            raise damaged(checkpoint) from error
        validated = bool(self.rows) and self.rows[-1]["round"] == done
        if done > self.settings.iterations or (done == self.settings.iterations and not validated):
            raise UsageError(f"{checkpoint} has {4 * done} steps behind it; give more, or start without --resume")

    def save(self) -> Path:
        """Writes the best averaged weights, 16 bit, with the filter's constants and what they were made with."""
        path = self.folder / WEIGHTS
        with np.errstate(over="ignore"):  # said below
            tensors = {name: value.cpu().numpy().astype(np.float16) for name, value in self.best.items()}
        if not all(np.isfinite(value).all() for value in tensors.values()):
            raise diverged("weights are not finite")
        notes = {
            "model": self.settings.model,
            "command": self.command,
            "seed": str(self.settings.seed),
            "settings": json.dumps(asdict(self.settings)),
            "set_aside": json.dumps(self.set_aside),
            "sequences": json.dumps(sorted(self.training.sequences[i] for i in np.unique(self.training.sequence))),
            "validation": json.dumps({k: v for row in self.rows[-1:] for k, v in row.items() if k != "seconds"}),
        }
        with writing(path):
            write_weights(path, tensors | self.filter.to_tensors(), notes)
        return path


def _flat(settings: MotionTraining) -> dict[str, Any]:
    """Every setting by its name; those of the augmentation as `augmentation.swapped`."""
    named = asdict(settings)
    return named | {f"augmentation.{name}": value for name, value in named.pop("augmentation").items()}


def _board(folder: Path, step: int) -> Any:
    """A TensorBoard log in `folder`; what a run that was stopped had logged of `step` and later is hidden."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step)


def _mean_iou(error: NDArray[Any], windows: Windows, p: KalmanParameters) -> float:
    """Mean IoU of forecasts that miss the target by `error` (B, T, K, 4), in units of the box."""
    unit = filtered(windows, p).unit[:, :, None]
    truth = windows.target
    boxes = [
        cxcywh_to_xyxy(np.concatenate([c[..., :2], np.exp(c[..., 2:])], axis=-1)) for c in (truth + error * unit, truth)
    ]
    return float(paired_iou(*boxes)[windows.target_valid].mean())


@contextmanager
def _precision(device: torch.device, half: bool) -> Iterator[None]:
    """16 bits where they do no harm, if wanted. On a CPU without oneDNN, whose LSTM knows them with AVX-512 only."""
    onednn: Any = torch.backends.mkldnn
    before = onednn.enabled
    onednn.enabled = before and not (half and device.type == "cpu")
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            yield
    finally:
        onednn.enabled = before


def _process_group() -> tuple[int, int]:
    """This process' number and how many there are; started by torchrun, they find each other here."""
    import os

    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group("gloo")
    return int(os.environ.get("RANK", "0")), world
