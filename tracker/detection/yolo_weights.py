"""YOLO's weights: read without running code, written as safetensors.

Ultralytics' layers and checkpoints: https://github.com/ultralytics/ultralytics (AGPL-3.0).
"""

from __future__ import annotations

import json
import math
import pickle
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tracker.detection.open_vocabulary import vocabulary
from tracker.detection.yolo_architecture import HEADS, Bounded, check_description
from tracker.errors import UsageError, WeightsError
from tracker.system.privacy import imported

_reading = threading.Lock()


def ultralytics(module: str) -> Any:
    """`ultralytics.<module>`, which sends nothing, looks nothing up and writes nothing to the user's home."""
    return imported(f"ultralytics.{module}")


def load(path: Path, prompt: Sequence[str] = ()) -> tuple[Any, dict[int, str]]:
    """An Ultralytics detection model (32-bit, evaluation mode, not fused) and its class names. Runs no pickled code.

    `.safetensors`: a state dict whose metadata holds the architecture (`yaml`) and the `names` as JSON, as
    `save` writes it. `.pt`: an Ultralytics checkpoint, read with `weights_only=True`. YOLO-World and YOLOE come with
    the vocabulary of `prompt`, or their own where that is empty, as a part of the network.

    Raises:
        WeightsError: damaged, unsafe, not a detector, or words of which it knows none.
        UsageError: words for a network that takes none. MissingExtraError: what encodes them is not installed.
    """
    network = _read(path)
    with _whole(path):
        if type(network.model[-1]).__name__ in vocabulary.HEADS:
            network = vocabulary.closed(network, prompt, path)
        elif prompt:
            raise UsageError(
                f"{path} takes no words; give weights that do (--model yoloe-11s-seg.pt), or leave --prompt out"
            )
        head = type(network.model[-1]).__name__
        names = {int(number): str(name) for number, name in dict(network.names).items()}
        finite = all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())
    if head not in HEADS:
        raise WeightsError(f"{path} is a {head} network; give weights of a YOLO detector")
    if not finite:
        raise WeightsError(f"{path} holds numbers that are not finite; train or copy it again")
    return network.float().eval(), names


