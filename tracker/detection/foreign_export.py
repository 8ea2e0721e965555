"""Networks that Ultralytics' own export has written: an ONNX file, or a folder with OpenVINO's two files."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy
from tracker.detection.decoding import NetworkOutput
from tracker.errors import WeightsError
from tracker.structures import Floats
from tracker.system import engine

SUFFIXES = (".onnx", ".bin")
_METADATA = "metadata.yaml"
_REMEDY = "give a YOLO network as Ultralytics exports it, or one of any detector as `track export` does"
_TASKS = ("detect", "segment", "pose", "obb")


def find(model: Path) -> Path | None:
    """The file with the weights in a folder that Ultralytics has written; None where it is none."""
    files = sorted(model.glob("*.bin")) if (model / _METADATA).is_file() else []
    return files[0] if len(files) == 1 and files[0].with_suffix(".xml").is_file() else None


class ForeignExport:
    """A network for boxes, upright or oriented, masks or poses, YOLO's or RT-DETR, as Ultralytics exports it.

    Args:
        weights: the ONNX file, or the `.bin` of OpenVINO's two files. conf: candidates have scores above this.

    Attributes:
        names: class number -> name. stride: what the sides of the input are multiples of.
        end2end: the candidates need no non-maximum suppression.
        size: height and width of every input; None: any. stretched: the picture is stretched to it.

    Raises:
        WeightsError: damaged, or of another task. MissingExtraError: its engine is not installed.
    """

    def __init__(self, weights: Path, conf: float) -> None:
        onnx = weights.suffix == ".onnx"
        network = engine.opened(weights if onnx else weights.with_suffix(".xml"), _REMEDY, any_shape=False)
        about = network.metadata if isinstance(network, engine.OnnxNetwork) else _read(weights.parent / _METADATA)
        try:
            self._task = str(about["task"])
            self.names = {int(number): str(name) for number, name in _plain(about["names"]).items()}
            suppressed = _plain(about.get("args", {})).get("nms", False)  # a network with suppression built in
            self.stride, self.end2end = int(about["stride"]), True in (_plain(about.get("end2end", False)), suppressed)
            self.stretched = about.get("head") == "RTDETRDecoder"  # each of whose queries is one object
            self.end2end |= self.stretched
            self._of_point = int(_plain(about["kpt_shape"])[1]) if self._task == "pose" else 0
            batch, _, height, width = network.shapes[0]
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, SyntaxError) as error:
            raise WeightsError(f"{weights} does not say what network it holds; {_REMEDY}") from error
        if self._task not in _TASKS:
            raise WeightsError(f"{weights} is a network to {self._task}; give one to {', '.join(_TASKS)}")
        if batch > 1:
            raise WeightsError(f"{weights} takes {batch} pictures at once; export it with batch=1")
        self.size = (height, width) if min(height, width) > 0 else None
        self._network, self._conf, self._weights = network, conf, weights

    def __call__(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        """(B, H, W, 3) RGB, 0 to 255 -> the candidates of all images."""
        inputs = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), np.float32) / np.float32(255)
        results = [self._network(image[None]) for image in inputs]
        rows = [self._rows(result[0][0], number) for number, result in enumerate(results)]
        prototypes = np.concatenate([result[1] for result in results]) if self._task == "segment" else None
        found = NetworkOutput(np.concatenate(rows), prototypes, self._of_point, self._task == "obb")
        if self.stretched:  # boxes are centres and sizes, in shares of the picture
            boxes = found.rows[:, 1:5] * np.tile(pixels.shape[2:0:-1], 2)
            found.rows[:, 1:5] = cxcywh_to_xyxy(boxes)
        return found

    def _rows(self, table: Floats, image: int) -> Floats:
        """(4 + classes + E, A) centres and sizes, scores and values of every cell, or (A, 6 + E) -> candidates."""
        if self.end2end:
            kept = table[table[:, 4] > self._conf]
            return np.concatenate([np.full((len(kept), 1), image, np.float32), kept], axis=1)
        if len(table) < 4 + len(self.names) or (self._task == "detect" and len(table) > 4 + len(self.names)):
            raise WeightsError(  # as RT-DETR's, before Ultralytics said that it is one
                f"{self._weights} gives a table of {' x '.join(map(str, table.shape))} numbers, which is not one of "
                f"{len(self.names)} classes; export it with a newer Ultralytics"
            )
        scores = table[4 : 4 + len(self.names)]
        label = scores.argmax(axis=0)
        score = scores.max(axis=0)
        cell = np.flatnonzero(score > self._conf)
        box = table[:4, cell]
        if self._task != "obb":
            box = cxcywh_to_xyxy(box.T).T
        parts = [box, score[None, cell], label[None, cell], table[4 + len(self.names) :, cell]]
        columns = np.concatenate([np.full((1, len(cell)), image), *parts])
        return np.ascontiguousarray(columns.T, np.float32)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return dict(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, TypeError, ValueError) as error:
        raise WeightsError(f"{file} cannot be read; {_REMEDY}") from error


def _plain(value: Any) -> Any:
    """A value that ONNX's metadata have as text."""
    return ast.literal_eval(value) if isinstance(value, str) else value
