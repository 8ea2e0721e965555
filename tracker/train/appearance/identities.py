"""Metric learning: crops with identities, and a network that puts embeddings of one identity near each other.

Identities are classified by cosine, the unit of the tracker's comparison, with a margin (CosFace: Wang et al., CVPR
2018) and smoothed labels. And in each batch of some identities with some views each, the least similar view of the same
identity must be nearer than the most similar view of another (batch-hard triplets: Hermans, Beyer, Leibe: In Defense of
the Triplet Loss, 2017). Views are degraded as in distillation, every other one is mirrored, and parts are erased (Zhong
et al., AAAI 2020); the classifier is thrown away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tracker.appearance.omniscale import FEATURES, FoldedNet, OmniScaleNet
from tracker.appearance.weights import load_weights
from tracker.datasets.mot import CLASS, ID, is_sequence_folder
from tracker.datasets.reid_folders import pictures
from tracker.errors import DataError
from tracker.structures import Image
from tracker.system.images import read_image
from tracker.train.appearance.crops import Crop, Variations, is_big, true_boxes, with_margin
from tracker.train.appearance.loop import embed, normalised
from tracker.train.appearance.settings import IDENTITIES_ASIDE, TrainConfig

VIEWS = 4  # of each identity in a batch
SMOOTHING = 0.1  # of the labels
COSINE_SCALE, COSINE_MARGIN = 16.0, 0.1  # a logit is SCALE * cosine, of the right identity SCALE * (cosine - MARGIN)
TRIPLET_MARGIN = 0.3


@dataclass(frozen=True)
class Identity:
    """All crops of one object."""

    name: str
    crops: list[Crop]


def collect_identities(paths: Sequence[Path]) -> list[Identity]:
    """Identities with at least two crops, from folders of pictures named as in Market-1501 or MSMT17 (searched
    through), and from folders in MOTChallenge's layout with images and ground truth.

    Raises:
        DataError: fewer than two identities in one of `paths`.
    """
    found: list[Identity] = []
    for path in paths:
        by_name: dict[str, list[Crop]] = defaultdict(list)
        for name, crop in _labelled(path):
            by_name[name].append(crop)
        several = [Identity(f"{path.name}/{name}", crops) for name, crops in sorted(by_name.items()) if len(crops) > 1]
        if len(several) < 2:
            raise DataError(
                f"{path} holds {len(several)} identities with two crops or more; give pictures named as in Market-1501 "
                "(0002_c1s1_000451_03.jpg) or MSMT17, or MOTChallenge's layout with images and gt/; or give --teacher"
            )
        found += several
    return found


def _labelled(path: Path) -> Iterator[tuple[str, Crop]]:
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; identities come from ReID or MOTChallenge folders")
    if is_sequence_folder(path):
        for sequence, image, rows, boxes in true_boxes(path):
            for row, box in zip(rows, boxes, strict=True):
                if is_big(box):
                    crop = Crop(with_margin(image, box), bool(row[CLASS] == 1))
                    yield f"{sequence.name}/{row[ID]:.0f}", crop
        return
    for picture in pictures(path):
        yield picture.identity, Crop(_whole(read_image(picture.file)), True)


def _whole(image: Image) -> Image:
    """A picture that is a crop already."""
    height, width = image.shape[:2]
    return with_margin(image, np.array([0, 0, width, height], np.float32))


def set_aside(count: int, share: float) -> int:
    """How many of so many identities are only looked at; none of three or fewer, which are all learned from."""
    return min(max(2, round((share or IDENTITIES_ASIDE) * count)), count - 2) if count > 3 else 0


class MetricLearning:
    """A `Task`.

    Args:
        identities: from `collect_identities`.
        config: of the training.
        start: weights to begin with; "": the embedded ones.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        WeightsError: start cannot be used.
    """

    def __init__(
        self, identities: Sequence[Identity], config: TrainConfig, start: str | Path = "", device: str = "cpu"
    ) -> None:
        self.start = load_weights(start)
        self.network = self.start.network().to(device)
        order = np.random.default_rng(config.seed).permutation(len(identities))
        held = set_aside(len(identities), config.hold_out)
        self._seen = [identities[i] for i in order[held:]]
        unseen = [identities[i] for i in order[:held]] or self._seen
        classifier = nn.Linear(FEATURES, len(self._seen), bias=False)
        nn.init.normal_(classifier.weight, std=FEATURES**-0.5, generator=torch.Generator().manual_seed(config.seed))
        self._classifier = classifier.to(device)
        self.extra: nn.Module = self._classifier
        self._size = config.crop_size
        self._people = max(2, config.batch // VIEWS)
        self._device = device
        self._crops = [crop for identity in identities for crop in identity.crops]
        variations = Variations(self._crops, np.random.default_rng(config.seed))
        self.exam_views, self._labels = self._views(unseen, range(len(unseen)), variations, 2 * VIEWS, False)
        self.exam_labels: Tensor | None = self._labels

    def losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        views, labels = self.batch(rng)
        return self.loss(self.network(normalised(views)), labels)

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Views of some identities (B, H, W, 3), and which of the identities each shows (B,)."""
        drawn = rng.permutation(len(self._seen))[: self._people].tolist()
        return self._views(self._seen, drawn, Variations(self._crops, rng, erase=0.5), VIEWS, True)

    def loss(self, features: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """How badly features (B, 512) tell their identities (B,) apart."""
        unit = F.normalize(features)
        cosine = unit @ F.normalize(self._classifier.weight).T
        cosine = cosine - COSINE_MARGIN * F.one_hot(labels, cosine.shape[1])
        classes = F.cross_entropy(COSINE_SCALE * cosine, labels, label_smoothing=SMOOTHING)
        triplets = hardest_triplets(unit, labels)
        return {"loss": classes + triplets, "classes": classes, "triplets": triplets}

    def exam(self, network: OmniScaleNet) -> dict[str, float]:
        """Rank-1 and mAP of each view of the held-out identities against all others."""
        features = embed(FoldedNet(network).to(self._device), self.exam_views)
        similarity = (features @ features.T).fill_diagonal_(-2)
        same = (self._labels[:, None] == self._labels).fill_diagonal_(False)
        right = same.gather(1, similarity.argsort(1, descending=True))[:, :-1].double()
        precision = right.cumsum(1) / torch.arange(1, right.shape[1] + 1, device=right.device)
        average = (precision * right).sum(1) / right.sum(1)
        return {"rank1": float(right[:, 0].mean()), "map": float(average.mean())}

    def _views(
        self, identities: Sequence[Identity], which: Sequence[int], variations: Variations, count: int, degraded: bool
    ) -> tuple[Tensor, Tensor]:
        """`count` views (at most one a crop in an exam) of each of `which` identities, and their labels."""
        views, labels = [], []
        for label in which:
            for crop in variations.choose(identities[label].crops, count, repeat=degraded):
                canvas = variations.canvas(crop)
                canvas = variations.mirrored(canvas) if degraded else canvas
                views.append(variations.view(canvas, self._size, degraded and variations.chance(0.7)))
                labels.append(int(label))
        return torch.from_numpy(np.stack(views)).to(self._device), torch.tensor(labels, device=self._device)


def hardest_triplets(features: Tensor, labels: Tensor) -> Tensor:
    """Mean over (N, 512) unit rows of max(0, margin + farthest of its own - nearest of another), cosine distances."""
    distance = 1 - features @ features.T
    same = labels[:, None] == labels
    farthest = distance.masked_fill(~same, -torch.inf).amax(1)
    nearest = distance.masked_fill(same, torch.inf).amin(1)
    return F.relu(TRIPLET_MARGIN + farthest - nearest).mean()