def text_encoder(path: Path, prompt: Sequence[str]) -> Path | None:
    """The file with which the network of `path` encodes `prompt`; None where it needs none."""
    network = _read(path)
    with _whole(path):
        is_open = type(network.model[-1]).__name__ in vocabulary.HEADS
        encoder = vocabulary.needed(network, prompt) if is_open else None
    return path.parent / encoder.file if encoder is not None else None


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turn whatever a network that lacks something makes of it into one sentence."""
    try:
        yield
    except (AttributeError, TypeError, ValueError, LookupError) as error:
        raise WeightsError(f"{path} holds no whole network ({error}); give weights of a YOLO detector") from error


def save(network: Any, path: Path, metadata: Mapping[str, str]) -> None:
    """Write an Ultralytics detection model as 16-bit safetensors that `load` reads, with `metadata` beside."""
    from safetensors.torch import save_file

    state = {
        name: (value.half() if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    names = {str(number): name for number, name in dict(network.names).items()}
    own = {"yaml": json.dumps(network.yaml), "names": json.dumps(names)}
    save_file(state, path, metadata={**metadata, **own})


def _read(path: Path) -> Any:
    return _from_safetensors(path) if path.suffix == ".safetensors" else _from_checkpoint(path)


def _from_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 (no dict)
            architecture = json.loads(metadata["yaml"])
            names = {int(number): str(name) for number, name in json.loads(metadata["names"]).items()}
            if not names:
                raise ValueError("no classes")
            network = _built(architecture, names, shapes)
            network.load_state_dict({name: file.get_tensor(name) for name in shapes}, assign=True)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is not a whole safetensors file ({error}); copy or train it again") from error
    except KeyError as error:
        raise WeightsError(f"{path} holds no detector (no {error}); give one made by track train detector") from error
    except Exception as error:  # whatever a description that is none makes the layers raise
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{path} does not fit its own architecture ({reason}); train it again") from error
    return network


def _built(architecture: Any, names: Mapping[int, str], shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """The network that has parameters of these shapes."""
    check_description(architecture)
    detection_model = ultralytics("nn.tasks").DetectionModel  # imported before: classes hold tensors, too
    with Bounded(sum(map(math.prod, shapes.values()))):
        network = detection_model(architecture, verbose=False)
        if len(names) != (known := network.model[-1].nc):
            if not hasattr(network.model[-1], "cv3"):
                raise ValueError(f"{len(names)} names of {known} classes")
            with_classes(network, names)
    network.names = names
    own = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    wrong = sorted(name for name in own.keys() | shapes.keys() if own.get(name) != shapes.get(name))
    if wrong:
        raise ValueError(f"{wrong[0]} has shape {shapes.get(wrong[0])} instead of {own.get(wrong[0])}")
    return network


def with_classes(network: Any, names: Mapping[int, str]) -> Any:
    """`network` with its last layer made anew for `names`; classes that it knows keep their weights."""
    head = network.model[-1]
    old = {name: number for number, name in dict(network.names).items()}
    known = [(new, old[name]) for new, name in names.items() if name in old]
    for branch in [*head.cv3, *(getattr(head, "one2one_cv3", None) or [])]:
        last = branch[-1]
        layer = nn.Conv2d(last.in_channels, len(names), 1)
        for old_values, values in ((last.weight.data, layer.weight.data), (last.bias.data, layer.bias.data)):  # type: ignore[union-attr]
            values[:] = old_values.mean(dim=0, keepdim=True)
            for new, number in known:
                values[new] = old_values[number]
        branch[-1] = layer
    head.nc, head.no = len(names), len(names) + 4 * head.reg_max
    network.nc, network.names = len(names), dict(names)
    return network


def read_checkpoint(path: Path) -> dict[str, Any]:
    """An Ultralytics checkpoint, read with `weights_only=True`: known layers and numbers, no code.

    Raises:
        WeightsError: missing, damaged, or holds anything else.
    """
    try:
        size = path.stat().st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if sum(part.file_size for part in archive.infolist()) > size:
                    raise pickle.UnpicklingError("more than its size: PyTorch compresses nothing")
        tasks = ultralytics("nn.tasks")  # makes layers when it is first imported
        with _only_restoring():
            content, _ = tasks.torch_safe_load(str(path.resolve(strict=True)), safe_only=True)
        checkpoint = dict(content)
        for network in (checkpoint.get("ema"), checkpoint.get("model")):
            tensors = network.state_dict().values() if isinstance(network, nn.Module) else ()
            if sum(value.numel() * value.element_size() for value in tensors) > size:
                raise pickle.UnpicklingError("tensors larger than the file")
    except Exception as error:  # whatever a damaged or foreign pickle makes PyTorch raise
        raise WeightsError(
            f"{path} is not a YOLO checkpoint that can be read without running code; "
            "give weights saved by Ultralytics, or convert them to .safetensors"
        ) from error
    return checkpoint


@contextmanager
def _only_restoring() -> Iterator[None]:
    """Layers are restored with their state; none is made anew, which could take any memory, or download.

    PyTorch's restricted unpickler calls whatever it may restore, with arguments from the file.
    """
    thread = threading.get_ident()

    def refuse(self: nn.Module, *arguments: Any, **options: Any) -> None:
        if threading.get_ident() == thread:
            raise pickle.UnpicklingError(f"a call of {type(self).__name__}")
        make(self, *arguments, **options)

    with _reading:
        make = nn.Module.__init__
        nn.Module.__init__ = refuse  # type: ignore[method-assign]
        try:
            yield
        finally:
            nn.Module.__init__ = make  # type: ignore[method-assign]


def _from_checkpoint(path: Path) -> Any:
    checkpoint = read_checkpoint(path)
    network = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(network, ultralytics("nn.tasks").DetectionModel):
        raise WeightsError(f"{path} holds a {type(network).__name__}; give weights of a YOLO detector")
    return network
