"""The YOLO network in use: its layers laid out for speed. `yolo_weights.py` reads and writes it.

- On a CPU with AVX-512 convolution, bias and SiLU are one oneDNN operation on weights laid out once (what
  `torch.compile` would make of them, without its minute of compilation).
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
        A module (B, 3, H, W) RGB in [0, 1] -> (K, 7 + E) float32 rows of image number, box, score, class and what the
        network says beside, for all scores above `conf`, and the prototypes of masks or None, as in
        `decoding.NetworkOutput`; its last layer is a `RowHead`.
    """
    fused: nn.Module = network.fuse(verbose=False)
    layers: Any = fused.model
    layers[-1] = rows_of(layers[-1], conf)
    fused.requires_grad_(False).to(device, dtype).to(memory_format=torch.channels_last)
    if device.type == "cpu" and _keeps_layouts():
        _fuse_convolutions(fused)
    return fused


def _keeps_layouts() -> bool:
    """Whether oneDNN takes weights as they were laid out once. Without AVX-512 it wants another layout for each size of
    input and number of threads, and lays them out anew in every call, which takes longer than the convolution."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and torch.backends.cpu.get_cpu_capability() == "AVX512"


class TorchYolo:
    """A YOLO network run by PyTorch: letterboxed pixels in, candidates out.

    Attributes:
        names: class number -> name.
        stride: what the sides of the input are multiples of.
        end2end: the candidates need no non-maximum suppression.
        size: None: inputs may have any. stretched: the picture is stretched to them.
    """

    size: tuple[int, int] | None = None

    def __init__(self, path: Path, device: str, half: bool, conf: float, prompt: Sequence[str] = ()) -> None:
        network, self.names = load(path, prompt)
        self.stride = max(32, int(network.stride.max()))
        self._device = torch.device(device)
        self._dtype = torch.float16 if half and self._device.type == "cuda" else torch.float32
        self._network: Any = for_inference(network, self._device, self._dtype, conf)
        layers: Any = self._network.model
        head = layers[-1]
        self.end2end, self.stretched = head.end2end, head.stretched
        self._beside = head.of_point, head.oriented

    @torch.inference_mode()
    def __call__(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        """(B, H, W, 3) RGB, 0 to 255 -> the candidates of all images."""
        there = torch.as_tensor(pixels, device=self._device)
        batch = there.permute(0, 3, 1, 2).to(self._dtype).div_(255)  # HWC in memory: channels last
        rows, prototypes = self._network(batch)
        masks = None if prototypes is None else prototypes.float().cpu().numpy()
        found: NDArray[np.float32] = rows.cpu().numpy()
        if self.stretched:
            found[:, 1:5] *= np.tile(pixels.shape[2:0:-1], 2)
        return NetworkOutput(found, masks, *self._beside)


def upload(frames: Sequence[Image], device: str) -> Tensor:
    """(B, H, W, 3) uint8: frames of one size on the device; from pinned memory the copy runs beside the GPU's work."""
    shape = (len(frames), *frames[0].shape)
    stacked = torch.empty(shape, dtype=torch.uint8, pin_memory=device.startswith("cuda"))  # whose memory is used again
    np.stack(frames, out=stacked.numpy())
    return stacked.to(device, non_blocking=True)


def rows_of(head: Any, conf: float) -> RowHead:
    """What takes the place of one of Ultralytics' heads."""
    if type(head).__name__ == "RTDETRDecoder":
        return QueryRows(head, conf)
    return FinalRows(head, conf) if head.end2end else DenseRows(head, conf)


class RowHead(nn.Module):
    """A head in the place of Ultralytics' own.

    Attributes:
        end2end: its candidates need no non-maximum suppression.
        stretched: boxes are shares of the picture, which is stretched to the input.
        of_point, oriented: as of `decoding.NetworkOutput`. masks: whether it gives prototypes.
    """

    end2end: bool
    export = False  # YOLO-World asks its head
    stretched = False

    def __init__(self, head: Any, conf: float) -> None:
        super().__init__()
        self.i, self.f = head.i, head.f  # number of the layer, and of the layers it reads
        self.conf = conf
        self.of_point = int(head.kpt_shape[1]) if hasattr(head, "kpt_shape") else 0
        self.oriented = type(head).__name__ in ("OBB", "OBB26")
        self.masks = hasattr(head, "proto")


