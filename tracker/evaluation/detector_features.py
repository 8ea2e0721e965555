"""What a detector itself knows of an object's appearance: Ultralytics' "auto" re-identification, to be compared with.

The feature of an object is what the three maps that enter the detection head hold at the cell that found it, each
averaged over groups of channels to as many numbers as the narrowest has.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from tracker.boxes import cxcywh_to_xyxy, iou
from tracker.config import DetectorConfig
from tracker.detection.detector import find_weights
from tracker.detection.letterbox import letterbox, letterbox_sizes, unletterbox
from tracker.detection.yolo import load
from tracker.structures import Floats, Image

_STRIDE = 32  # of the network: what the sides of its input are multiples of


class DetectorFeatures:
    """Frame and boxes -> features, called as an `embedder.Embedder`.

    Args:
        config: which detector, and the size of its input.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        WeightsError: missing, damaged or foreign weights.
    """

    def __init__(self, config: DetectorConfig | None = None, device: str = "cpu") -> None:
        self._imgsz = (config or DetectorConfig()).imgsz
        self.crop_size = (self._imgsz, self._imgsz) if isinstance(self._imgsz, int) else self._imgsz
        self.device = torch.device(device)
        self._network: Any = load(find_weights((config or DetectorConfig()).model))[0].to(self.device)
        self._maps: list[Tensor] = []
        self._network.model[-1].register_forward_pre_hook(self._keep)

    def _keep(self, _: Any, inputs: tuple[list[Tensor]]) -> None:
        self._maps = list(inputs[0])

    @torch.inference_mode()
    def __call__(self, frame: Image, xyxy: ArrayLike) -> Floats:
        """(H, W, 3) uint8 BGR, (N, 4) boxes in pixels -> (N, C) float32 rows of length 1.

        The cell taken for a box is the one with the highest product of its score and its own box's overlap.
        """
        boxes = np.asarray(xyxy, np.float32).reshape(-1, 4)
        sizes = letterbox_sizes(frame.shape, self._imgsz, _STRIDE)
        pixels = letterbox(frame, self._imgsz, _STRIDE)
        batch = torch.from_numpy(pixels).to(self.device).permute(2, 0, 1)[None].float() / 255
        output = self._network(batch)
        rows = (output[0] if isinstance(output, tuple) else output)[0].T.cpu().numpy()  # box, a score for each class
        found = unletterbox(cxcywh_to_xyxy(rows[:, :4]), frame.shape, *sizes)
        cells = (iou(boxes, found) * rows[:, 4:].max(axis=1)).argmax(axis=1)
        length = min(feature_map.shape[1] for feature_map in self._maps)
        columns = [
            m[0].permute(1, 2, 0).reshape(m.shape[2] * m.shape[3], length, -1).mean(dim=2).cpu().numpy()
            for m in self._maps
        ]
        features: NDArray[np.float32] = np.concatenate(columns)[cells]
        unit: Floats = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        return unit
