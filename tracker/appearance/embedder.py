"""Appearance: the crops of a frame's boxes -> one 512-d unit vector each; `similarity.py` says what two mean."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tracker.appearance.omniscale import FEATURES, FoldedNet, OmniScaleNet
from tracker.appearance.similarity import REMEDY, Calibration, read_calibration, weights_file
from tracker.config import AppearanceConfig
from tracker.errors import InputError, WeightsError
from tracker.structures import Floats, Image
from tracker.system import engine

CHECKPOINT_SIZE = (256, 128)  # crop height and width of a checkpoint that does not say: what torchreid trains with
LARGEST_CROP = 1024  # pixels; memory is taken for what a file says
CHUNK = {"cpu": 16, "cuda": 256}  # crops at once: what stays in a core's cache, and what fills a GPU


@dataclass(frozen=True)
class Weights:
    """A network's parameters with what has to be known to use them."""

    state: Mapping[str, Tensor]
    crop_size: tuple[int, int] = CHECKPOINT_SIZE  # height, width in pixels
    calibration: Calibration = field(default_factory=Calibration)

    def network(self) -> OmniScaleNet:
        """The trainable network with these weights, in evaluation mode."""
        net = OmniScaleNet()
        net.load_state_dict(self.state)
        return net.eval()

    def write(self, path: Path, **notes: str) -> None:
        """A safetensors file; `notes` (source, licence, ...) go into its metadata."""
        metadata = notes | {
            "network": "omni-scale x0.25",
            "crop_size": json.dumps(self.crop_size),
            "calibration": json.dumps(asdict(self.calibration)),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(save({name: value.contiguous() for name, value in self.state.items()}, metadata))


def load_weights(path: str | Path = "") -> Weights:
    """Weights from a .safetensors file or a PyTorch checkpoint (opened without executing anything); "": the embedded.

    Of an exported folder, those it was made from.

    Checkpoints of OSNet x0.25 with torchreid's key names load as they are; their classifier is left out.

    Raises:
        WeightsError: missing, damaged or unsafe file, or the weights of another network.
    """
    file = weights_file(path)
    try:
        state, metadata = _read(file)
        expected = OmniScaleNet().state_dict()
        state = {key.removeprefix("module."): value for key, value in state.items()}
        state = {key: value for key, value in state.items() if not key.startswith("classifier.")}
        for key, value in expected.items():  # a counter that only training reads, and that older checkpoints lack
            if key.endswith("num_batches_tracked"):
                state.setdefault(key, value)
        if {key: value.shape for key, value in state.items()} != {key: value.shape for key, value in expected.items()}:
            raise WeightsError(f"{file} holds the weights of another network; {REMEDY}")
        if not all(bool(torch.isfinite(value).all()) for value in state.values()):
            raise WeightsError(f"{file} holds numbers that are not finite; {REMEDY}")
        size = tuple(int(n) for n in json.loads(metadata.get("crop_size", json.dumps(CHECKPOINT_SIZE))))
        calibration = read_calibration(metadata)
        if len(size) != 2 or min(size) < 16 or max(size) > LARGEST_CROP:
            raise ValueError(f"crop size {size}")
    except WeightsError:
        raise
    except Exception as error:  # whatever a damaged file makes the readers raise, the user's remedy is one
        raise WeightsError(f"{file} cannot be read as weights; {REMEDY}") from error
    return Weights(state, (size[0], size[1]), calibration)


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as reader:
            # clones: the reader's tensors are the file itself, which may be replaced by the very result
            state = {key: reader.get_tensor(key).clone() for key in reader.keys()}  # noqa: SIM118
            return state, reader.metadata() or {}
    content: Any = torch.load(file, map_location="cpu", weights_only=True)
    return dict(content.get("state_dict", content)), {}


class Embedder:
    """The CNN in use: frame and boxes -> features.

    The same crop gives the same vector to 1e-5 whatever else is in the frame; the same frame and boxes, the same bits.
    Trackers in several threads may share it.

    Args:
        config: which weights.
        device: "cpu", "cuda" or "cuda:N".

    Raises:
        WeightsError: missing, damaged or foreign weights.
    """

    def __init__(self, config: AppearanceConfig | None = None, device: str = "cpu") -> None:
        model = (config or AppearanceConfig()).model
        weights = load_weights(model)
        self.calibration = weights.calibration
        self.crop_size = weights.crop_size
        export = engine.find(model)
        self.device = torch.device("cpu" if export else device)
        self._network = export.open("appearance") if export else _by_torch(weights, self.device)
        self._chunk = CHUNK.get(self.device.type, CHUNK["cuda"])
        self._buffer = np.empty((self._chunk, *self.crop_size, 3), np.uint8)
        self._turn = threading.Lock()  # there is one buffer

    @torch.inference_mode()
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
        features = np.full((len(boxes), FEATURES), np.nan, np.float32)
        corners, rows = visible_pixels(boxes, frame.shape[1], frame.shape[0])
        source: Image | Tensor = frame
        if self.device.type != "cpu":
            source = (torch.from_numpy(np.ascontiguousarray(frame)) if pixels is None else pixels).to(self.device)
        for start in range(0, len(rows), self._chunk):
            part = corners[start : start + self._chunk]
            with self._turn:
                if isinstance(source, np.ndarray):
                    crops: Any = self._resized(source, part)
                else:
                    crops = align(source, part, self.crop_size)
                (features[rows[start : start + self._chunk]],) = self._network(crops)
        return features

    def _resized(self, frame: Image, corners: NDArray[np.int64]) -> Image:
        height, width = self.crop_size
        for crop, (left, top, right, bottom) in zip(self._buffer, corners, strict=False):
            cv2.resize(frame[top:bottom, left:right], (width, height), dst=crop, interpolation=cv2.INTER_LINEAR)
        return self._buffer[: len(corners)]


def _by_torch(weights: Weights, device: torch.device) -> Callable[[Any], engine.Arrays]:
    """The network run by PyTorch, as an exported one is called: crops, arrays or tensors on `device`, to features."""
    network = FoldedNet(weights.network()).to(device)
    return lambda crops: (network(torch.as_tensor(crops)).cpu().numpy(),)


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
    from torchvision.ops import roi_align

    boxes = torch.from_numpy(corners).to(frame.device, torch.float32)
    picture = frame.permute(2, 0, 1)[None].float()
    crops: Tensor = roi_align(picture, [boxes], size, sampling_ratio=1, aligned=True)
    return crops.permute(0, 2, 3, 1)
