"""Appearance: the crops of a frame's boxes -> one 512-d unit vector each; `similarity.py` says what two mean.

PyTorch is imported only where it runs the network: with an exported one it would be most of a process's memory.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.appearance.similarity import Notes, load_notes
from tracker.config import AppearanceConfig
from tracker.errors import InputError
from tracker.structures import FEATURE_SIZE, Floats, Image
from tracker.system import engine

if TYPE_CHECKING:
    from torch import Tensor

CHUNK = {"cpu": 16, "cuda": 256}  # crops at once: what stays in a core's cache, and what fills a GPU
_OPENVINO_CHUNK = 1  # it lays a network out anew when their number changes, which costs more than the crops do, ...
_LASTING = 4  # ... or once for each number, which takes a second: a third quicker where there are as many


class Embedder:
    """The CNN in use: frame and boxes -> features.

    The same crop gives the same vector to 1e-5 whatever else is in the frame; the same frame and boxes, the same bits.
    Trackers in several threads may share it.

    Args:
        config: which weights.
        device: "cpu", "cuda" or "cuda:N".
        lasting: it runs for so long that a second of its start counts for nothing.

    Raises:
        WeightsError: missing, damaged or foreign weights.
    """

    def __init__(self, config: AppearanceConfig | None = None, device: str = "cpu", lasting: bool = False) -> None:
        model = (config or AppearanceConfig()).model
        export = engine.find(model)
        self.device = "cpu" if export else device
        openvino = export is not None and export.format == "openvino"
        if export:
            notes = load_notes(model)
            self._network = export.open("appearance", any_shape=not openvino, at_once=False)  # `_turn`
        else:
            notes, self._network = _by_torch(model, device)
        self.calibration, self.crop_size = notes.calibration, notes.crop_size
        few = (_LASTING, _OPENVINO_CHUNK) if lasting else (_OPENVINO_CHUNK,)
        self._chunks = few if openvino else (CHUNK.get(self.device, CHUNK["cuda"]),)
        self._buffer = np.zeros((self._chunks[0], *self.crop_size, 3), np.uint8)
        for chunk in few if openvino else ():
            self._network(self._buffer[:chunk])  # laid out now: it takes longer than a live source waits
        self._turn = threading.Lock()  # there is one buffer

    def __call__(self, frame: Image, xyxy: ArrayLike, pixels: Tensor | None = None) -> Floats:
        """(H, W, 3) uint8 BGR frame, (N, 4) boxes in pixels -> (N, 512) float32 rows of length 1.

        Of a box that reaches over the frame's edge the visible part is taken; a row of NaN where nothing is visible.
        `pixels`: the same frame where it lies on the device already, which saves the copy.

        Raises:
            InputError: another shape or dtype.
        """
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4) if np.size(xyxy) == 0 else np.asarray(xyxy, np.float32)
        if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
            raise InputError(f"frame is {frame.dtype} of shape {frame.shape}; expected uint8 of shape (H, W, 3), BGR")
        if boxes.ndim != 2 or boxes.shape[1] != 4:
            raise InputError(f"xyxy has shape {boxes.shape}; expected (N, 4)")
        features = np.full((len(boxes), FEATURE_SIZE), np.nan, np.float32)
        corners, rows = visible_pixels(boxes, frame.shape[1], frame.shape[0])
        source: Image | Tensor = frame
        if self.device != "cpu":
            source = _there(frame, self.device) if pixels is None else pixels.to(self.device)
        for begin, end in self._parts(len(rows)):
            part = corners[begin:end]
            with self._turn:
                if isinstance(source, np.ndarray):
                    crops: Any = self._resized(source, part)
                else:
                    crops = align(source, part, self.crop_size)
                (features[rows[begin:end]],) = self._network(crops)
        return features

    def _parts(self, count: int) -> Iterator[tuple[int, int]]:
        """Where each of the chunks that so many crops are looked at in begins and ends."""
        begin = 0
        for chunk in self._chunks:
            while count - begin >= chunk or (begin < count and chunk == self._chunks[-1]):
                yield begin, min(begin + chunk, count)
                begin += chunk

    def _resized(self, frame: Image, corners: NDArray[np.int64]) -> Image:
        height, width = self.crop_size
        for crop, (left, top, right, bottom) in zip(self._buffer, corners, strict=False):
            cv2.resize(frame[top:bottom, left:right], (width, height), dst=crop, interpolation=cv2.INTER_LINEAR)
        return self._buffer[: len(corners)]


def _by_torch(model: str, device: str) -> tuple[Notes, Callable[[Any], engine.Arrays]]:
    """What is known of the weights, and the network run by PyTorch, called as an exported one: crops to features."""
    import torch

    from tracker.appearance.omniscale import FoldedNet
    from tracker.appearance.weights import load_weights

    weights = load_weights(model)
    network = FoldedNet(weights.network()).to(device)

    @torch.inference_mode()
    def run(crops: Any) -> engine.Arrays:
        return (network(torch.as_tensor(crops)).cpu().numpy(),)

    return Notes(weights.calibration, weights.crop_size), run


def _there(frame: Image, device: str) -> Tensor:
    import torch

    return torch.from_numpy(np.ascontiguousarray(frame)).to(device)


def visible_pixels(xyxy: Floats, width: int, height: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N, 4) boxes -> (K, 4) whole-pixel corners inside the frame, and the (K,) rows whose boxes are visible at all."""
    limit = np.array([width, height, width, height], np.float32)
    inside = np.clip(np.nan_to_num(xyxy), 0, limit)
    rows = np.flatnonzero((inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1]) & np.isfinite(xyxy).all(axis=1))
    start = np.floor(inside[rows, :2])
    end = np.maximum(np.ceil(inside[rows, 2:]), start + 1)
    return np.concatenate([start, end], axis=1).astype(np.int64), rows


def align(frame: Tensor, corners: NDArray[np.int64], size: tuple[int, int]) -> Tensor:
    """Crops on the frame's own device: (H, W, 3) uint8 and (K, 4) corners -> (K, *size, 3) float32, 0 to 255.

    One bilinear sample at the centre of each output pixel, as OpenCV's resize takes on the CPU.
    """
    import torch
    from torchvision.ops import roi_align

    boxes = torch.from_numpy(corners).to(frame.device, torch.float32)
    picture = frame.permute(2, 0, 1)[None].float()
    crops: Tensor = roi_align(picture, [boxes], size, sampling_ratio=1, aligned=True)
    return crops.permute(0, 2, 3, 1)
