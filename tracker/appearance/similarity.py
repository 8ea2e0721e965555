"""Similarity calibration: log-odds that two appearance embeddings are of one object.

Similarity is the dot product of two unit vectors. That of one and the same person falls with the time between the two
embeddings while that of two people stays, so no one threshold fits; `same_identity_probability` knows both
distributions. Needs no PyTorch: features may be handed in without any network.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import safe_open

from tracker.errors import WeightsError
from tracker.system import engine

WEIGHTS = "appearance.safetensors"
EMBEDDED = Path(__file__).parents[1] / "assets" / WEIGHTS
CHECKPOINT_SIZE = (256, 128)  # crop height and width of a checkpoint that does not say: what torchreid trains with
LARGEST_CROP = 1024  # pixels; memory is taken for what a file says
LONGEST_S = 20.0  # seconds apart up to which this was checked; what is longer counts as this long
REMEDY = "give OSNet x0.25 weights or make some with: track train appearance DATA --teacher WEIGHTS --out DIR"


@dataclass(frozen=True)
class Calibration:
    """What a similarity says after some seconds: the log-odds are `slope * (similarity - threshold)`.

    Threshold and slope each move linearly with log(1 + seconds), up to `LONGEST_S`. The odds are for one true pair
    against one false one (even prior), so the log-odds are a log-likelihood ratio that adds to other evidence. Fitted
    by logistic regression on pairs of crops a known time apart (`train/appearance/calibration.py`) and stored with the
    weights. The defaults are those of OSNet x0.25 trained on MSMT17, for checkpoints that bring none.
    """

    threshold: float = 0.739
    threshold_per_log_s: float = -0.0575
    slope: float = 22.0
    slope_per_log_s: float = -1.86
    different_mean: float = 0.55  # similarity of different objects where this was fitted, and its standard deviation
    different_deviation: float = 0.10
    same_mean: float = 0.92  # similarity of one object, there, to the mean of its embeddings until a moment ago

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
    """Probability that two embeddings belong to one identity, were both answers as likely beforehand.

    Args:
        similarity: cosine similarities in [-1, 1]; NaN where a feature is missing, which gives 0.5: no evidence.
        seconds_apart: time between them, >= 0; broadcasts against `similarity`.
        calibration: that of the network in use (`Embedder.calibration`); by default that of an OSNet checkpoint.

    >>> p = same_identity_probability([0.95, 0.2, float("nan")], 1.0)
    >>> bool(p[0] > 0.9), bool(p[1] < 0.1), float(p[2])
    (True, True, 0.5)
    """
    odds = (calibration or Calibration()).log_odds(similarity, seconds_apart)
    probability: NDArray[np.float32] = (1 / (1 + np.exp(-np.clip(odds, -60, 60)))).astype(np.float32)
    return probability


def weights_file(path: str | Path = "") -> Path:
    """The appearance network's weights: "" the embedded ones; of an exported folder, those it was made from.

    Raises:
        WeightsError: no such file.
    """
    file = Path(path) if str(path) else EMBEDDED
    if engine.find(file, "appearance"):
        file = file / WEIGHTS
    if not file.is_file():
        raise WeightsError(f"no appearance weights at {file}; {REMEDY}")
    return file


def is_embedded(path: str | Path) -> bool:
    """Whether these are the weights of the embedded network, also as an exported folder keeps them.

    What cannot be read is not; that it cannot, whoever needs it says.
    """
    try:
        file = weights_file(path)
        if file == EMBEDDED:
            return True
        with safe_open(file, "np") as one, safe_open(EMBEDDED, "np") as other:
            names = set(one.keys())
            return names == set(other.keys()) and all(
                np.array_equal(one.get_tensor(name), other.get_tensor(name)) for name in names
            )
    except Exception:  # whatever a missing, damaged or foreign file makes the reader raise
        return False


@dataclass(frozen=True)
class Notes:
    """What a weights file says beside the network."""

    calibration: Calibration = field(default_factory=Calibration)
    crop_size: tuple[int, int] = CHECKPOINT_SIZE  # height, width in pixels


def read_notes(metadata: Mapping[str, str]) -> Notes:
    """From a safetensors file's metadata.

    Raises:
        ValueError, TypeError: not finite numbers by the names of a calibration, a spread that is none, a size of crops
            that is none.
    """
    values = json.loads(metadata.get("calibration", "{}"))
    calibration = Calibration(**{name: float(value) for name, value in values.items()})
    if not all(map(math.isfinite, vars(calibration).values())) or not calibration.different_deviation > 0:
        raise ValueError(f"calibration {values}")
    size = tuple(int(n) for n in json.loads(metadata.get("crop_size", json.dumps(CHECKPOINT_SIZE))))
    if len(size) != 2 or min(size) < 16 or max(size) > LARGEST_CROP:
        raise ValueError(f"crop size {size}")
    return Notes(calibration, (size[0], size[1]))


def load_notes(path: str | Path = "") -> Notes:
    """What is stored with the weights, without loading them; PyTorch checkpoints bring nothing, so it is the default.

    Raises:
        WeightsError: missing or damaged file.
    """
    file = weights_file(path)
    if file.suffix != ".safetensors":
        return Notes()
    try:
        with safe_open(file, "np") as reader:
            return read_notes(reader.metadata() or {})
    except Exception as error:  # whatever a damaged file makes the reader raise, the user's remedy is one
        raise WeightsError(f"{file} cannot be read as weights; {REMEDY}") from error
