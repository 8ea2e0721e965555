"""The YOLO network in use: its layers laid out for speed. `yolo_weights.py` reads and writes it.

- On the CPU convolution, bias and SiLU are one oneDNN operation on weights laid out once (what `torch.compile` would
  make of them, without its minute of compilation).
- Class scores decide first: boxes are decoded only where a score passes the threshold.

Ultralytics' layers: https://github.com/ultralytics/ultralytics (AGPL-3.0).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tracker.detection.decoding import NetworkOutput
from tracker.detection.yolo_weights import load, read_checkpoint, save, ultralytics, with_classes
from tracker.structures import Image

__all__ = ["load", "read_checkpoint", "save", "ultralytics", "with_classes"]


def for_inference(network: Any, device: torch.device, dtype: torch.dtype, conf: float) -> nn.Module:
    """`network` fused and laid out for `device`; it is consumed.

    Returns:
        A module (B, 3, H, W) RGB in [0, 1] -> (K, 7 + E) float32 rows of image number, box (left, top, right, bottom
        in pixels of the input), score, class and what the network says beside, for all scores above `conf`, and the
        prototypes of masks or None (`decoding.NetworkOutput`); its `end2end` says that they need no non-maximum
        suppression.
    """
    fused: nn.Module = network.fuse(verbose=False)
    layers: Any = fused.model
    layers[-1] = _DenseRows(layers[-1], conf) if not layers[-1].end2end else _FinalRows(layers[-1], conf)
    fused.end2end, fused.of_point = layers[-1].end2end, layers[-1].of_point
    fused.requires_grad_(False).to(device, dtype).to(memory_format=torch.channels_last)
    if device.type == "cpu" and torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        _fuse_convolutions(fused)
    return fused


def for_export(network: Any) -> nn.Module:
    """`network` fused, as plain operations that a tracer can follow for any batch and size; it is consumed.

    Returns:
        A module (B, H, W, 3) uint8 RGB, sides multiples of the stride -> (B, A, 6) float32: box (left, top, right,
        bottom in pixels of the input), score and class of every cell; its `end2end` as in `for_inference`.
    """
    fused: nn.Module = network.fuse(verbose=False)
    return _FromPixels(fused.requires_grad_(False)).eval()


class _FromPixels(nn.Module):
    """The network that `for_export` makes."""

    end2end: bool

    def __init__(self, network: Any) -> None:
        super().__init__()
        head = network.model[-1]
        self.end2end = bool(head.end2end)
        network.model[-1] = _FinalTable(head) if self.end2end else _DenseTable(head)
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        table: Tensor = self.network(pixels.permute(0, 3, 1, 2).float() / 255)
        return table


class _FinalTable(nn.Module):
    """Of heads trained to give each object once, what they give."""

    export = True

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.i, self.f = head.i, head.f  # number of the layer, and of the layers it reads
        self.head = head

    def forward(self, features: list[Tensor]) -> Tensor:
        table, _ = _said(self.head, features)
        return table[..., :6]


class _DenseTable(nn.Module):
    """Of heads that score every cell of three grids, all cells decoded."""

    export = True

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.i, self.f = head.i, head.f
        self.boxes, self.scores = head.cv2, head.cv3
        self.decode = nn.ModuleList(_Decode(float(stride), head.reg_max) for stride in head.stride)

    def forward(self, features: list[Tensor]) -> Tensor:
        grids = zip(features, self.boxes, self.scores, self.decode, strict=True)
        return torch.cat([decode(scores(x), boxes(x)) for x, boxes, scores, decode in grids], dim=1)


class _Decode(nn.Module):
    """One grid: (B, classes, h, w) logits and (B, 4 x bins, h, w) edges -> (B, h x w, 6).

    Stays in 32 bits when the rest becomes INT8: that knows it by this module's name, `decode`.
    """

    def __init__(self, stride: float, bins: int) -> None:
        super().__init__()
        self.stride, self.bins = stride, bins

    def forward(self, logits: Tensor, edges: Tensor) -> Tensor:
        batch, _, height, width = logits.shape
        score, label = logits.flatten(2).sigmoid().max(dim=1)
        distances = edges.view(batch, 4, self.bins, height * width)
        if self.bins > 1:
            distances = distances.softmax(2) * torch.arange(self.bins, dtype=torch.float32)[:, None]
        distances = distances.sum(2)
        x = (torch.arange(width, dtype=torch.float32) + 0.5)[None].expand(height, width).reshape(-1)
        y = (torch.arange(height, dtype=torch.float32) + 0.5)[:, None].expand(height, width).reshape(-1)
        centre = torch.stack([x, y])
        xyxy = torch.cat([centre - distances[:, :2], centre + distances[:, 2:]], dim=1) * self.stride
        return torch.cat([xyxy, score[:, None], label[:, None].float()], dim=1).transpose(1, 2)


class TorchYolo:
    """A YOLO network run by PyTorch: letterboxed pixels in, candidates out.

    Attributes:
        names: class number -> name.
        stride: what the sides of the input are multiples of.
        end2end: the candidates need no non-maximum suppression.
        size: None: inputs may have any.
    """

    size: tuple[int, int] | None = None

    def __init__(self, path: Path, device: str, half: bool, conf: float, prompt: Sequence[str] = ()) -> None:
        network, self.names = load(path, prompt)
        self.stride = max(32, int(network.stride.max()))
        self._device = torch.device(device)
        self._dtype = torch.float16 if half and self._device.type == "cuda" else torch.float32
        self._network: Any = for_inference(network, self._device, self._dtype, conf)
        self.end2end = bool(self._network.end2end)
        self._of_point: Any = self._network.of_point

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        """(B, H, W, 3) RGB, 0 to 255 -> the candidates of all images."""
        there = torch.as_tensor(pixels, device=self._device)
        batch = there.permute(0, 3, 1, 2).to(self._dtype).div_(255)  # HWC in memory: channels last
        rows, prototypes = self._network(batch)
        masks = None if prototypes is None else prototypes.float().cpu().numpy()
        return NetworkOutput(rows.cpu().numpy(), masks, self._of_point)


def upload(frames: Sequence[Image], device: str) -> Tensor:
    """(B, H, W, 3) uint8: frames of one size on the device; from pinned memory the copy runs beside the GPU's work."""
    shape = (len(frames), *frames[0].shape)
    stacked = torch.empty(shape, dtype=torch.uint8, pin_memory=device.startswith("cuda"))  # whose memory is used again
    np.stack(frames, out=stacked.numpy())
    return stacked.to(device, non_blocking=True)


