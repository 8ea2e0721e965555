"""Appearance: the crops of a frame's boxes -> one 512-d unit vector each, and what a similarity of two of them means.

Similarity is the dot product of two unit vectors. That of one and the same person falls with the time between the two
looks while that of two people stays, so no one threshold fits; `same_identity_probability` knows both distributions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tracker import exported
from tracker.config import AppearanceConfig
from tracker.errors import InputError, WeightsError
from tracker.omniscale import FEATURES, FoldedNet, OmniScaleNet
from tracker.structures import Floats, Image

WEIGHTS = "appearance.safetensors"
EMBEDDED = Path(__file__).parent / "assets" / WEIGHTS
CHECKPOINT_SIZE = (256, 128)  # crop height and width of a checkpoint that does not say: what torchreid trains with
LONGEST_S = 20.0  # seconds apart up to which this was checked; what is longer counts as this long
_REMEDY = "give OSNet x0.25 weights or make some with: track train appearance DATA --teacher WEIGHTS --out DIR"
CHUNK = {"cpu": 16, "cuda": 256}  # crops at once: what stays in a core's cache, and what fills a GPU


@dataclass(frozen=True)
class Calibration:
    """What a similarity says after some seconds: the log-odds are `slope * (similarity - threshold)`.

    Threshold and slope each move linearly with log(1 + seconds), up to `LONGEST_S`. The odds are for one true pair
    against one false one (even prior), so the log-odds are a log-likelihood ratio that adds to other evidence. Fitted
    by logistic regression on pairs of crops a known time apart (`train/calibration.py`) and stored with the weights.
    The defaults are those of OSNet x0.25 trained on MSMT17, for checkpoints that bring none.
    """

    threshold: float = 0.739
    threshold_per_log_s: float = -0.0575
    slope: float = 22.0
    slope_per_log_s: float = -1.86
    different_mean: float = 0.55  # similarity of different objects where this was fitted, and its standard deviation
    different_deviation: float = 0.10
    same_mean: float = 0.92  # similarity of one object, there, to the mean of its looks until a moment ago

    def log_odds(self, similarity: ArrayLike, seconds_apart: ArrayLike) -> NDArray[np.float32]:
        """Cosine similarities and seconds (>= 0), shapes that broadcast -> log-odds; NaN (no feature) gives 0."""
        elapsed = np.log1p(np.minimum(np.asarray(seconds_apart, np.float32), np.float32(LONGEST_S)))
        slope = np.maximum(self.slope + self.slope_per_log_s * elapsed, 1)
        odds = np.asarray(similarity, np.float32) - (self.threshold + self.threshold_per_log_s * elapsed)
        odds = np.asarray(odds * slope, np.float32)
        return np.where(np.isnan(odds), np.float32(0), odds)


def same_identity_probability(
    similarity: ArrayLike, seconds_apart: ArrayLike, calibration: Calibration | None = None
) -> NDArray[np.float32]:
    """Probability that two looks belong to one identity, were both answers as likely beforehand.

    Args:
        similarity: cosine similarities in [-1, 1]; NaN where a feature is missing, which gives 0.5: no evidence.
        seconds_apart: time between the looks, >= 0; broadcasts against `similarity`.
        calibration: that of the network in use (`Embedder.calibration`); by default that of an OSNet checkpoint.

    >>> p = same_identity_probability([0.95, 0.2, float("nan")], 1.0)
    >>> bool(p[0] > 0.9), bool(p[1] < 0.1), float(p[2])
    (True, True, 0.5)
    """
    odds = (calibration or Calibration()).log_odds(similarity, seconds_apart)
    probability: NDArray[np.float32] = (1 / (1 + np.exp(-np.clip(odds, -60, 60)))).astype(np.float32)
    return probability


@dataclass(frozen=True)
class Weights:
    """A network's parameters with what has to be known to use them."""

    state: Mapping[str, Tensor]
    crop_size: tuple[int, int] = CHECKPOINT_SIZE  # height, width in pixels
    calibration: Calibration = Calibration()

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
    file = _file(path)
    try:
        state, metadata = _read(file)
        expected = OmniScaleNet().state_dict()
        state = {key.removeprefix("module."): value for key, value in state.items()}
        state = {key: value for key, value in state.items() if not key.startswith("classifier.")}
        for key, value in expected.items():  # a counter that only training reads, and that older checkpoints lack
            if key.endswith("num_batches_tracked"):
                state.setdefault(key, value)
        if {key: value.shape for key, value in state.items()} != {key: value.shape for key, value in expected.items()}:
            raise WeightsError(f"{file} holds the weights of another network; {_REMEDY}")
        if not all(bool(torch.isfinite(value).all()) for value in state.values()):
            raise WeightsError(f"{file} holds numbers that are not finite; {_REMEDY}")
        size = tuple(int(n) for n in json.loads(metadata.get("crop_size", json.dumps(CHECKPOINT_SIZE))))
        calibration = _calibration(metadata)
        if len(size) != 2 or min(size) < 16:
            raise ValueError(f"crop size {size}")
    except WeightsError:
        raise
    except Exception as error:  # whatever a damaged file makes the readers raise, the user's remedy is one
        raise WeightsError(f"{file} cannot be read as weights; {_REMEDY}") from error
    return Weights(state, (size[0], size[1]), calibration)


