"""Networks that `track export` has written, in use: OpenVINO or ONNX Runtime in the place of PyTorch, on the CPU.

A folder of them holds `export.yaml` (what is in it, made from which weights, how close to PyTorch), a network for each
of its entries, and the weights of appearance and motion as they were, for what is known about them beside the network.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tracker.errors import TrackerError, WeightsError
from tracker.system.extras import extra
from tracker.system.signal_handling import own_signal_stack

MANIFEST = "export.yaml"
COMMAND = "track export --out DIR"
COMPILED = "compiled"  # folder beside a network: where there is one, OpenVINO keeps there what it makes of the network
STREAMS = 4  # inputs that are looked at side by side, each by its share of the cores, at most

Arrays = tuple[NDArray[Any], ...]
ExportedNetwork = Callable[..., Arrays]
Shapes = tuple[tuple[int, ...], ...]  # of the inputs; () where any will do


@dataclass(frozen=True)
class Export:
    """What a folder holds.

    Attributes:
        folder: where.
        format: "openvino" or "onnx".
        precision: "fp32" or "int8".
        networks: of "detector", "appearance" and "motion" those that are there -> `file` and what else is known.
    """

    folder: Path
    format: str
    precision: str
    networks: Mapping[str, Mapping[str, Any]]

    def open(self, name: str, *, any_shape: bool = True, at_once: bool = True) -> ExportedNetwork:
        """The network `name`: arrays in, arrays out, from any number of threads at once.

        Args:
            name: which.
            any_shape: False where inputs come in few shapes: a network is laid out for each of them, which is quicker.
            at_once: False where threads take turns: it is laid out once, not for as many as may be in it at once.

        Raises:
            WeightsError: the folder does not hold it, or its file is damaged.
            MissingExtraError: the engine is not installed.
        """
        if name not in self.networks:
            raise WeightsError(f"{self.folder} holds no {name} network; make one with: {COMMAND}")
        file = self.folder / str(self.networks[name]["file"])
        return opened(file, f"make it again with: {COMMAND}", any_shape=any_shape, at_once=at_once)


def opened(file: Path, remedy: str, *, any_shape: bool = True, at_once: bool = True) -> OpenVinoNetwork | OnnxNetwork:
    """The network in an `.onnx` file, or in an `.xml` file of OpenVINO; the rest as for `Export.open`.

    Raises:
        WeightsError: the file is damaged; `remedy` says what to do.
        MissingExtraError: the engine is not installed.
    """
    try:
        return OnnxNetwork(file) if file.suffix == ".onnx" else OpenVinoNetwork(file, any_shape, at_once)
    except TrackerError:
        raise
    except Exception as error:  # whatever a damaged file makes the engine raise
        reason = str(error).strip().splitlines()[-1]
        raise WeightsError(f"{file} cannot be opened ({reason}); {remedy}") from error


def find(model: str | Path, network: str = "") -> Export | None:
    """The export in the folder `model`; None where `model` is no folder.

    Raises:
        WeightsError: a folder without an export, or with one that lacks `network`.
    """
    folder = Path(model)
    if not str(model) or not folder.is_dir():
        return None
    try:
        content = yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))
        found = Export(folder, content["format"], content["precision"], dict(content["networks"]))
        if found.format not in ("openvino", "onnx"):
            raise ValueError(found.format)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{folder} is not a folder of exported networks; make one with: {COMMAND}") from error
    if network and network not in found.networks:
        raise WeightsError(f"{folder} holds no {network} network; make one with: {COMMAND}")
    return found


class _Begun(threading.local):
    """The shapes of inputs that a thread has given already."""

    def __init__(self) -> None:
        self.shapes: set[Shapes] = set()


class OpenVinoNetwork:
    """A network in OpenVINO's format, with as many requests as there are threads in it at once.

    Each has memory for all that is between input and output, 20 MB of a detector, so many threads that take turns share
    a few.

    Attributes:
        shapes: of the inputs; -1 where a length is free.
    """

    def __init__(self, file: Path, any_shape: bool, at_once: bool) -> None:
        openvino = extra("openvino", "openvino")
        self._core = openvino.Core()
        with own_signal_stack():
            self._core.get_versions("CPU")  # loads the plugin
        self._kept = file.parent / COMPILED
        self._any_shape, self._at_once = any_shape, at_once
        self._compiled: dict[Shapes, Any] = {}
        self._free: dict[Shapes, list[Any]] = {}  # requests that nobody is in, the last used last
        self._begun = _Begun()
        self._model = self._core.read_model(file)  # what is damaged is found when it is opened
        inputs = self._model.inputs
        self.shapes = [[-1 if side.is_dynamic else side.get_length() for side in i.partial_shape] for i in inputs]
        if any_shape:
            self._compiled[()] = self._compile(())

    def _compile(self, shapes: Shapes) -> Any:
        model = self._model
        if shapes:
            model.reshape(dict(zip(model.inputs, map(list, shapes), strict=True)))
        cores = os.cpu_count() or 1
        streams = min(STREAMS, cores)
        # 32-bit where it is not INT8: the same numbers on processors that would take 16-bit floats otherwise. Threads
        # are not bound to cores, which decoding and encoding want too.
        settings = {"NUM_STREAMS": streams, "INFERENCE_PRECISION_HINT": "f32", "ENABLE_CPU_PINNING": False}
        if not self._at_once:  # with the same share of the cores; 27 MB less for each stream of the appearance network
            settings |= {"NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": max(1, cores // streams)}
        if self._kept.is_dir():
            with suppress(Exception):  # it may be another user's; what is damaged there OpenVINO makes again
                return self._core.compile_model(model, "CPU", settings | {"CACHE_DIR": str(self._kept)})
        return self._core.compile_model(model, "CPU", settings)

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        shapes = () if self._any_shape else tuple(array.shape for array in inputs)
        if shapes not in self._begun.shapes:
            with _first:
                if shapes not in self._compiled:
                    self._compiled[shapes] = self._compile(shapes)
                self._free.setdefault(shapes, [])
                found = self._infer(shapes, inputs)
            self._begun.shapes.add(shapes)
            return found
        return self._infer(shapes, inputs)

    def _infer(self, shapes: Shapes, inputs: Arrays) -> Arrays:
        free = self._free[shapes]
        try:
            request = free.pop()  # one step of Python's: no two threads get the same
        except IndexError:
            request = self._compiled[shapes].create_infer_request()
        request.infer(dict(enumerate(inputs)), share_inputs=True)
        found = tuple(np.array(output.data) for output in request.output_tensors)
        free.append(request)
        return found


# OpenVINO's Python side sets itself up at the first inference, holding a lock of its own and waiting for Python's: two
# threads that are there at once wait for each other for ever. So every thread's first inference is made alone.
_first = threading.Lock()


class OnnxNetwork:
    """A network in ONNX's format.

    Attributes:
        shapes: of the inputs; -1 where a length is free. metadata: what its exporter wrote beside it.
    """

    def __init__(self, file: Path) -> None:
        runtime = extra("onnxruntime", "onnx")
        options = runtime.SessionOptions()
        cores = os.cpu_count() or 1
        options.intra_op_num_threads = max(1, cores // STREAMS)
        options.log_severity_level = 3
        self._session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        entries = self._session.get_inputs()
        self._names = [entry.name for entry in entries]
        self.shapes = [[side if isinstance(side, int) else -1 for side in entry.shape] for entry in entries]
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def __call__(self, *inputs: NDArray[Any]) -> Arrays:
        return tuple(self._session.run(None, dict(zip(self._names, inputs, strict=True))))