class _RowHead(nn.Module):
    """A head in the place of Ultralytics' own."""

    end2end: bool
    export = False  # YOLO-World asks its head

    def __init__(self, head: Any, conf: float) -> None:
        super().__init__()
        self.i, self.f = head.i, head.f  # number of the layer, and of the layers it reads
        self.conf = conf


class _FinalRows(_RowHead):
    """Heads trained to give each object once (YOLOv10, YOLO26)."""

    end2end = True

    def __init__(self, head: Any, conf: float) -> None:
        super().__init__(head, conf)
        self.head = head
        self.of_point = head.kpt_shape[1] if hasattr(head, "kpt_shape") else 0

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        found, prototypes = _said(self.head, features)
        image, place = torch.nonzero(found[..., 4] > self.conf, as_tuple=True)
        return torch.cat([image[:, None], found[image, place]], dim=1).float(), prototypes


def _said(head: Any, features: list[Tensor]) -> tuple[Tensor, Tensor | None]:
    """What Ultralytics' own head gives: (B, A, 6 + E), and the prototypes of masks or None."""
    table: Tensor | tuple[Tensor, Tensor] = head(features)[0]
    return table if isinstance(table, tuple) else (table, None)


class _DenseRows(_RowHead):
    """Heads that score every cell of three grids. Only cells above the threshold are decoded."""

    end2end = False

    def __init__(self, head: Any, conf: float) -> None:
        super().__init__(head, conf)
        self.boxes, self.scores, self.bins = head.cv2, head.cv3, head.reg_max
        self.strides = [float(s) for s in head.stride]
        kind = type(head).__name__
        self.prototypes = getattr(head, "proto", None)
        self.of_all = kind == "Segment26"  # prototypes are made of all grids, else of the finest
        self.of_point = head.kpt_shape[1] if hasattr(head, "kpt_shape") else 0
        self.more = head.cv4 if self.of_point or self.prototypes is not None else None  # what it says beside
        self.unit, self.shift = 2.0, 0.0  # of keypoints: cells, from the cell's corner
        if kind == "Pose26":
            self.more = nn.ModuleList(map(nn.Sequential, head.cv4, head.cv4_kpts))
            self.unit, self.shift = 1.0, 0.5

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        more = self.more or [None] * len(features)
        grids = zip(features, self.boxes, self.scores, more, self.strides, strict=True)
        rows = torch.cat([self._level(*grid) for grid in grids])
        if self.prototypes is None:
            return rows, None
        return rows, self.prototypes(features if self.of_all else features[0])

    def _level(self, x: Tensor, boxes: nn.Module, scores: nn.Module, more: nn.Module | None, stride: float) -> Tensor:
        """One grid (B, C, h, w) -> (K, 7 + E); distances to the edges are means over bins (Li et al., GFL, 2020)."""
        logits = scores(x).permute(0, 2, 3, 1)  # (B, h, w, classes)
        image, row, column = torch.nonzero(logits.amax(-1).sigmoid() > self.conf, as_tuple=True)
        distances = boxes(x).permute(0, 2, 3, 1)[image, row, column].float().view(len(image), 4, self.bins)
        if self.bins > 1:
            distances = distances.softmax(-1) @ torch.arange(self.bins, dtype=torch.float32, device=x.device)[:, None]
        distances = distances.squeeze(-1)
        cell = torch.stack([column, row], dim=1)
        centre = cell + 0.5
        xyxy = torch.cat([centre - distances[:, :2], centre + distances[:, 2:]], dim=1) * stride
        score, label = logits[image, row, column].float().sigmoid().max(dim=1)
        found = [image[:, None], xyxy, score[:, None], label[:, None]]
        if more is not None:
            said = more(x).permute(0, 2, 3, 1)[image, row, column].float()
            found.append(self._keypoints(said, cell, stride) if self.of_point else said)
        return torch.cat(found, dim=1)

    def _keypoints(self, said: Tensor, cell: Tensor, stride: float) -> Tensor:
        """(K, points x values) offsets from the cell (K, 2) -> places in pixels of the input, and confidences."""
        points = said.view(len(said), said.shape[1] // self.of_point, self.of_point)
        places = (points[..., :2] * self.unit + cell[:, None] + self.shift) * stride
        return torch.cat([places, points[..., 2:].sigmoid()], dim=2).flatten(1)


class _FusedConvolution(nn.Module):
    """Convolution, bias and SiLU as one oneDNN operation, on weights in oneDNN's own layout."""

    def __init__(self, convolution: nn.Conv2d, activation: str) -> None:
        super().__init__()
        self.geometry = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(convolution.weight.data, *self.geometry)
        self.bias = None if convolution.bias is None else convolution.bias.data
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        convolved: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, self.weight, self.bias, *self.geometry, self.activation, [], ""
        )
        return convolved


def _fuse_convolutions(network: nn.Module) -> None:
    """Replace every plain convolution, and the SiLU after it where the two form a unit (`conv`, `act`)."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Conv2d and child.padding_mode == "zeros" and not isinstance(child.padding, str):
                swish = name == "conv" and type(getattr(parent, "act", None)) is nn.SiLU
                setattr(parent, name, _FusedConvolution(child, "swish" if swish else "none"))
                if swish:
                    parent.act = nn.Identity()
