"""RF-DETR's network as it is exported: plain operations, a row for each of the surest pairs of query and class."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from tracker.export.yolo_tables import Tables


class FromQueries(nn.Module):
    """(1, S, S, 3) uint8 RGB -> (1, A, 6) float32 boxes in shares of the picture, scores and classes, surest first.

    Of networks for masks (1, A, 6 + Q), and the masks (1, Q, h, w) of all queries as prototypes: that of a row's own
    query has a weight of 1, the others of 0.

    Args:
        network: RF-DETR as its library has loaded it; it is consumed. classes: the numbers of those it is to give.

    Attributes:
        side: S. end2end, stretched, of_point, oriented, masks: as of `yolo_tables.FromPixels`.
    """

    end2end = stretched = True
    of_point, oriented = 0, False
    mean: Tensor
    deviation: Tensor
    classes: Tensor

    def __init__(self, network: Any, classes: Collection[int]) -> None:
        super().__init__()
        context = network.model
        self.masks = bool(context.args.segmentation_head)
        self.side, self._most = int(context.resolution), int(context.postprocess.num_select)
        self.network = context.model.cpu().eval().requires_grad_(False)
        self.network.export()
        self.register_buffer("mean", torch.tensor(network.means)[:, None, None])
        self.register_buffer("deviation", torch.tensor(network.stds)[:, None, None])
        self.register_buffer("classes", torch.tensor(sorted(classes)))

    def forward(self, pixels: Tensor) -> Tables:
        picture = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.deviation
        boxes, logits, *masks = self.network(picture)
        scores = logits[..., self.classes].sigmoid().flatten(1)
        score, pair = scores.topk(min(self._most, scores.shape[1]), dim=1)
        query = pair // len(self.classes)
        found = boxes.gather(1, query[..., None].expand(-1, -1, 4))
        label = self.classes[pair % len(self.classes)]
        centre, half = found[..., :2], found[..., 2:] / 2
        own = [torch.nn.functional.one_hot(query, boxes.shape[1]).float() for _ in masks]
        table = torch.cat([centre - half, centre + half, score[..., None], label[..., None].float(), *own], dim=-1)
        return table, *masks