def load_calibration(path: str | Path = "") -> Calibration:
    """What `load_weights` finds about the meaning of similarities, without loading the network.

    Raises:
        WeightsError: missing or damaged file.
    """
    file = _file(path)
    if file.suffix != ".safetensors":
        return load_weights(path).calibration
    try:
        with safe_open(file, "np") as reader:
            return _calibration(reader.metadata() or {})
    except Exception as error:  # as above
        raise WeightsError(f"{file} cannot be read as weights; {_REMEDY}") from error


def _file(path: str | Path) -> Path:
    file = Path(path) if str(path) else EMBEDDED
    if exported.find(file, "appearance"):
        file = file / WEIGHTS
    if not file.is_file():
        raise WeightsError(f"no appearance weights at {file}; {_REMEDY}")
    return file


def _calibration(metadata: Mapping[str, str]) -> Calibration:
    return Calibration(**json.loads(metadata.get("calibration", "{}")))


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
        export = exported.find(model)
        self.device = torch.device("cpu" if export else device)
        self._network = export.open("appearance") if export else _by_torch(weights, self.device)
        self._chunk = CHUNK.get(self.device.type, CHUNK["cuda"])
        self._buffer = np.empty((self._chunk, *self.crop_size, 3), np.uint8)

    @torch.inference_mode()
    def __call__(self, frame: Image, xyxy: ArrayLike) -> Floats:
        """(H, W, 3) uint8 BGR frame, (N, 4) boxes in pixels -> (N, 512) float32 rows of length 1.

        Of a box that reaches over the frame's edge the visible part is taken; a row of NaN where nothing is visible.

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
        source = frame if self.device.type == "cpu" else torch.from_numpy(frame).to(self.device)
        for start in range(0, len(rows), self._chunk):
            part = corners[start : start + self._chunk]
            crops = (
                self._resized(source, part) if isinstance(source, np.ndarray) else align(source, part, self.crop_size)
            )
            (features[rows[start : start + self._chunk]],) = self._network(crops)
        return features

    def _resized(self, frame: Image, corners: NDArray[np.int64]) -> Image:
        height, width = self.crop_size
        for crop, (left, top, right, bottom) in zip(self._buffer, corners, strict=False):
            cv2.resize(frame[top:bottom, left:right], (width, height), dst=crop, interpolation=cv2.INTER_LINEAR)
        return self._buffer[: len(corners)]


def _by_torch(weights: Weights, device: torch.device) -> Callable[[Any], exported.Arrays]:
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
