"""The three networks for other engines: ONNX or OpenVINO, in 32-bit floats or INT8, each compared with PyTorch.

The detector, the appearance CNN and one step of the LSTM are written as `system/engine.py` runs them: from pixels to
decoded boxes, from pixels to unit vectors, from geometry, embeddings and state to the next state. INT8 is post-training
quantisation by NNCF, calibrated on every other frame of a calibration set and judged on the ones between. Of the LSTM
only the weights become INT8: rounded activations would add up in its state.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn

from tracker.appearance.omniscale import FoldedNet
from tracker.appearance.similarity import EMBEDDED, WEIGHTS
from tracker.appearance.weights import load_weights
from tracker.config import Config
from tracker.detection.detector import find_weights
from tracker.detection.foreign_export import SUFFIXES
from tracker.errors import UsageError
from tracker.export.calibration_data import CalibrationSet
from tracker.export.detectors import exportable
from tracker.export.parity import ParityCheck, of_appearance, of_detector, of_motion
from tracker.motion import weights as motion
from tracker.motion.networks.lstm import MotionNetwork
from tracker.provenance import hashed, weights_files
from tracker.system.engine import MANIFEST, find
from tracker.system.extras import extra
from tracker.system.files import replace_text, writing
from tracker.system.output_folder import claim
from tracker.system.signal_handling import own_signal_stack
from tracker.system.version import __version__

FORMATS = ("onnx", "openvino")
NETWORKS = ("detector", "appearance", "motion")
_SUFFIXES = {"onnx": (".onnx",), "openvino": (".xml", ".bin")}
_DECODING = ".*decode.*"  # operations of `yolo`'s decoding, by the name of its modules


@dataclass(frozen=True)
class _Plan:
    """How one network is written.

    Attributes:
        weights: the file it comes from.
        module: the network.
        example: its inputs by name.
        varying: the axes of each input whose length is free.
        outputs: the same of its outputs.
        calibration: inputs whose activations set the ranges of INT8; empty: only its weights become INT8.
        about: what `system/engine.py` has to know.
    """

    weights: Path
    module: nn.Module
    example: dict[str, Tensor]
    varying: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    calibration: Sequence[tuple[NDArray[Any], ...]]
    about: dict[str, Any]


def export(
    config: Config,
    out: Path,
    calibration_set: CalibrationSet,
    *,
    format: str = "openvino",
    int8: bool = False,
    networks: Sequence[str] = NETWORKS,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, ParityCheck]:
    """Write the networks of `config` to `out`, a folder that `detector.model` and its like accept.

    Args:
        config: which weights.
        out: the folder.
        calibration_set: frames to compare with PyTorch on and, for INT8, to calibrate with.
        format: "onnx" or "openvino".
        int8: 8-bit weights and activations in place of 32-bit floats.
        networks: which of the three.
        progress: told in words what is going on.

    Returns:
        How each agrees with PyTorch.

    Raises:
        MissingExtraError: a package of the format is not installed.
        WeightsError, UsageError: weights that are missing, or exported already.
        OutputError: `out` cannot be written, or holds files of these names that no export wrote.
    """
    ready(config, out, format=format, int8=int8, networks=networks)
    manifest: dict[str, Any] = {"format": format, "precision": "int8" if int8 else "fp32", "version": __version__}
    manifest["networks"] = {}
    parity: dict[str, ParityCheck] = {}
    for name in networks:
        progress(f"converting the {name} network")
        plan = _PLANS[name](config, out, calibration_set)
        file = out / f"{name}{_SUFFIXES[format][0]}"
        with _quiet(), writing(file):
            (_to_onnx if format == "onnx" else _to_openvino)(plan, file, int8)
        manifest["networks"][name] = {"file": file.name, **plan.about, "made_from": hashed(plan.weights)}
        replace_text(out / MANIFEST, yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
        progress(f"comparing the {name} network with PyTorch")
        written = find(out)
        assert written is not None
        parity[name] = _COMPARISONS[name](config, written, calibration_set, int8)
        manifest["networks"][name]["agreement"] = parity[name].to_dict()
    replace_text(out / MANIFEST, yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))
    return parity


def ready(config: Config, out: Path, *, format: str, int8: bool, networks: Sequence[str] = NETWORKS) -> None:
    """Make sure of all that `export` needs, before what takes its time; errors as there."""
    require(format, int8)
    for path in weights_files(config).values():
        if path.name == MANIFEST or path.suffix in SUFFIXES:
            exported = path.parent if path.name == MANIFEST else path
            raise UsageError(f"{exported} is exported already; give the weights it was made from")
    if int8 and format == "onnx" and "detector" in networks and exportable(config.detector).module.stretched:
        raise UsageError(
            "NNCF makes no INT8 of RT-DETR and RF-DETR as ONNX; give --format openvino, or leave --int8 out for "
            "32-bit floats"
        )
    claim(out, "export", [MANIFEST, *(f"{name}{end}" for name in networks for end in _SUFFIXES[format])])


def require(format: str, int8: bool) -> None:
    """
    Raises:
        MissingExtraError: a package that the format needs is not installed.
    """
    for module in ("onnx", "onnxruntime") if format == "onnx" else ("openvino",):
        extra(module, format)
    if int8:
        extra("nncf", format)


def _detector(config: Config, out: Path, calibration_set: CalibrationSet) -> _Plan:  # noqa: ARG001
    detector = exportable(config.detector)
    module = detector.module
    boxed = [detector.fit(frame)[None] for frame in calibration_set.frames[::2]]
    about: dict[str, Any] = {"names": detector.names, "stride": detector.stride, "end2end": module.end2end}
    about |= {"of_point": module.of_point, "oriented": module.oriented}
    varying: dict[str, tuple[int, ...]] = {"pixels": (0, 1, 2)}
    outputs: dict[str, tuple[int, ...]] = {"table": (0, 1)}
    if module.masks:
        outputs["prototypes"] = (0, 2, 3)
    example = {"pixels": torch.from_numpy(boxed[0])}
    if module.stretched:  # its grids are laid out for one size, by the first picture
        varying, outputs = {"pixels": ()}, dict.fromkeys(outputs, ())
        about["stretched_to"] = list(boxed[0].shape[1:3])
        with torch.inference_mode():
            module(example["pixels"])
    weights = find_weights(config.detector.model)
    return _Plan(weights, module, example, varying, outputs, [(pixels,) for pixels in boxed], about)


def _appearance(config: Config, out: Path, calibration_set: CalibrationSet) -> _Plan:
    file = Path(config.appearance.model or EMBEDDED)
    weights = load_weights(file)
    weights.write(out / WEIGHTS)
    crops = calibration_set.crops(range(0, len(calibration_set.frames), 2), weights.crop_size)
    parts = np.array_split(crops, max(1, len(crops) // 4))
    example = {"crops": torch.zeros(2, *weights.crop_size, 3, dtype=torch.uint8)}
    module = FoldedNet(weights.network())
    return _Plan(file, module, example, {"crops": (0,)}, {"features": (0,)}, [(part,) for part in parts], {})


def _motion(config: Config, out: Path, calibration_set: CalibrationSet) -> _Plan:  # noqa: ARG001
    if config.motion.model == "kalman":
        raise UsageError("the Kalman filter is no network and needs no export; give the weights of an LSTM")
    file = Path(config.motion.model or motion.EMBEDDED)
    weights = motion.read_weights(file)
    if weights.notes.get("model") != "lstm":
        raise UsageError(f"only the LSTM can be exported, not {weights.notes.get('model')!r}; leave the motion out")
    motion.write_weights(out / motion.WEIGHTS, weights.tensors, weights.notes)
    step = MotionStep(weights.tensors)
    state = torch.zeros(2, 2, step.hidden)
    example = {"geometry": torch.zeros(2, step.inputs), "features": torch.zeros(2, 512), "hidden": state, "cell": state}
    varying = {"geometry": (0,), "features": (0,), "hidden": (1,), "cell": (1,)}
    outputs = {"next_hidden": (1,), "next_cell": (1,)}
    return _Plan(file, step, example, varying, outputs, [], {"hidden": step.hidden})


_PLANS = {"detector": _detector, "appearance": _appearance, "motion": _motion}
_COMPARISONS = {"detector": of_detector, "appearance": of_appearance, "motion": of_motion}


class MotionStep(nn.Module):
    """One step of the LSTM for N tracks, the input map folded into its first layer.

    (N, 47) geometry, (N, 512) features with NaN rows for none, (2, N, H) hidden and cell -> the next hidden and cell.
    """

    nothing: Tensor  # (512,) in place of a feature

    def __init__(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        super().__init__()
        network = MotionNetwork()
        network.load_state_dict({k: torch.from_numpy(v) for k, v in tensors.items() if not k.startswith("kalman.")})
        (weight, recurrent, *biases), (weight2, recurrent2, *biases2) = network.recurrent.all_weights
        self.hidden, self.inputs = network.recurrent.hidden_size, network.geometry.in_features
        bias = weight @ network.geometry.bias + biases[0] + biases[1]
        self.geometry = _linear(weight @ network.geometry.weight, bias)
        self.appearance = _linear(weight @ network.appearance.weight)
        self.recurrent = nn.ModuleList([_linear(recurrent), _linear(recurrent2)])
        self.second = _linear(weight2, biases2[0] + biases2[1])
        self.register_buffer("nothing", network.no_feature.detach())
        self.eval().requires_grad_(False)

    def forward(self, geometry: Tensor, features: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        embedding = torch.where(torch.isnan(features), self.nothing, features)
        gates = self.geometry(geometry) + self.appearance(embedding) + self.recurrent[0](hidden[0])
        h1, c1 = self._cell(gates, cell[0])
        h2, c2 = self._cell(self.second(h1) + self.recurrent[1](hidden[1]), cell[1])
        return torch.stack([h1, h2]), torch.stack([c1, c2])

    @staticmethod
    def _cell(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        into, keep, new, out = gates.chunk(4, 1)
        cell = keep.sigmoid() * cell + into.sigmoid() * new.tanh()
        return out.sigmoid() * cell.tanh(), cell


def _linear(weight: Tensor, bias: Tensor | None = None) -> nn.Linear:
    """A layer with these weights. Each has a scale of its own in INT8, so what is of different size stays apart."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight.data = weight.detach()
    if bias is not None:
        layer.bias.data = bias.detach()
    return layer