class FinalRows(RowHead):
    """Heads trained to give each object once (YOLOv10, YOLO26)."""

    end2end = True

    def __init__(self, head: Any, conf: float) -> None:
        super().__init__(head, conf)
        self.head = head

    def forward(self, features: list[Tensor], _: None = None) -> tuple[Tensor, Tensor | None]:
        found, prototypes = self.table(features)
        image, place = torch.nonzero(found[..., 4] > self.conf, as_tuple=True)
        return torch.cat([image[:, None], found[image, place]], dim=1).float(), prototypes

    def table(self, features: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        """(B, A, 6 + E) of all that the head gives, and the prototypes of masks or None."""
        table: Tensor | tuple[Tensor, Tensor] = self.head(features)[0]
        return table if isinstance(table, tuple) else (table, None)


class QueryRows(FinalRows):
    """RT-DETR's (Zhao et al., CVPR 2024): of each query one object."""

    stretched = True

    def table(self, features: list[Tensor]) -> tuple[Tensor, None]:
        found = self.head(features)[0]
        centre, half = found[..., :2], found[..., 2:4] / 2
        return torch.cat([centre - half, centre + half, found[..., 4:]], dim=-1), None


class DenseRows(RowHead):
    """Heads that score every cell of three grids. Only cells above the threshold are decoded."""

    end2end = False

    def __init__(self, head: Any, conf: float) -> None:
        super().__init__(head, conf)
        self.boxes, self.scores, self.bins = head.cv2, head.cv3, head.reg_max
        self.strides = [float(s) for s in head.stride]
        kind = type(head).__name__
        self.prototypes: Any = head.proto if self.masks else None
        self.of_all = kind == "Segment26"  # prototypes are made of all grids, else of the finest
        self.more = head.cv4 if self.of_point or self.oriented or self.masks else None  # what it says beside
        self.logit = kind == "OBB"  # of angles: later ones are said as they are
        self.unit, self.shift = 2.0, 0.0  # of keypoints: cells, from the cell's corner
        if kind == "Pose26":
            self.more = nn.ModuleList(map(nn.Sequential, head.cv4, head.cv4_kpts))
            self.unit, self.shift = 1.0, 0.5

    def forward(self, features: list[Tensor]) -> tuple[Tensor, Tensor | None]:
        more = self.more or [None] * len(features)
        grids = zip(features, self.boxes, self.scores, more, self.strides, strict=True)
        rows = torch.cat([self._level(*grid) for grid in grids])
        return rows, self.masks_of(features) if self.masks else None

    def masks_of(self, features: list[Tensor]) -> Tensor:
        """(B, P, h, w) prototypes."""
        prototypes: Tensor = self.prototypes(features if self.of_all else features[0])
        return prototypes

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
        score, label = logits[image, row, column].float().sigmoid().max(dim=1)
        beside = [] if more is None else [more(x).permute(0, 2, 3, 1)[image, row, column].float()]
        if self.oriented:
            beside = [self.angles(beside[0])]
            box = turned(distances, beside[0], centre) * stride
        else:
            box = torch.cat([centre - distances[:, :2], centre + distances[:, 2:]], dim=1) * stride
        if self.of_point:
            beside = [self.keypoints(beside[0], cell, stride)]
        return torch.cat([image[:, None], box, score[:, None], label[:, None], *beside], dim=1)

    def keypoints(self, said: Tensor, cell: Tensor, stride: float) -> Tensor:
        """(..., points x values) offsets from cells (..., 2) -> places in pixels of the input, and confidences."""
        points = said.reshape(*said.shape[:-1], said.shape[-1] // self.of_point, self.of_point)
        places = (points[..., :2] * self.unit + cell[..., None, :] + self.shift) * stride
        return torch.cat([places, points[..., 2:].sigmoid()], dim=-1).flatten(-2)

    def angles(self, said: Tensor) -> Tensor:
        """Radians of what a network says of angles."""
        return (said.sigmoid() - 0.25) * torch.pi if self.logit else said


def turned(distances: Tensor, angle: Tensor, cell: Tensor) -> Tensor:
    """Distances (..., 4) of sides to cells (..., 2), at angles (..., 1) -> (..., 4) oriented centres and sides."""
    near, far = distances[..., :2], distances[..., 2:]
    x, y = ((far - near) / 2).chunk(2, dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([cell + torch.cat([x * cos - y * sin, x * sin + y * cos], dim=-1), near + far], dim=-1)


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
