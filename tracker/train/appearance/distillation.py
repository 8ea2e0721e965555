"""Distillation: a small, quick student reproduces a teacher's features of better pictures.

The teacher sees a crop at its own input size and not degraded, the student the same crop with fewer pixels, with the
box off, another person in front, blur or compression (`crops.Variations`). The loss is the cosine distance, plus half
of it after the teacher's mean is taken out (features of people have much in common; what tells them apart is the rest),
plus the squared error of all pairs' similarities in the batch. No identities are needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracker.appearance.omniscale import FoldedNet, OmniScaleNet
from tracker.appearance.weights import load_weights
from tracker.errors import DataError
from tracker.train.appearance.crops import Crop, Variations
from tracker.train.appearance.loop import embed, normalised
from tracker.train.appearance.settings import CROPS_ASIDE, TrainConfig

PAIR_WEIGHT, CENTRED_WEIGHT = 20.0, 0.5
INTACT = 0.25  # share of each batch that the student, too, sees as it is
FEWEST = 4  # crops that anything can be learned from


class Distillation:
    """A `Task`.

    Args:
        crops: from `crops.collect`.
        teacher: weights whose features are reproduced, at the input size they say.
        config: of the training.
        start: weights the student begins with; by default the teacher's.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        WeightsError: teacher or start cannot be used.
        DataError: too few crops to learn from some and look at others.
    """

    def __init__(
        self,
        crops: Sequence[Crop],
        teacher: str | Path,
        config: TrainConfig,
        start: str | Path | None = None,
        device: str = "cpu",
    ) -> None:
        if len(crops) < FEWEST:
            raise DataError(f"{len(crops)} crops are too few to learn from; give {FEWEST} or more")
        teacher_weights = load_weights(teacher)
        self.start = load_weights(start) if start else teacher_weights
        self.network = self.start.network().to(device)
        self.extra = nn.Module()
        self._teacher = FoldedNet(teacher_weights.network()).to(device)
        self._sizes = (teacher_weights.crop_size, config.crop_size)
        self._batch = config.batch
        self._device = device
        order = np.random.default_rng(config.seed).permutation(len(crops))
        held = min(max(2, round((config.hold_out or CROPS_ASIDE) * len(crops))), len(crops) - 1)
        self._seen, unseen = ([crops[i] for i in part] for part in (order[held:], order[:held]))
        self.exam_labels: Tensor | None = None
        self.exam_views, self._exam_targets = self._views(unseen, np.random.default_rng(config.seed), 4 * config.batch)

    def losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        views, target = self.batch(rng)
        return self.loss(self.network(normalised(views)), target)

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """What the student sees of some pictures (B, H, W, 3), and the teacher's features of them (B, 512)."""
        return self._views(self._seen, rng, self._batch)

    def loss(self, features: Tensor, target: Tensor) -> dict[str, Tensor]:
        """How far features (B, 512) are from the teacher's unit rows (B, 512)."""
        ours = F.normalize(features)
        mean = target.mean(0)
        cosine = 1 - (ours * target).sum(1).mean()
        centred = 1 - F.cosine_similarity(ours - mean, target - mean).mean()
        pairs = (ours @ ours.T - target @ target.T).square().mean()
        loss = cosine + CENTRED_WEIGHT * centred + PAIR_WEIGHT * pairs
        return {"loss": loss, "cosine": cosine, "centred": centred, "pairs": pairs}

    def exam(self, network: OmniScaleNet) -> dict[str, float]:
        ours = embed(FoldedNet(network).to(self._device), self.exam_views)
        return {"held_out_cosine": float((ours * self._exam_targets).sum(1).mean())}

    def _views(self, crops: Sequence[Crop], rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """What the student sees of pictures (count, H, W, 3), and the teacher's features of them (count, 512)."""
        variations = Variations(crops, rng)
        teacher_size, student_size = self._sizes
        identities = [variations.identity() for _ in range(count)]
        pictures = np.stack([variations.view(identity, teacher_size, degraded=False) for identity in identities])
        views = [variations.view(identity, student_size, i >= INTACT * count) for i, identity in enumerate(identities)]
        target = embed(self._teacher, torch.from_numpy(pictures).to(self._device))
        return torch.from_numpy(np.stack(views)).to(self._device), target.clone()  # a clone can be used in training
