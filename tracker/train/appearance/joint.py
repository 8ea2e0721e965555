"""Identities and a teacher at once: tell people apart between cameras, and forget little of what was known before.

Labelled identities of one place make a network good at that place; a teacher's features, reproduced on pictures from
everywhere, keep it good elsewhere (Li & Hoiem: Learning without Forgetting, ECCV 2016). The losses are added, and one
pass serves both, so that batch normalisation sees one mixture.

`scripts/studies/joint_training.py` does it with Market-1501 and measures what came of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tracker.appearance.omniscale import OmniScaleNet
from tracker.train.appearance.crops import Crop
from tracker.train.appearance.distillation import Distillation
from tracker.train.appearance.identities import Identity, MetricLearning
from tracker.train.appearance.loop import normalised
from tracker.train.appearance.settings import TEACHERS_PART, TrainConfig


class Joint:
    """A `Task`.

    Args:
        crops, teacher: as `Distillation` takes them.
        identities: as `MetricLearning` takes them; those held out are the exam.
        config: of the training.
        start: weights to begin with; "": the embedded ones.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        WeightsError: teacher or start cannot be used.
        DataError: too few crops to learn from some and look at others.
    """

    def __init__(
        self,
        crops: Sequence[Crop],
        teacher: str | Path,
        identities: Sequence[Identity],
        config: TrainConfig,
        start: str | Path = "",
        device: str = "cpu",
    ) -> None:
        share = max(2, config.batch // TEACHERS_PART)
        self._distillation = Distillation(crops, teacher, replace(config, batch=share), None, device)
        self._identities = MetricLearning(
            identities, replace(config, batch=max(2, config.batch - share)), start, device
        )
        self._weight = config.distillation_weight
        self.start, self.network = self._identities.start, self._identities.network
        self.extra = self._identities.extra
        self.exam_views, self.exam_labels = self._identities.exam_views, self._identities.exam_labels

    def losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        pictures, target = self._distillation.batch(rng)
        views, labels = self._identities.batch(rng)
        features = self.network(normalised(torch.cat([pictures, views])))
        teacher = self._distillation.loss(features[: len(pictures)], target)
        people = self._identities.loss(features[len(pictures) :], labels)
        loss = people["loss"] + self._weight * teacher["loss"]
        return {"loss": loss, "classes": people["classes"], "triplets": people["triplets"], "cosine": teacher["cosine"]}

    def exam(self, network: OmniScaleNet) -> dict[str, float]:
        return self._identities.exam(network) | self._distillation.exam(network)
