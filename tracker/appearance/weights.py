"""The appearance network's weights in PyTorch: read from a file, and written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from tracker.appearance.omniscale import OmniScaleNet
from tracker.appearance.similarity import CHECKPOINT_SIZE, REMEDY, Calibration, read_notes, weights_file
from tracker.errors import WeightsError


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
        notes = read_notes(metadata)
    except WeightsError:
        raise
    except Exception as error:  # whatever a damaged file makes the readers raise, the user's remedy is one
        raise WeightsError(f"{file} cannot be read as weights; {REMEDY}") from error
    return Weights(state, notes.crop_size, notes.calibration)


def _read(file: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if file.suffix == ".safetensors":
        with safe_open(file, "pt") as reader:
            # clones: the reader's tensors are the file itself, which may be replaced by the very result
            state = {key: reader.get_tensor(key).clone() for key in reader.keys()}  # noqa: SIM118
            return state, reader.metadata() or {}
    content: Any = torch.load(file, map_location="cpu", weights_only=True)
    return dict(content.get("state_dict", content)), {}