def _to_openvino(plan: _Plan, file: Path, int8: bool) -> None:
    openvino = extra("openvino", "openvino")

    shapes = [
        openvino.PartialShape([-1 if axis in plan.varying[name] else size for axis, size in enumerate(tensor.shape)])
        for name, tensor in plan.example.items()
    ]
    model = openvino.convert_model(plan.module, example_input=tuple(plan.example.values()), input=shapes)
    if int8:
        inputs = [port.any_name for port in model.inputs]
        model = _quantised(model, [dict(zip(inputs, item, strict=True)) for item in plan.calibration])
    openvino.save_model(model, file, compress_to_fp16=False)


def _to_onnx(plan: _Plan, file: Path, int8: bool) -> None:
    onnx = extra("onnx", "onnx")

    names = [*plan.example, *plan.outputs]
    axes = {**plan.varying, **plan.outputs}
    torch.onnx.export(
        plan.module,
        tuple(plan.example.values()),
        file,
        input_names=list(plan.example),
        output_names=list(plan.outputs),
        dynamic_axes={name: {axis: f"{name}_{axis}" for axis in axes[name]} for name in names},
        opset_version=17,
        dynamo=False,
    )
    if int8:
        items = [dict(zip(plan.example, item, strict=True)) for item in plan.calibration]
        onnx.save(_quantised(onnx.load(file), items), file)


@own_signal_stack()
def _quantised(model: Any, items: list[dict[str, NDArray[Any]]]) -> Any:
    """The network with INT8 weights and, where there are `items` to run it on, activations."""
    nncf = extra("nncf", "openvino")

    if not items:
        return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    return nncf.quantize(
        model,
        nncf.Dataset(items),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(items),
        ignored_scope=nncf.IgnoredScope(patterns=[_DECODING], validate=False),
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars and remarks that exporters print."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
