"""Motion weights on disk: one safetensors file with the network, the filter's constants and what they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import WeightsError

WEIGHTS = "motion.safetensors"
EMBEDDED = Path(__file__).parent.parent / "assets" / WEIGHTS
_NOTES = "motion"
COMMAND = "track train motion DATA... --out runs/motion"


@dataclass(frozen=True, eq=False)
class Weights:
    """Tensors by name (float32, float64 for the filter) and the file's notes (`model`, `command`, `seed`, ...)."""

    tensors: Mapping[str, NDArray[Any]]
    notes: Mapping[str, str]


def read_weights(path: Path) -> Weights:
    """
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
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"{path} is not a readable safetensors file ({error}); make it with: {COMMAND}") from error
    if not notes:
        raise WeightsError(f"{path} holds no motion model; make one with: {COMMAND}")
    return Weights({name: _widened(value) for name, value in tensors.items()}, notes)


def write_weights(path: Path, tensors: Mapping[str, NDArray[Any]], notes: Mapping[str, str]) -> None:
    """A file that `read_weights` reads; `notes` are text by name."""
    from safetensors.numpy import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = {_NOTES: json.dumps(dict(notes), sort_keys=True)}  # one entry: the order of several is left to chance
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, path, metadata)


def _widened(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.float32) if value.dtype == np.float16 else value
