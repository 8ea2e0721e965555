"""Motion weights on disk: one safetensors file with the network, the filter's constants and what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import WeightsError
from tracker.motion.geometry import GEOMETRY_SIZE
from tracker.motion.head import OUTPUTS
from tracker.motion.kalman import KalmanParameters
from tracker.structures import FEATURE_SIZE

WEIGHTS = "motion.safetensors"
EMBEDDED = Path(__file__).parent.parent / "assets" / WEIGHTS
INPUTS = 512  # numbers the recurrent layers see of an observation
_NOTES = "motion"
COMMAND = "track train motion DATA... --out runs/motion"


@dataclass(frozen=True, eq=False)
class MotionWeights:
    """Tensors by name (float32, float64 for the filter) and the file's notes (`model`, `command`, `seed`, ...)."""

    tensors: Mapping[str, NDArray[Any]]
    notes: Mapping[str, str]


def read_weights(path: Path) -> MotionWeights:
    """What `write_weights` wrote, checked: all shapes are those of a motion network, all numbers finite.

    Raises:
        WeightsError: no such file, or not a motion weights file.
    """
    import safetensors

    if not path.is_file():
        raise WeightsError(f"no motion weights at {path}; make them with: {COMMAND}")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            notes = json.loads((file.metadata() or {}).get(_NOTES, "{}"))
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
    except (safetensors.SafetensorError, OSError, ValueError, TypeError, RecursionError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error}); make it with: {COMMAND}") from error
    if not (notes and isinstance(notes, dict) and all(isinstance(note, str) for note in notes.values())):
        raise WeightsError(f"{path} holds no motion model; make one with: {COMMAND}")
    wrong = _wrong(tensors, notes.get("model", ""))
    if wrong:
        raise WeightsError(f"{path} holds no motion network ({wrong}); make one with: {COMMAND}")
    return MotionWeights({name: _widened(value) for name, value in tensors.items()}, notes)


def _wrong(tensors: Mapping[str, NDArray[Any]], model: str) -> str:
    """What keeps these tensors from being a motion network and its filter; "" where nothing does."""
    for name, shape in _shapes(tensors, model).items():
        if name not in tensors or tensors[name].shape != shape:
            found = tensors[name].shape if name in tensors else "missing"
            return f"{name} is {found}, not {shape}"
    for name, value in tensors.items():
        if value.dtype.kind != "f" or not np.isfinite(value).all():
            return f"{name} holds what is no finite number"
        if name.startswith("kalman.") and not (value > 0).all():
            return f"{name} holds what is not above 0"
    return ""


def _shapes(tensors: Mapping[str, NDArray[Any]], model: str) -> dict[str, tuple[int, ...]]:
    """Of what every network has, whose hidden layers may be of any width; of the LSTM, all."""
    head = tensors.get("head.weight", np.zeros((0, 0)))
    hidden = head.shape[-1] if head.ndim == 2 else 0
    shapes: dict[str, tuple[int, ...]] = {f"kalman.{field.name}": (4,) for field in fields(KalmanParameters)}
    shapes |= {"geometry.weight": (INPUTS, GEOMETRY_SIZE), "geometry.bias": (INPUTS,), "no_feature": (FEATURE_SIZE,)}
    shapes |= {"appearance.weight": (INPUTS, FEATURE_SIZE)}
    shapes |= {"head.weight": (OUTPUTS, hidden), "head.bias": (OUTPUTS,)}
    if model == "lstm":
        for layer, inputs in enumerate((INPUTS, hidden)):
            shapes |= {f"recurrent.weight_ih_l{layer}": (4 * hidden, inputs)}
            shapes |= {f"recurrent.weight_hh_l{layer}": (4 * hidden, hidden)}
            shapes |= {f"recurrent.bias_{which}_l{layer}": (4 * hidden,) for which in ("ih", "hh")}
    return shapes


def write_weights(path: Path, tensors: Mapping[str, NDArray[Any]], notes: Mapping[str, str]) -> None:
    """A file that `read_weights` reads, written at once or not at all; `notes` are text by name."""
    from safetensors.numpy import save

    metadata = {_NOTES: json.dumps(dict(notes), sort_keys=True)}  # one entry: the order of several is left to chance
    content = save({k: np.ascontiguousarray(v) for k, v in tensors.items()}, metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")  # a link at `path` is replaced, not written through
    draft.write_bytes(content)
    draft.replace(path)


def _widened(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.float32) if value.dtype == np.float16 else value
