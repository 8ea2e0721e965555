"""The YOLO network as it is exported: plain operations, of every cell a row, whatever it says beside boxes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from tracker.detection.yolo import DenseRows, rows_of, turned

Tables = tuple[Tensor, ...]


def for_export(network: Any) -> FromPixels:
    """`network` fused, as plain operations that a tracer can follow for any batch and size; it is consumed."""
    fused: nn.Module = network.fuse(verbose=False)
    return FromPixels(fused.requires_grad_(False)).eval()


class FromPixels(nn.Module):
    """(B, H, W, 3) uint8 RGB, sides multiples of the stride -> (B, A, 6 + E) float32 rows without the image's number.

    Of networks with masks their prototypes (B, P, h, w), too. Rows are as in `detection/yolo.for_inference`, one for
    each cell; RT-DETR takes one size of input.

    Attributes:
        end2end, stretched, of_point, oriented: as of `detection/yolo.TorchYolo` and `decoding.NetworkOutput`.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        rows = rows_of(network.model[-1], 0.0)
        self.end2end, self.stretched = rows.end2end, rows.stretched
        self.of_point, self.oriented, self.masks = rows.of_point, rows.oriented, rows.masks
        network.model[-1] = _DenseTable(rows) if isinstance(rows, DenseRows) else _FinalTable(rows)
        self.network = network

    def forward(self, pixels: Tensor) -> Tables:
        tables: Tables = self.network(pixels.permute(0, 3, 1, 2).float() / 255)
        return tables


class _FinalTable(nn.Module):
    """Of heads trained to give each object once, what they give."""

    export = True  # YOLO-World asks its head

    def __init__(self, rows: Any) -> None:
        super().__init__()
        self.i, self.f = rows.i, rows.f  # number of the layer, and of the layers it reads
        self.rows = rows

    def forward(self, features: list[Tensor], _: None = None) -> Tables:
        table, prototypes = self.rows.table(features)
        return (table,) if prototypes is None else (table, prototypes)


class _DenseTable(nn.Module):
    """Of heads that score every cell of three grids, all cells decoded."""

    export = True

    def __init__(self, rows: DenseRows) -> None:
        super().__init__()
        self.i, self.f = rows.i, rows.f
        self.rows = rows
        self.decode = nn.ModuleList(_Decode(stride, rows) for stride in rows.strides)

    def forward(self, features: list[Tensor]) -> Tables:
        rows = self.rows
        more = rows.more or [None] * len(features)
        parts = [
            decode(scores(x), boxes(x), None if beside is None else beside(x))
            for x, boxes, scores, beside, decode in zip(
                features, rows.boxes, rows.scores, more, self.decode, strict=True
            )
        ]
        table = torch.cat(parts, dim=1)
        return (table,) if rows.prototypes is None else (table, rows.masks_of(features))


class _Decode(nn.Module):
    """One grid: (B, classes, h, w) logits, (B, 4 x bins, h, w) edges, (B, E, h, w) beside -> (B, h x w, 6 + E).

    Stays in 32 bits when the rest becomes INT8: that knows it by this module's name, `decode`.
    """

    def __init__(self, stride: float, rows: DenseRows) -> None:
        super().__init__()
        self.stride, self.bins = stride, rows.bins
        self.oriented, self.angles = rows.oriented, rows.angles
        self.of_point, self.keypoints = rows.of_point, rows.keypoints

    def forward(self, logits: Tensor, edges: Tensor, beside: Tensor | None) -> Tensor:
        batch, _, height, width = logits.shape
        score, label = logits.flatten(2).sigmoid().max(dim=1)
        distances = edges.view(batch, 4, self.bins, height * width)
        if self.bins > 1:
            distances = distances.softmax(2) * torch.arange(self.bins, dtype=torch.float32)[:, None]
        distances = distances.sum(2)
        x = (torch.arange(width, dtype=torch.float32) + 0.5)[None].expand(height, width).reshape(-1)
        y = (torch.arange(height, dtype=torch.float32) + 0.5)[:, None].expand(height, width).reshape(-1)
        centre = torch.stack([x, y])
        said = [] if beside is None else [beside.flatten(2)]
        if self.of_point or self.oriented:
            cells = centre.T[None].expand(batch, height * width, 2)
            rows = said[0].transpose(1, 2)
            if self.of_point:
                said = [self.keypoints(rows, cells - 0.5, self.stride).transpose(1, 2)]
            else:
                angle = self.angles(rows)
                box = turned(distances.transpose(1, 2), angle, cells).transpose(1, 2) * self.stride
                said = [angle.transpose(1, 2)]
        if not self.oriented:
            box = torch.cat([centre - distances[:, :2], centre + distances[:, 2:]], dim=1) * self.stride
        return torch.cat([box, score[:, None], label[:, None].float(), *said], dim=1).transpose(1, 2)
